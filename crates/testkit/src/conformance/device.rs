//! Trusted devices, and devices that logins name.

use super::scene::{HOUR, Person, ROOMY, Scene};
use crate::bounds::{RACE_ROUNDS, STORM_LOGINS};
use vestibule_core::{
    bounds::{KNOWN_DEVICES, TRUSTED_DEVICES},
    device::{DeviceId, Presented, Refusal, TRUSTED, TrustEnd, TrustedDevice, command::*},
    event::EventType,
    id::random,
    session::{
        Actor, Device, PackedSession, Session, SessionKind, TokenDigest,
        command::{CreateOutcome, CreateSession, Selection},
    },
    user::command::{DeleteUser, DisableUser, EnableUser},
};

const DAY: u64 = 24 * HOUR;

fn named(id: &str) -> Device {
    Device { id: Some(id.into()), ..Device::default() }
}

/// A trust for ten days in a device, which has an id of the caller's or none.
fn trust_in(scene: &Scene, person: &Person, label: Device) -> TrustDevice {
    TrustDevice {
        id: DeviceId::generate(person.tag),
        user_id: person.id.clone(),
        digest: TokenDigest::from_bytes(random()),
        label,
        expires_at: scene.now().plus_ms(10 * DAY),
        session: None,
        replaces: None,
    }
}

async fn ask_to_trust(scene: &Scene, command: TrustDevice) -> TrustOutcome {
    scene.devices.trust(scene.cx(), command).await.expect("trust answers")
}

async fn trust(scene: &Scene, person: &Person, label: Device) -> TrustedDevice {
    match ask_to_trust(scene, trust_in(scene, person, label)).await {
        TrustOutcome::Trusted(device) => device,
        other => panic!("expected trust, not {other:?}"),
    }
}

async fn check(scene: &Scene, person: &Person, device: &TrustedDevice) -> CheckOutcome {
    let command = CheckDevice { tag: person.tag, digest: device.digest };
    scene.devices.check(scene.cx(), command).await.expect("check answers")
}

async fn list(scene: &Scene, person: &Person) -> Vec<TrustedDevice> {
    scene.devices.devices(person.tag, scene.now()).await.expect("devices answers")
}

async fn revoke(scene: &Scene, person: &Person, selection: TrustSelection) -> u64 {
    let command = RevokeTrust { tag: person.tag, selection };
    scene.devices.revoke_trust(scene.cx(), command).await.expect("revoke answers").revoked
}

/// The reasons in the events of one type, newest first.
async fn reasons(scene: &Scene, person: &Person, kind: EventType) -> Vec<String> {
    let events = scene.events_of(person, kind).await;
    events.into_iter().map(|event| event.reason.unwrap_or_default().into()).collect()
}

async fn log_in(scene: &Scene, session: Session, device: Option<Presented>) -> PackedSession {
    let command = CreateSession { session, cap: ROOMY, login: false, device, is_new_browser: false };
    match scene.sessions.create(scene.cx(), command).await.expect("create answers") {
        CreateOutcome::Created { session, .. } => session,
        other => panic!("expected a session, not {other:?}"),
    }
}

async fn log_in_on(scene: &Scene, person: &Person, device: Device) -> PackedSession {
    log_in(scene, Session { device, ..scene.session(person) }, None).await
}

/// The token is accepted until the trust expires, and each use is noted.
// S45
pub async fn a_device_is_trusted_until_its_time(scene: Scene) {
    let ada = scene.person();
    let phone = trust(&scene, &ada, named("phone")).await;
    assert_eq!(list(&scene, &ada).await, std::slice::from_ref(&phone));
    assert_eq!(phone.last_used_at.millis(), 0);
    scene.advance(3 * DAY);
    let used = TrustedDevice { last_used_at: scene.now(), ..phone.clone() };
    assert_eq!(check(&scene, &ada, &phone).await, CheckOutcome::Trusted(used.clone()));
    assert_eq!(list(&scene, &ada).await, [used]);
    scene.advance(7 * DAY);
    assert!(list(&scene, &ada).await.is_empty());
    assert_eq!(check(&scene, &ada, &phone).await, CheckOutcome::Refused(TrustEnd::Expired));
    assert_eq!(reasons(&scene, &ada, EventType::DeviceRefused).await, ["expired"]);
    assert_eq!(scene.events_of(&ada, EventType::DeviceTrusted).await.len(), 1);
}

/// What one user trusts says nothing to another.
// S45
pub async fn a_trust_is_of_one_user_only(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let phone = trust(&scene, &ada, named("phone")).await;
    trust(&scene, &bob, named("phone")).await;
    assert_eq!(check(&scene, &bob, &phone).await, CheckOutcome::Refused(TrustEnd::Revoked));
    let of_ada = TrustSelection::One(phone.id);
    assert_eq!(revoke(&scene, &bob, of_ada).await, 0);
    assert!(matches!(check(&scene, &ada, &phone).await, CheckOutcome::Trusted(_)));
    assert_eq!(reasons(&scene, &bob, EventType::DeviceRefused).await, ["revoked"]);
    assert!(scene.events_of(&ada, EventType::DeviceRefused).await.is_empty());
}

/// A revoked trust is over at once, one by one or all together; a repeat ends none. Sessions go on.
// S45
pub async fn a_revoked_trust_is_over_at_once(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut devices = Vec::new();
    for name in ["phone", "laptop", "tablet"] {
        devices.push(trust(&scene, &ada, named(name)).await);
    }
    let one = TrustSelection::One(devices[1].id);
    assert_eq!(revoke(&scene, &ada, one).await, 1);
    assert_eq!(revoke(&scene, &ada, one).await, 0);
    assert_eq!(check(&scene, &ada, &devices[1]).await, CheckOutcome::Refused(TrustEnd::Revoked));
    assert_eq!(list(&scene, &ada).await, [devices[0].clone(), devices[2].clone()]);
    assert_eq!(revoke(&scene, &ada, TrustSelection::All).await, 2);
    assert_eq!(revoke(&scene, &ada, TrustSelection::All).await, 0);
    assert!(list(&scene, &ada).await.is_empty() && scene.is_valid(&session).await);
    let events = scene.events_of(&ada, EventType::DeviceRevoked).await;
    let mut counts: Vec<_> = events.iter().map(|event| event.count).collect();
    counts.sort_unstable();
    assert_eq!(counts, [Some(1), Some(2)]);
}

/// Trusting the same device anew replaces its token; a repeat of the very same command changes nothing.
pub async fn a_device_is_trusted_once(scene: Scene) {
    let ada = scene.person();
    let first = trust(&scene, &ada, named("phone")).await;
    let command = trust_in(&scene, &ada, named("phone"));
    let second = ask_to_trust(&scene, command.clone()).await;
    assert_eq!(ask_to_trust(&scene, command).await, second);
    let TrustOutcome::Trusted(second) = second else { panic!("{second:?}") };
    assert_eq!(list(&scene, &ada).await, [second]);
    assert_eq!(check(&scene, &ada, &first).await, CheckOutcome::Refused(TrustEnd::Replaced));
    // Whoever names no id may mean any device, unless it holds a token already.
    let unnamed = trust(&scene, &ada, Device::default()).await;
    trust(&scene, &ada, Device::default()).await;
    assert_eq!(list(&scene, &ada).await.len(), 3);
    let again = TrustDevice { replaces: Some(unnamed.digest), ..trust_in(&scene, &ada, Device::default()) };
    ask_to_trust(&scene, again).await;
    assert_eq!(list(&scene, &ada).await.len(), 3);
    assert_eq!(check(&scene, &ada, &unnamed).await, CheckOutcome::Refused(TrustEnd::Replaced));
}

/// The number of trusted devices is bounded; the longest trusted one goes first, expired ones before it.
pub async fn the_longest_trusted_device_goes_first(scene: Scene) {
    let ada = scene.person();
    let brief = TrustDevice { expires_at: scene.now().plus_ms(HOUR), ..trust_in(&scene, &ada, Device::default()) };
    ask_to_trust(&scene, brief).await;
    scene.advance(HOUR);
    let mut devices = Vec::new();
    for _ in 0..TRUSTED_DEVICES {
        devices.push(trust(&scene, &ada, Device::default()).await);
    }
    assert_eq!(list(&scene, &ada).await, devices, "the expired one made room");
    devices.push(trust(&scene, &ada, Device::default()).await);
    assert_eq!(list(&scene, &ada).await, devices[1..]);
    assert_eq!(check(&scene, &ada, &devices[0]).await, CheckOutcome::Refused(TrustEnd::Evicted));
    assert_eq!(reasons(&scene, &ada, EventType::DeviceRevoked).await, ["evicted"]);
}

/// A device has the name that its user gives it.
pub async fn a_device_gets_another_name(scene: Scene) {
    let ada = scene.person();
    let phone = trust(&scene, &ada, named("phone")).await;
    let rename = |id| RenameDevice { id, name: "Ada's phone".into() };
    let renamed = TrustedDevice { label: Device { name: Some("Ada's phone".into()), ..named("phone") }, ..phone.clone() };
    let outcome = scene.devices.rename(scene.cx(), rename(phone.id)).await.expect("rename answers");
    assert_eq!(outcome, RenameOutcome::Renamed(renamed.clone()));
    assert_eq!(list(&scene, &ada).await, [renamed]);
    assert_eq!(reasons(&scene, &ada, EventType::DeviceChanged).await, ["renamed"]);
    revoke(&scene, &ada, TrustSelection::All).await;
    for gone in [phone.id, DeviceId::generate(scene.person().tag)] {
        let outcome = scene.devices.rename(scene.cx(), rename(gone)).await.expect("rename answers");
        assert_eq!(outcome, RenameOutcome::Gone);
    }
}

/// A session that ended gives no trust any more, whatever it was when it asked.
pub async fn an_ended_session_trusts_nothing(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let ask = || TrustDevice { session: Some(session.id()), ..trust_in(&scene, &ada, Device::default()) };
    assert!(matches!(ask_to_trust(&scene, ask()).await, TrustOutcome::Trusted(_)));
    assert_eq!(scene.events_of(&ada, EventType::DeviceTrusted).await[0].session_id, Some(session.id()));
    scene.end_one(&session).await;
    assert_eq!(ask_to_trust(&scene, ask()).await, TrustOutcome::Gone);
    assert_eq!(list(&scene, &ada).await.len(), 1);
}

/// Disabling ends every trust, enabling revives none; deleting forgets them.
// S13
pub async fn a_disabled_user_trusts_nothing(scene: Scene) {
    let ada = scene.person();
    let phone = trust(&scene, &ada, named("phone")).await;
    let disable = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), disable).await.expect("disable answers");
    assert!(list(&scene, &ada).await.is_empty());
    assert_eq!(check(&scene, &ada, &phone).await, CheckOutcome::Refused(TrustEnd::UserDisabled));
    let again = trust_in(&scene, &ada, named("phone"));
    assert_eq!(ask_to_trust(&scene, again).await, TrustOutcome::UserDisabled);
    scene.sessions.enable_user(scene.cx(), EnableUser { tag: ada.tag }).await.expect("enable answers");
    assert_eq!(check(&scene, &ada, &phone).await, CheckOutcome::Refused(TrustEnd::UserDisabled));
    let laptop = trust(&scene, &ada, named("laptop")).await;
    scene.sessions.delete_user(scene.cx(), DeleteUser { tag: ada.tag }).await.expect("delete answers");
    assert!(list(&scene, &ada).await.is_empty());
    assert_eq!(check(&scene, &ada, &laptop).await, CheckOutcome::Refused(TrustEnd::Revoked));
}

/// A session that begins on a trusted device says so, and its second factor is as open as before. A token that is refused keeps
/// no session from beginning, and is an event of it.
// S44 S45
pub async fn a_login_on_a_trusted_device_says_so(scene: Scene) {
    let ada = scene.person();
    let phone = trust(&scene, &ada, named("phone")).await;
    let authentic = Some(Presented::Authentic(phone.digest));
    let session = log_in(&scene, scene.session(&ada), authentic).await.unpack();
    assert_eq!(session.amr, ["pwd".into(), TRUSTED.into()]);
    assert!(!session.mfa && session.mfa_at.millis() == 0);
    assert_eq!(list(&scene, &ada).await[0].last_used_at, scene.now());
    assert!(scene.events_of(&ada, EventType::DeviceRefused).await.is_empty());
    revoke(&scene, &ada, TrustSelection::One(phone.id)).await;
    for (presented, reason) in [
        (authentic, "revoked"),
        (Some(Presented::Refused(Refusal::OtherUser)), "other_user"),
        (Some(Presented::Refused(Refusal::Unknown)), "unknown"),
    ] {
        scene.advance(1);
        let session = log_in(&scene, scene.session(&ada), presented).await;
        assert_eq!(session.unpack().amr, ["pwd".into()]);
        let refused = scene.events_of(&ada, EventType::DeviceRefused).await;
        assert_eq!((refused[0].reason.as_deref(), refused[0].session_id), (Some(reason), Some(session.id())));
    }
}

/// The first login on each device is told, and no other: not a share, not somebody who acts as the user, not a device without a
/// name.
// S50
pub async fn each_device_is_new_once(scene: Scene) {
    let ada = scene.person();
    let first = log_in_on(&scene, &ada, named("phone")).await;
    log_in_on(&scene, &ada, named("phone")).await;
    let by_fingerprint = Device { fingerprint: Some("laptop".into()), ..Device::default() };
    log_in_on(&scene, &ada, by_fingerprint.clone()).await;
    log_in_on(&scene, &ada, by_fingerprint).await;
    log_in_on(&scene, &ada, Device::default()).await;
    let actor = Some(Actor { user_id: scene.person().id, session_id: None });
    let kind = SessionKind::Impersonation;
    log_in(&scene, Session { kind, actor, device: named("helpdesk"), ..scene.session(&ada) }, None).await;
    let told = scene.events_of(&ada, EventType::DeviceNew).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|event| event.session_id == Some(first.id())));
}

/// A browser without a name is new when nothing on it says otherwise. One with a name is told by that.
// S50
pub async fn a_browser_that_was_never_seen_is_told(scene: Scene) {
    let ada = scene.person();
    for (device, is_new_browser, told) in
        [(Device::default(), true, 1), (Device::default(), false, 1), (named("phone"), true, 2), (named("phone"), true, 2)]
    {
        let session = Session { device, ..scene.session(&ada) };
        let command = CreateSession { session, cap: ROOMY, login: true, device: None, is_new_browser };
        scene.sessions.create(scene.cx(), command).await.expect("create answers");
        assert_eq!(scene.events_of(&ada, EventType::DeviceNew).await.len(), told);
    }
}

/// However many logins come at once from a device that was never seen, it is told once.
// S50
pub async fn parallel_logins_tell_a_device_once(scene: Scene) {
    let ada = scene.person();
    let logins: Vec<_> = (0..STORM_LOGINS)
        .map(|_| {
            let (sessions, cx) = (scene.sessions.clone(), scene.cx());
            let session = Session { device: named("phone"), ..scene.session(&ada) };
            let command = CreateSession { session, cap: ROOMY, login: false, device: None, is_new_browser: false };
            tokio::spawn(async move { sessions.create(cx, command).await.expect("create answers") })
        })
        .collect();
    for login in logins {
        login.await.expect("no panic");
    }
    assert_eq!(scene.events_of(&ada, EventType::DeviceNew).await.len(), 1);
}

/// A device that shows another fingerprint than before is told each time it changes; the login goes on.
pub async fn a_changed_fingerprint_is_told(scene: Scene) {
    let ada = scene.person();
    for (fingerprint, changes) in
        [(None, 0), (Some("a"), 0), (None, 0), (Some("a"), 0), (Some("b"), 1), (Some("b"), 1), (Some("a"), 2)]
    {
        let device = Device { fingerprint: fingerprint.map(Into::into), ..named("phone") };
        log_in_on(&scene, &ada, device).await;
        let told = reasons(&scene, &ada, EventType::DeviceChanged).await;
        assert_eq!(told, vec!["fingerprint"; changes], "{fingerprint:?}");
    }
    assert_eq!(scene.events_of(&ada, EventType::DeviceNew).await.len(), 1);
}

/// Of devices without number the latest are known; one that was forgotten is new again.
pub async fn known_devices_are_bounded(scene: Scene) {
    let ada = scene.person();
    for number in 0..=KNOWN_DEVICES {
        scene.advance(1);
        log_in_on(&scene, &ada, named(&format!("device-{number}"))).await;
    }
    log_in_on(&scene, &ada, named("device-1")).await;
    assert_eq!(scene.events_of(&ada, EventType::DeviceNew).await.len(), KNOWN_DEVICES + 1);
    log_in_on(&scene, &ada, named("device-0")).await;
    assert_eq!(scene.events_of(&ada, EventType::DeviceNew).await.len(), KNOWN_DEVICES + 2);
}

/// Once a revoke is answered no login is on a trusted device, whatever ran beside it.
// S45
pub async fn a_login_racing_a_revoke_is_decided_once(scene: Scene) {
    for round in 0..RACE_ROUNDS / 10 {
        let ada = scene.person();
        let phone = trust(&scene, &ada, named("phone")).await;
        let (logins, revokes) = (scene.sessions.clone(), scene.devices.clone());
        let (first, second) = (scene.cx(), scene.cx());
        let device = Some(Presented::Authentic(phone.digest));
        let create = CreateSession { session: scene.session(&ada), cap: ROOMY, login: false, device, is_new_browser: false };
        let revoke = RevokeTrust { tag: ada.tag, selection: TrustSelection::One(phone.id) };
        let login = tokio::spawn(async move { logins.create(first, create).await });
        let revoke = tokio::spawn(async move { revokes.revoke_trust(second, revoke).await });
        let login = login.await.expect("no panic").expect("create answers");
        assert_eq!(revoke.await.expect("no panic").expect("revoke answers").revoked, 1, "round {round}");
        let CreateOutcome::Created { session, .. } = login else { panic!("round {round}: {login:?}") };
        let proved = session.unpack().amr.iter().any(|method| **method == *TRUSTED);
        let refused = scene.events_of(&ada, EventType::DeviceRefused).await.len();
        assert_eq!(refused, usize::from(!proved), "round {round}");
        assert_eq!(check(&scene, &ada, &phone).await, CheckOutcome::Refused(TrustEnd::Revoked), "round {round}");
    }
}

/// Nobody is logged in for a week, and stores forget what is long over: the devices are trusted and known as before.
pub async fn devices_outlive_the_last_session(scene: Scene) {
    let ada = scene.person();
    log_in_on(&scene, &ada, named("phone")).await;
    let phone = trust(&scene, &ada, named("phone")).await;
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 1);
    scene.advance(7 * DAY);
    let due = scene.sessions.due(scene.now(), 10).await.expect("due answers");
    assert!(due.is_empty(), "{due:?}");
    assert_eq!(list(&scene, &ada).await, [phone]);
    log_in_on(&scene, &ada, named("phone")).await;
    let told = scene.events_of(&ada, EventType::DeviceNew).await;
    assert!(told.iter().all(|event| event.time < scene.now()), "it is known without a session: {told:?}");
}
