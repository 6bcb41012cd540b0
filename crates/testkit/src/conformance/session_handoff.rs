//! Single-use codes continue a session elsewhere.

use super::scene::{MINUTE, Person, ROOMY, Scene};
use vestibule_core::{
    bounds::HANDOFFS,
    event::EventType,
    id::random,
    session::{
        Actor, CapPolicy, EndReason, PackedSession, SessionKind, TokenDigest,
        command::{Cap, HandoffOutcome, OpenHandoff, RedeemHandoff, RedeemOutcome},
    },
    user::command::{DisableUser, EnableUser},
};

async fn open(scene: &Scene, session: &PackedSession) -> (TokenDigest, HandoffOutcome) {
    let digest = TokenDigest::from_bytes(random());
    let command = OpenHandoff { id: session.id(), digest, expires_at: scene.now().plus_ms(MINUTE) };
    (digest, scene.sessions.open_handoff(scene.cx(), command).await.expect("open_handoff answers"))
}

async fn opened(scene: &Scene, session: &PackedSession) -> TokenDigest {
    let (code, outcome) = open(scene, session).await;
    assert_eq!(outcome, HandoffOutcome::Opened);
    code
}

fn redemption(person: &Person, code: TokenDigest) -> RedeemHandoff {
    RedeemHandoff {
        tag: person.tag,
        code,
        serial: random(),
        digest: TokenDigest::from_bytes(random()),
        ip: Some([198, 51, 100, 7].into()),
        user_agent: Some("tv/1".into()),
        cap: ROOMY,
        reuse_revokes: false,
    }
}

async fn redeem(scene: &Scene, command: RedeemHandoff) -> RedeemOutcome {
    scene.sessions.redeem(scene.cx(), command).await.expect("redeem answers")
}

async fn redeemed(scene: &Scene, command: RedeemHandoff) -> PackedSession {
    match redeem(scene, command).await {
        RedeemOutcome::Redeemed(session) => session,
        other => panic!("expected a session, not {other:?}"),
    }
}

/// The new session has the rights and payload of the old one and a client of its own; the old one stays.
// S47
pub async fn a_code_continues_a_session_once(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    let code = opened(&scene, &source).await;
    scene.advance(10);
    let command = redemption(&ada, code);
    let new = redeemed(&scene, command.clone()).await;
    let (seen, from) = (new.unpack(), source.unpack());
    assert_eq!((&seen.roles, &seen.data, seen.expires_at), (&from.roles, &from.data, from.expires_at));
    assert_eq!((seen.digest, seen.ip, seen.user_agent), (command.digest, command.ip, command.user_agent));
    assert_eq!((seen.created_at, seen.revision, seen.kind), (scene.now(), 1, SessionKind::Login));
    assert_ne!(new.id(), source.id());
    assert_eq!(redeem(&scene, redemption(&ada, code)).await, RedeemOutcome::Reused);
    assert_eq!(scene.count_valid(&[source.clone(), new.clone()]).await, 2, "refused, and nothing else");
    let stranger = TokenDigest::from_bytes(random());
    assert_eq!(redeem(&scene, redemption(&ada, stranger)).await, RedeemOutcome::Invalid);
    assert_eq!(redeem(&scene, redemption(&scene.person(), code)).await, RedeemOutcome::Invalid);
    assert_eq!(scene.events_of(&ada, EventType::HandoffCreated).await[0].session_id, Some(source.id()));
    assert_eq!(scene.events_of(&ada, EventType::HandoffReused).await[0].session_id, Some(new.id()));
}

/// Somebody else has the code: neither of the two keeps the session.
// S47
pub async fn a_second_redemption_ends_the_first_where_policy_says_so(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    let code = opened(&scene, &source).await;
    let new = redeemed(&scene, redemption(&ada, code)).await;
    let again = RedeemHandoff { reuse_revokes: true, ..redemption(&ada, code) };
    assert_eq!(redeem(&scene, again.clone()).await, RedeemOutcome::Reused);
    assert!(!scene.is_valid(&new).await);
    assert!(scene.is_valid(&source).await);
    assert_eq!(scene.ends(&ada).await, [(new.id(), EndReason::HandoffReused)]);
    assert_eq!(redeem(&scene, again).await, RedeemOutcome::Reused, "a third one finds nothing to end");
}

/// At its time, and with the session that it was made from.
// S47
pub async fn a_code_expires_and_ends_with_its_session(scene: Scene) {
    let ada = scene.person();
    let (rested, ended) = (scene.login(&ada).await, scene.login(&ada).await);
    let code = opened(&scene, &rested).await;
    scene.advance(MINUTE - 1);
    let in_time = opened(&scene, &rested).await;
    scene.advance(1);
    assert_eq!(redeem(&scene, redemption(&ada, code)).await, RedeemOutcome::Invalid);
    redeemed(&scene, redemption(&ada, in_time)).await;
    let code = opened(&scene, &ended).await;
    scene.end_one(&ended).await;
    assert_eq!(redeem(&scene, redemption(&ada, code)).await, RedeemOutcome::Invalid);
    assert_eq!(open(&scene, &ended).await.1, HandoffOutcome::Gone);
}

/// Whoever comes first has it.
// S47
pub async fn parallel_redemptions_give_one_session(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    for round in 0..50 {
        let code = opened(&scene, &source).await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (sessions, cx) = (scene.sessions.clone(), scene.cx());
                let command = redemption(&ada, code);
                tokio::spawn(async move { sessions.redeem(cx, command).await })
            })
            .collect();
        let (mut won, mut reused) = (0, 0);
        for racer in racers {
            match racer.await.expect("no racer panics").expect("redeem answers") {
                RedeemOutcome::Redeemed(_) => won += 1,
                RedeemOutcome::Reused => reused += 1,
                other => panic!("round {round}: {other:?}"),
            }
        }
        assert_eq!((won, reused), (1, 7), "round {round}");
    }
    assert_eq!(scene.list(&ada).await.len(), 51);
}

/// A hand-off is a login like any other, by either policy; a refused one can be tried again.
// S18, S19
pub async fn a_redemption_keeps_the_cap(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    scene.advance(1);
    let other = scene.login(&ada).await;
    let code = opened(&scene, &other).await;
    let denied = RedeemHandoff { cap: Cap { limit: 2, policy: CapPolicy::Deny }, ..redemption(&ada, code) };
    assert_eq!(redeem(&scene, denied).await, RedeemOutcome::LimitReached { limit: 2 });
    assert_eq!(scene.events_of(&ada, EventType::SessionLimitExceeded).await.len(), 1);
    let evicting = RedeemHandoff { cap: Cap { limit: 2, policy: CapPolicy::EvictOldest }, ..redemption(&ada, code) };
    let new = redeemed(&scene, evicting).await;
    assert!(!scene.is_valid(&source).await);
    assert_eq!(scene.count_valid(&[other, new]).await, 2);
}

/// Disabling ends the sessions and with them the codes, also for the time after.
// S13
pub async fn a_disabled_user_redeems_nothing(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    let code = opened(&scene, &source).await;
    let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers");
    let outcome = redeem(&scene, redemption(&ada, code)).await;
    assert!(matches!(outcome, RedeemOutcome::Invalid | RedeemOutcome::UserDisabled), "{outcome:?}");
    scene.sessions.enable_user(scene.cx(), EnableUser { tag: ada.tag }).await.expect("enable answers");
    assert_eq!(redeem(&scene, redemption(&ada, code)).await, RedeemOutcome::Invalid);
    assert!(scene.list(&ada).await.is_empty());
}

/// Confined and anonymous sessions stay where they are.
pub async fn only_logins_are_handed_off(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    for kind in [SessionKind::Impersonation, SessionKind::Anonymous] {
        let mut session = scene.session(&ada);
        session.kind = kind;
        session.actor = Some(Actor { user_id: root.id.clone(), session_id: None });
        let session = scene.create(session).await;
        assert_eq!(open(&scene, &session).await.1, HandoffOutcome::Refused, "{kind:?}");
    }
}

/// The oldest unused code leaves first.
pub async fn unused_codes_are_bounded(scene: Scene) {
    let ada = scene.person();
    let source = scene.login(&ada).await;
    let mut codes = Vec::new();
    for _ in 0..=HANDOFFS {
        codes.push(opened(&scene, &source).await);
    }
    assert_eq!(redeem(&scene, redemption(&ada, codes[0])).await, RedeemOutcome::Invalid);
    redeemed(&scene, redemption(&ada, codes[1])).await;
}
