//! Token families: one good refresh token at a time, and an end that holds everywhere.

use super::scene::{HOUR, IDLE, LIFETIME, MINUTE, Person, Scene};
use crate::bounds::{RACE_FEWEST, RACE_ROUNDS, RACE_TIME};
use std::{collections::BTreeSet, time::Instant};
use tokio::task::JoinHandle;
use vestibule_core::{
    bounds::{DENIAL_MARGIN_MS, FAMILIES},
    event::EventType,
    fault::Fault,
    id::random,
    session::{
        Actor, CapPolicy, EndReason, PackedSession, SessionKind,
        command::{AmendSession, Cap, CreateOutcome, EndSessions, ExpireUser, Filter, FindOutcome, Selection},
    },
    time::Timestamp,
    token::{Denied, Family, command::*},
    user::command::{DeleteUser, DisableUser, EnableUser},
};

/// How long a token is given the same successor.
const GRACE: u64 = 10_000;
/// How long an access token lives.
const ACCESS: u64 = 10 * MINUTE;

/// A family as a caller begins one.
fn family(scene: &Scene, session: Option<&PackedSession>) -> Family {
    let now = scene.now();
    Family {
        serial: random(),
        session: session.map(PackedSession::id),
        client_id: Some("app".into()),
        device_id: Some("phone".into()),
        audience: vec!["orders".into(), "billing".into()],
        scope: vec!["read".into(), "write".into()],
        roles: vec!["clerk".into()],
        permissions: vec!["orders.close".into()],
        created_at: now,
        expires_at: now.plus_ms(30 * 24 * HOUR),
        idle_timeout_ms: 24 * HOUR,
        last_used_at: now,
        generation: 0,
        key_id: 1,
        advanced_at: now,
        access_until: now.plus_ms(ACCESS),
    }
}

async fn issue(scene: &Scene, person: &Person, family: Family) -> IssueOutcome {
    let user_id = family.session.is_none().then(|| person.id.clone());
    let command = IssueFamily { tag: person.tag, user_id, family };
    scene.tokens.issue(scene.cx(), command).await.expect("issue answers")
}

async fn issued(scene: &Scene, person: &Person, session: Option<&PackedSession>) -> Family {
    match issue(scene, person, family(scene, session)).await {
        IssueOutcome::Issued(granted) => granted.family,
        other => panic!("expected a family, not {other:?}"),
    }
}

/// A refresh with the good token of a family as it was seen.
fn refreshing(person: &Person, family: &Family) -> Refresh {
    Refresh {
        tag: person.tag,
        serial: family.serial,
        generation: family.generation,
        expires_at: family.expires_at,
        key_id: 1,
        grace_ms: GRACE,
        access_ttl_ms: ACCESS,
        client_id: None,
        device_id: None,
        scope: None,
        audience: None,
    }
}

async fn refresh(scene: &Scene, command: Refresh) -> RefreshOutcome {
    scene.tokens.refresh(scene.cx(), command).await.expect("refresh answers")
}

async fn granted(scene: &Scene, command: Refresh) -> Granted {
    match refresh(scene, command).await {
        RefreshOutcome::Refreshed(granted) => *granted,
        other => panic!("expected a successor, not {other:?}"),
    }
}

async fn refreshed(scene: &Scene, person: &Person, family: &Family) -> Family {
    granted(scene, refreshing(person, family)).await.family
}

async fn is_live(scene: &Scene, person: &Person, family: &Family) -> bool {
    matches!(refresh(scene, refreshing(person, family)).await, RefreshOutcome::Refreshed(_))
}

async fn revoke(scene: &Scene, person: &Person, target: Target) -> u64 {
    let command = RevokeTokens { tag: person.tag, target, reason: "admin".into() };
    counted(scene.tokens.revoke(scene.cx(), command).await)
}

fn counted(outcome: Result<RevokeOutcome, Fault>) -> u64 {
    match outcome.expect("revoke answers") {
        RevokeOutcome::Revoked(count) => count,
        RevokeOutcome::OtherClient => panic!("nobody named a client"),
    }
}

/// What is denied of a person, with the time until which it is.
async fn denials(scene: &Scene, person: &Person) -> Vec<(Denied, Timestamp)> {
    let all = scene.tokens.denials(scene.now()).await.expect("denials answers");
    all.into_iter().filter(|denial| denial.tag == person.tag).map(|denial| (denial.what, denial.until)).collect()
}

async fn is_denied(scene: &Scene, person: &Person, what: Denied) -> bool {
    denials(scene, person).await.iter().any(|(denied, _)| *denied == what)
}

/// It takes the roles of its session, and ends with it at the latest; a repeat finds it.
pub async fn a_family_begins_as_it_was_given(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let wanted = family(&scene, Some(&session));
    let IssueOutcome::Issued(first) = issue(&scene, &ada, wanted.clone()).await else { panic!("it begins") };
    let expires_at = session.expires_at();
    assert_eq!(first.family, Family { expires_at, roles: Vec::new(), ..wanted.clone() });
    assert_eq!((&first.user_id, first.epoch), (&ada.id, 0));
    assert_eq!(first.roles, session.unpack().roles);
    assert_eq!(first.session.as_ref().map(PackedSession::id), Some(session.id()));
    let again = issue(&scene, &ada, wanted).await;
    assert_eq!(again, IssueOutcome::Issued(first), "a repeat");
    let told = scene.events_of(&ada, EventType::TokenIssued).await;
    assert_eq!(told.iter().map(|event| event.session_id).collect::<Vec<_>>(), [Some(session.id())]);
    assert_eq!(denials(&scene, &ada).await, []);
}

/// A user who has no session, and was never heard of, can have tokens; a disabled one cannot.
pub async fn a_user_has_tokens_without_a_session(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let IssueOutcome::Issued(first) = issue(&scene, &ada, family(&scene, None)).await else { panic!("it begins") };
    assert_eq!((&first.user_id, &first.roles, first.session), (&ada.id, &vec!["clerk".into()], None));
    assert!(is_live(&scene, &ada, &first.family).await);
    let disable = DisableUser { tag: bob.tag, user_id: bob.id.clone() };
    scene.sessions.disable_user(scene.cx(), disable).await.expect("disable answers");
    assert_eq!(issue(&scene, &bob, family(&scene, None)).await, IssueOutcome::UserDisabled);
}

/// What a share or an impersonation may do, a token could not say; and who is anonymous has no name to put into one.
pub async fn only_logins_have_tokens(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    for kind in [SessionKind::Impersonation, SessionKind::Anonymous] {
        let mut session = scene.session(&ada);
        session.kind = kind;
        session.actor = Some(Actor { user_id: root.id.clone(), session_id: None });
        let session = scene.create(session).await;
        assert_eq!(issue(&scene, &ada, family(&scene, Some(&session))).await, IssueOutcome::Refused, "{kind:?}");
    }
    let session = scene.login(&ada).await;
    scene.end_one(&session).await;
    assert_eq!(issue(&scene, &ada, family(&scene, Some(&session))).await, IssueOutcome::SessionGone);
}

/// The successor is good and the old token is not, but for the grace, in which it is given the same successor.
// S61, S71
pub async fn a_refresh_replaces_the_token(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    scene.advance(MINUTE);
    let second = refreshed(&scene, &ada, &first).await;
    let now = scene.now();
    let expected =
        Family { generation: 1, advanced_at: now, last_used_at: now, access_until: now.plus_ms(ACCESS), ..first.clone() };
    assert_eq!(second, expected);
    scene.advance(GRACE - 1);
    assert_eq!(refreshed(&scene, &ada, &first).await, second, "the same again, unchanged");
    scene.advance(1);
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
    assert_eq!(refresh(&scene, refreshing(&ada, &second)).await, RefreshOutcome::Reused, "for the reason that it ended");
}

/// The window closes by itself as soon as the successor is used.
// S64
pub async fn the_first_use_of_the_successor_closes_the_grace(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    let second = refreshed(&scene, &ada, &first).await;
    let third = refreshed(&scene, &ada, &second).await;
    assert_eq!(third.generation, 2);
    assert_eq!(refreshed(&scene, &ada, &second).await, third, "its own window is open");
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
    assert!(!is_live(&scene, &ada, &third).await);
}

/// However old the token: its family ends with its access tokens, once, and no other.
// S65, S66, S67
pub async fn reuse_ends_the_family_and_no_other(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let (first, laptop) = (issued(&scene, &ada, Some(&session)).await, issued(&scene, &ada, None).await);
    let mut phone = first.clone();
    for _ in 0..3 {
        scene.advance(MINUTE);
        phone = refreshed(&scene, &ada, &phone).await;
    }
    scene.sessions.expire(scene.cx(), ExpireUser { tag: ada.tag }).await.expect("expire answers");
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
    assert_eq!(refresh(&scene, refreshing(&ada, &phone)).await, RefreshOutcome::Reused);
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
    let until = phone.access_until.plus_ms(DENIAL_MARGIN_MS);
    assert_eq!(denials(&scene, &ada).await, [(Denied::Family(phone.serial), until)]);
    let told = scene.events_of(&ada, EventType::TokenReused).await;
    assert_eq!(told.iter().map(|event| event.session_id).collect::<Vec<_>>(), [Some(session.id())]);
    assert!(is_live(&scene, &ada, &laptop).await, "the other device goes on");
    assert!(scene.is_valid(&session).await, "and so does the session");
}

fn race(scene: &Scene, command: &Refresh, racers: usize) -> Vec<JoinHandle<RefreshOutcome>> {
    let racer = |_| {
        let (tokens, cx, command) = (scene.tokens.clone(), scene.cx(), command.clone());
        tokio::spawn(async move { tokens.refresh(cx, command).await.expect("refresh answers") })
    };
    (0..racers).map(racer).collect()
}

/// Whoever comes at the same time is given the same, and one token of the family is good afterwards.
// S63
pub async fn parallel_refreshes_are_given_one_successor(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    let mut given = Vec::new();
    for racer in race(&scene, &refreshing(&ada, &first), 50) {
        match racer.await.expect("no racer panics") {
            RefreshOutcome::Refreshed(granted) => given.push(granted.family),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(given.len(), 50);
    assert!(given.iter().all(|family| *family == given[0] && family.generation == 1), "{given:?}");
    assert_eq!(refreshed(&scene, &ada, &given[0]).await.generation, 2);
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
}

/// Without a grace there is one winner, and the others are reuse.
// S62
pub async fn without_grace_one_of_many_succeeds(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    let command = Refresh { grace_ms: 0, ..refreshing(&ada, &first) };
    let (mut won, mut reused) = (0, 0);
    for racer in race(&scene, &command, 50) {
        match racer.await.expect("no racer panics") {
            RefreshOutcome::Refreshed(_) => won += 1,
            RefreshOutcome::Reused => reused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((won, reused), (1, 49));
    assert_eq!(scene.events_of(&ada, EventType::TokenReused).await.len(), 1);
}

/// By rest, and by age however often it is refreshed; an access token outlives neither.
// S69
pub async fn a_family_ends_by_rest_and_by_age(scene: Scene) {
    let ada = scene.person();
    let rests = issued(&scene, &ada, None).await;
    let wanted = Family { expires_at: scene.now().plus_ms(30 * HOUR), ..family(&scene, None) };
    let IssueOutcome::Issued(used) = issue(&scene, &ada, wanted).await else { panic!("it begins") };
    let mut used = used.family;
    for _ in 0..3 {
        scene.advance(8 * HOUR);
        used = refreshed(&scene, &ada, &used).await;
    }
    assert_eq!(refresh(&scene, refreshing(&ada, &rests)).await, RefreshOutcome::Expired);
    scene.advance(6 * HOUR - 1);
    used = refreshed(&scene, &ada, &used).await;
    assert_eq!(used.access_until, used.expires_at);
    scene.advance(1);
    assert_eq!(refresh(&scene, refreshing(&ada, &used)).await, RefreshOutcome::Expired);
    assert_eq!(denials(&scene, &ada).await, []);
}

/// Nothing is replaced, and the family goes on where it belongs.
// S70
pub async fn whoever_else_asks_does_no_harm(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    let asks = refreshing(&ada, &first);
    let other_client = Refresh { client_id: Some("other".into()), ..asks.clone() };
    assert_eq!(refresh(&scene, other_client).await, RefreshOutcome::OtherClient);
    let other_device = Refresh { device_id: Some("laptop".into()), ..asks.clone() };
    assert_eq!(refresh(&scene, other_device).await, RefreshOutcome::OtherDevice);
    let broader = Refresh { scope: Some(vec!["read".into(), "admin".into()]), ..asks.clone() };
    assert_eq!(refresh(&scene, broader).await, RefreshOutcome::BroaderScope);
    let broader = Refresh { audience: Some(vec!["payroll".into()]), ..asks.clone() };
    assert_eq!(refresh(&scene, broader).await, RefreshOutcome::BroaderAudience);
    scene.advance(2 * GRACE);
    let own = Refresh {
        client_id: first.client_id.clone(),
        device_id: first.device_id.clone(),
        scope: Some(vec!["read".into()]),
        audience: Some(vec!["orders".into()]),
        ..asks
    };
    let second = granted(&scene, own).await.family;
    assert_eq!((second.generation, &second.scope, &second.audience), (1, &first.scope, &first.audience));
}

/// A store that lost its last writes does not take an honest client for a thief.
// S72
pub async fn a_token_from_ahead_is_from_a_lost_write(scene: Scene) {
    let ada = scene.person();
    let first = issued(&scene, &ada, None).await;
    let ahead = Refresh { generation: 4, ..refreshing(&ada, &first) };
    let after = granted(&scene, ahead).await.family;
    assert_eq!(after.generation, 5);
    assert_eq!(refresh(&scene, refreshing(&ada, &first)).await, RefreshOutcome::Reused);
    let lost = Refresh { serial: random(), generation: 4, ..refreshing(&ada, &first) };
    assert_eq!(refresh(&scene, lost).await, RefreshOutcome::Revoked, "a family that nobody knows");
}

/// The session is used, and gives its roles as they are then.
pub async fn a_refresh_is_a_use_of_the_session(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut family = issued(&scene, &ada, Some(&session)).await;
    for _ in 0..3 {
        scene.advance(IDLE - MINUTE);
        family = refreshed(&scene, &ada, &family).await;
        assert!(family.access_until <= scene.current(session.id()).await.deadline());
    }
    assert!(scene.is_valid(&session).await);
    assert_eq!(scene.current(session.id()).await.last_seen_at(), scene.now());
    let roles = Some(vec!["auditor".into()]);
    let amend = AmendSession { id: session.id(), expected: None, roles, profile: None, limits: None, extends: false };
    scene.sessions.amend(scene.cx(), amend).await.expect("amend answers");
    let granted = granted(&scene, refreshing(&ada, &family)).await;
    assert_eq!(granted.roles, ["auditor".into()]);
}

/// One way in which a session ends.
#[derive(Debug, Clone, Copy)]
enum End {
    One,
    All,
    AllButAnother,
    Matching,
    Evicted,
    Disabled,
    Deleted,
}

async fn end(scene: &Scene, ada: &Person, session: &PackedSession, how: End) {
    let all_but = |except| Selection::All { except };
    match how {
        End::One => assert_eq!(scene.end_one(session).await, 1),
        End::All => assert_eq!(scene.end(ada, all_but(Vec::new())).await, 1),
        End::AllButAnother => {
            let other = scene.login(ada).await;
            assert_eq!(scene.end(ada, all_but(vec![other.id()])).await, 1);
        }
        End::Matching => assert_eq!(scene.end(ada, Selection::Matching(Filter::default())).await, 1),
        End::Evicted => {
            let cap = Cap { limit: 1, policy: CapPolicy::EvictOldest };
            let created = scene.create_under(scene.session(ada), cap).await;
            assert!(matches!(created, CreateOutcome::Created { evicted, .. } if evicted == [session.id()]));
        }
        End::Disabled => {
            let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
            assert_eq!(scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers").revoked, 1);
        }
        End::Deleted => {
            let command = DeleteUser { tag: ada.tag };
            assert_eq!(scene.sessions.delete_user(scene.cx(), command).await.expect("delete answers").revoked, 1);
        }
    }
}

/// Whatever ends the session, its families end in the same step, and what was given of them is denied once.
// S13, S60
pub async fn a_family_ends_with_its_session(scene: Scene) {
    use End::{All, AllButAnother, Deleted, Disabled, Evicted, Matching, One};
    for how in [One, All, AllButAnother, Matching, Evicted, Disabled, Deleted] {
        let ada = scene.person();
        let session = scene.login(&ada).await;
        let (bound, free) = (issued(&scene, &ada, Some(&session)).await, issued(&scene, &ada, None).await);
        scene.advance(MINUTE);
        end(&scene, &ada, &session, how).await;
        assert_eq!(refresh(&scene, refreshing(&ada, &bound)).await, RefreshOutcome::Revoked, "{how:?}");
        let denied = denials(&scene, &ada).await;
        let of_user = matches!(how, Disabled | Deleted);
        match denied.as_slice() {
            [(Denied::Before(epoch), _)] => assert!(of_user && *epoch > 0, "{how:?}"),
            [(Denied::Family(serial), _)] => assert!(!of_user && *serial == bound.serial, "{how:?}"),
            other => panic!("{how:?}: {other:?}"),
        }
        assert_eq!(is_live(&scene, &ada, &free).await, !of_user, "{how:?}");
    }
}

/// A session that expires takes its families along; their access tokens are over by then.
pub async fn a_family_expires_with_its_session(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let family = issued(&scene, &ada, Some(&session)).await;
    scene.advance(LIFETIME + HOUR);
    assert!(!matches!(scene.find(&session).await, FindOutcome::Found { .. }));
    assert_eq!(refresh(&scene, refreshing(&ada, &family)).await, RefreshOutcome::Expired);
    assert_eq!(denials(&scene, &ada).await, []);
}

/// Each is denied for as long as there can be any of it, and not longer; what is not there is not revoked.
// S56
pub async fn tokens_are_revoked_by_their_name(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let (bound, free) = (issued(&scene, &ada, Some(&session)).await, issued(&scene, &ada, None).await);
    let token = random();
    let expires_at = scene.now().plus_ms(5 * MINUTE);
    assert_eq!(revoke(&scene, &ada, Target::Token { serial: token, expires_at: Some(expires_at) }).await, 1);
    assert_eq!(denials(&scene, &ada).await, [(Denied::Token(token), expires_at.plus_ms(DENIAL_MARGIN_MS))]);
    assert_eq!(revoke(&scene, &ada, Target::Family(free.serial)).await, 1);
    assert_eq!(revoke(&scene, &ada, Target::Family(free.serial)).await, 0);
    assert_eq!(refresh(&scene, refreshing(&ada, &free)).await, RefreshOutcome::Revoked);
    assert!(is_live(&scene, &ada, &bound).await);
    assert_eq!(revoke(&scene, &ada, Target::Session(session.id())).await, 1);
    assert_eq!(revoke(&scene, &ada, Target::Session(session.id())).await, 0);
    assert!(scene.is_valid(&session).await, "the session goes on");
    for family in [&free, &bound] {
        assert!(is_denied(&scene, &ada, Denied::Family(family.serial)).await);
    }
    let told = scene.events_of(&ada, EventType::TokenRevoked).await;
    assert!(told.iter().all(|event| event.reason.as_deref() == Some("admin") && event.count == Some(1)), "{told:?}");
    assert_eq!(told.len(), 3);
    scene.advance(ACCESS + DENIAL_MARGIN_MS);
    assert_eq!(denials(&scene, &ada).await, [], "they are over by themselves");
    let stranger = scene.person();
    for target in
        [Target::Token { serial: token, expires_at: None }, Target::Family(token), Target::Session(session.id()), Target::User]
    {
        assert_eq!(revoke(&scene, &stranger, target).await, 0);
    }
}

/// Older tokens are denied and newer ones are not, also within one and the same moment.
// S57
pub async fn all_tokens_of_a_user_end_by_an_epoch(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut epochs = BTreeSet::from([0]);
    for round in 1..=3 {
        let before = [issued(&scene, &ada, Some(&session)).await, issued(&scene, &ada, None).await];
        assert_eq!(revoke(&scene, &ada, Target::User).await, 2, "round {round}");
        for family in &before {
            assert_eq!(refresh(&scene, refreshing(&ada, family)).await, RefreshOutcome::Revoked, "round {round}");
        }
        let IssueOutcome::Issued(after) = issue(&scene, &ada, family(&scene, None)).await else { panic!("it begins") };
        assert!(is_denied(&scene, &ada, Denied::Before(after.epoch)).await, "round {round}");
        assert!(epochs.last() < Some(&after.epoch) && epochs.insert(after.epoch), "round {round}: {epochs:?}");
        assert_eq!(granted(&scene, refreshing(&ada, &after.family)).await.epoch, after.epoch);
        revoke(&scene, &ada, Target::Family(after.family.serial)).await;
    }
    assert!(scene.is_valid(&session).await, "sessions are no tokens");
}

/// Enabling revives none, and what is given then is good.
// S13
pub async fn a_user_who_was_disabled_begins_anew(scene: Scene) {
    let ada = scene.person();
    let before = issued(&scene, &ada, None).await;
    let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers");
    scene.sessions.enable_user(scene.cx(), EnableUser { tag: ada.tag }).await.expect("enable answers");
    assert_eq!(refresh(&scene, refreshing(&ada, &before)).await, RefreshOutcome::Revoked);
    let IssueOutcome::Issued(after) = issue(&scene, &ada, family(&scene, None)).await else { panic!("it begins") };
    let denied = denials(&scene, &ada).await;
    assert!(matches!(denied.as_slice(), [(Denied::Before(epoch), _)] if *epoch <= after.epoch), "{denied:?}");
    assert!(is_live(&scene, &ada, &after.family).await);
}

/// Ends a family, or the session that it belongs to.
fn ending(scene: &Scene, family: &Family, session: &PackedSession, by_token: bool) -> JoinHandle<u64> {
    let (tokens, sessions, cx) = (scene.tokens.clone(), scene.sessions.clone(), scene.cx());
    let (id, tag, serial) = (session.id(), session.id().tag(), family.serial);
    tokio::spawn(async move {
        if by_token {
            let command = RevokeTokens { tag, target: Target::Family(serial), reason: "admin".into() };
            return counted(tokens.revoke(cx, command).await);
        }
        let command = EndSessions { tag, selection: Selection::One(id), reason: EndReason::Logout };
        sessions.end(cx, command).await.expect("end answers").revoked
    })
}

/// Whatever a refresh read before the revocation, nothing of its family is good after it. As many rounds as there is time for: a
/// thousand in memory.
// S68
pub async fn nothing_of_a_family_is_good_after_its_revocation(scene: Scene) {
    let ada = scene.person();
    let begun = Instant::now();
    for round in (0..RACE_ROUNDS).take_while(|round| *round < RACE_FEWEST || begun.elapsed() < RACE_TIME) {
        let session = scene.login(&ada).await;
        let first = issued(&scene, &ada, Some(&session)).await;
        let racers = race(&scene, &refreshing(&ada, &first), 2);
        assert_eq!(ending(&scene, &first, &session, round % 2 == 0).await.expect("no panic"), 1, "round {round}");
        for generation in 0..3 {
            let command = Refresh { generation, ..refreshing(&ada, &first) };
            assert_eq!(refresh(&scene, command).await, RefreshOutcome::Revoked, "round {round}");
        }
        for racer in racers {
            racer.await.expect("no racer panics");
        }
        if round % 10 < 2 {
            assert!(is_denied(&scene, &ada, Denied::Family(first.serial)).await, "round {round}");
        }
        scene.end_one(&session).await;
        scene.advance(ACCESS + DENIAL_MARGIN_MS + 1);
    }
}

/// The oldest makes room, and what was given of it is denied.
pub async fn families_are_bounded(scene: Scene) {
    let ada = scene.person();
    let mut families = Vec::new();
    for _ in 0..=FAMILIES {
        scene.advance(1);
        families.push(issued(&scene, &ada, None).await);
    }
    assert_eq!(denials(&scene, &ada).await.len(), 1);
    assert!(is_denied(&scene, &ada, Denied::Family(families[0].serial)).await);
    assert_eq!(refresh(&scene, refreshing(&ada, &families[0])).await, RefreshOutcome::Revoked);
    assert!(is_live(&scene, &ada, &families[1]).await);
    assert!(is_live(&scene, &ada, &families[FAMILIES]).await);
    let told = scene.events_of(&ada, EventType::TokenRevoked).await;
    assert_eq!(told.iter().map(|event| event.reason.as_deref()).collect::<Vec<_>>(), [Some("evicted")]);
}

/// A user who comes to thousands of sessions with a family on one of them loses both at once.
pub async fn the_end_of_very_many_sessions_ends_families_too(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 80).await;
    let (bound, free) = (issued(&scene, &ada, Some(&sessions[0])).await, issued(&scene, &ada, None).await);
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 80);
    assert_eq!(refresh(&scene, refreshing(&ada, &bound)).await, RefreshOutcome::Revoked);
    assert!(is_denied(&scene, &ada, Denied::Family(bound.serial)).await);
    assert!(is_live(&scene, &ada, &free).await);
}

/// S73: a client revokes what it was given, and what nobody in particular was given.
pub async fn a_client_revokes_its_own_families_only(scene: Scene) {
    let ada = scene.person();
    let (own, anybodys) = (family(&scene, None), Family { client_id: None, ..family(&scene, None) });
    for family in [&own, &anybodys] {
        let begun = issue(&scene, &ada, family.clone()).await;
        assert!(matches!(begun, IssueOutcome::Issued(_)), "{begun:?}");
    }
    let by = async |client: &str, family: &Family| {
        let target = Target::FamilyOf { serial: family.serial, client_id: client.into() };
        let command = RevokeTokens { tag: ada.tag, target, reason: "client".into() };
        scene.tokens.revoke(scene.cx(), command).await.expect("revoke answers")
    };
    assert_eq!(by("other", &own).await, RevokeOutcome::OtherClient);
    assert!(is_live(&scene, &ada, &own).await);
    assert_eq!(by("other", &anybodys).await, RevokeOutcome::Revoked(1));
    assert_eq!(by("app", &own).await, RevokeOutcome::Revoked(1));
    assert_eq!(by("other", &own).await, RevokeOutcome::Revoked(0), "of what has ended nothing is told");
}
