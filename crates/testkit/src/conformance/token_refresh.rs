//! Refreshing a token family: one good token at a time.

use super::scene::{HOUR, IDLE, MINUTE, Scene};
use crate::sample::{ACCESS, GRACE, refresh};
use vestibule_core::{
    bounds::DENIAL_MARGIN_MS,
    event::EventType,
    id::random,
    session::{
        Actor, PackedSession, SessionKind,
        command::{AmendSession, ExpireUser},
    },
    token::{Denied, Family, command::*},
    user::command::DisableUser,
};

/// It takes the roles of its session, and ends with it at the latest; a repeat finds it.
pub async fn a_family_begins_as_it_was_given(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let wanted = scene.family(Some(&session));
    let first = scene.granted(&ada, wanted.clone()).await;
    let expires_at = session.expires_at();
    assert_eq!(first.family, Family { expires_at, roles: Vec::new(), ..wanted.clone() });
    assert_eq!((&first.user_id, first.epoch), (&ada.id, 0));
    assert_eq!(first.roles, session.unpack().roles);
    assert_eq!(first.session.as_ref().map(PackedSession::id), Some(session.id()));
    let again = scene.issue(&ada, wanted).await;
    assert_eq!(again, IssueOutcome::Issued(Box::new(first)), "a repeat");
    let told = scene.events_of(&ada, EventType::TokenIssued).await;
    assert_eq!(told.iter().map(|event| event.session_id).collect::<Vec<_>>(), [Some(session.id())]);
    assert_eq!(scene.denials(&ada).await, []);
}

/// A user who has no session, and was never heard of, can have tokens; a disabled one cannot.
pub async fn a_user_has_tokens_without_a_session(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let first = scene.granted(&ada, scene.family(None)).await;
    assert_eq!((&first.user_id, &first.roles, first.session), (&ada.id, &vec!["clerk".into()], None));
    assert!(scene.is_refreshed(&ada, &first.family).await);
    let disable = DisableUser { tag: bob.tag, user_id: bob.id.clone() };
    scene.sessions.disable_user(scene.cx(), disable).await.expect("disable answers");
    assert_eq!(scene.issue(&bob, scene.family(None)).await, IssueOutcome::UserDisabled);
}

/// What a share or an impersonation may do, a token could not say; and who is anonymous has no name to put into one.
pub async fn only_logins_have_tokens(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    for kind in [SessionKind::Impersonation, SessionKind::Anonymous] {
        let mut session = scene.session(&ada);
        session.kind = kind;
        session.actor = Some(Actor { user_id: root.id.clone(), session_id: None });
        let session = scene.create(session).await;
        assert_eq!(scene.issue(&ada, scene.family(Some(&session))).await, IssueOutcome::Refused, "{kind:?}");
    }
    let session = scene.login(&ada).await;
    scene.end_one(&session).await;
    assert_eq!(scene.issue(&ada, scene.family(Some(&session))).await, IssueOutcome::SessionGone);
}

/// The successor is good and the old token is not, but for the grace, in which it is given the same successor.
// S61, S71
pub async fn a_refresh_replaces_the_token(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    scene.advance(MINUTE);
    let second = scene.refreshed(&ada, &first).await;
    let now = scene.now();
    let expected =
        Family { generation: 1, advanced_at: now, last_used_at: now, access_until: now.plus_ms(ACCESS), ..first.clone() };
    assert_eq!(second, expected);
    scene.advance(GRACE - 1);
    assert_eq!(scene.refreshed(&ada, &first).await, second, "the same again, unchanged");
    scene.advance(1);
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
    assert_eq!(scene.try_refresh(&ada, &second).await, RefreshOutcome::Reused, "for the reason that it ended");
}

/// The window closes by itself as soon as the successor is used.
// S64
pub async fn the_first_use_of_the_successor_closes_the_grace(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let second = scene.refreshed(&ada, &first).await;
    let third = scene.refreshed(&ada, &second).await;
    assert_eq!(third.generation, 2);
    assert_eq!(scene.refreshed(&ada, &second).await, third, "its own window is open");
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
    assert!(!scene.is_refreshed(&ada, &third).await);
}

/// However old the token: its family ends with its access tokens, once, and no other.
// S65, S66, S67
pub async fn reuse_ends_the_family_and_no_other(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let (first, laptop) = (scene.issued(&ada, Some(&session)).await, scene.issued(&ada, None).await);
    let mut phone = first.clone();
    for _ in 0..3 {
        scene.advance(MINUTE);
        phone = scene.refreshed(&ada, &phone).await;
    }
    scene.sessions.expire(scene.cx(), ExpireUser { tag: ada.tag }).await.expect("expire answers");
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
    assert_eq!(scene.try_refresh(&ada, &phone).await, RefreshOutcome::Reused);
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
    let until = phone.access_until.plus_ms(DENIAL_MARGIN_MS);
    assert_eq!(scene.denials(&ada).await, [(Denied::Family(phone.serial), until)]);
    let told = scene.events_of(&ada, EventType::TokenReused).await;
    assert_eq!(told.iter().map(|event| event.session_id).collect::<Vec<_>>(), [Some(session.id())]);
    assert!(scene.is_refreshed(&ada, &laptop).await, "the other device goes on");
    assert!(scene.is_valid(&session).await, "and so does the session");
}

/// Whoever comes at the same time is given the same, and one token of the family is good afterwards.
// S63
pub async fn parallel_refreshes_are_given_one_successor(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let mut given = Vec::new();
    for racer in scene.race(&refresh(ada.tag, &first), 50) {
        match racer.await.expect("no racer panics") {
            RefreshOutcome::Refreshed(granted) => given.push(granted.family),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(given.len(), 50);
    assert!(given.iter().all(|family| *family == given[0] && family.generation == 1), "{given:?}");
    assert_eq!(scene.refreshed(&ada, &given[0]).await.generation, 2);
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
}

/// Without a grace there is one winner, and the others are reuse.
// S62
pub async fn without_grace_one_of_many_succeeds(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let command = Refresh { grace_ms: 0, ..refresh(ada.tag, &first) };
    let (mut won, mut reused) = (0, 0);
    for racer in scene.race(&command, 50) {
        match racer.await.expect("no racer panics") {
            RefreshOutcome::Refreshed(_) => won += 1,
            RefreshOutcome::Reused => reused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((won, reused), (1, 49));
    assert_eq!(scene.events_of(&ada, EventType::TokenReused).await.len(), 1);
}

/// Nor is there a second winner who looked at the clock before the first one did, and was decided after it.
// S62
pub async fn without_grace_a_late_racer_has_none(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let command = Refresh { grace_ms: 0, ..refresh(ada.tag, &first) };
    let early = scene.cx();
    scene.advance(1);
    let winner = scene.tokens.refresh(scene.cx(), command.clone()).await;
    assert!(matches!(winner, Ok(RefreshOutcome::Refreshed(_))), "{winner:?}");
    assert_eq!(scene.tokens.refresh(early, command).await, Ok(RefreshOutcome::Reused));
}

/// By rest, and by age however often it is refreshed; an access token outlives neither.
// S69
pub async fn a_family_ends_by_rest_and_by_age(scene: Scene) {
    let ada = scene.person();
    let rests = scene.issued(&ada, None).await;
    let wanted = Family { expires_at: scene.now().plus_ms(30 * HOUR), ..scene.family(None) };
    let used = scene.granted(&ada, wanted).await;
    let mut used = used.family;
    for _ in 0..3 {
        scene.advance(8 * HOUR);
        used = scene.refreshed(&ada, &used).await;
    }
    assert_eq!(scene.try_refresh(&ada, &rests).await, RefreshOutcome::Expired);
    scene.advance(6 * HOUR - 1);
    used = scene.refreshed(&ada, &used).await;
    assert_eq!(used.access_until, used.expires_at);
    scene.advance(1);
    assert_eq!(scene.try_refresh(&ada, &used).await, RefreshOutcome::Expired);
    assert_eq!(scene.denials(&ada).await, []);
}

/// Nothing is replaced, and the family goes on where it belongs.
// S70
pub async fn whoever_else_asks_does_no_harm(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let asks = refresh(ada.tag, &first);
    let other_client = Refresh { client_id: Some("other".into()), ..asks.clone() };
    assert_eq!(scene.refresh(other_client).await, RefreshOutcome::OtherClient);
    let other_device = Refresh { device_id: Some("laptop".into()), ..asks.clone() };
    assert_eq!(scene.refresh(other_device).await, RefreshOutcome::OtherDevice);
    let broader = Refresh { scope: Some(vec!["read".into(), "admin".into()]), ..asks.clone() };
    assert_eq!(scene.refresh(broader).await, RefreshOutcome::BroaderScope);
    let broader = Refresh { audience: Some(vec!["payroll".into()]), ..asks.clone() };
    assert_eq!(scene.refresh(broader).await, RefreshOutcome::BroaderAudience);
    scene.advance(2 * GRACE);
    let own = Refresh {
        client_id: first.client_id.clone(),
        device_id: first.device_id.clone(),
        scope: Some(vec!["read".into()]),
        audience: Some(vec!["orders".into()]),
        ..asks
    };
    let second = scene.succeed(own).await.family;
    assert_eq!((second.generation, &second.scope, &second.audience), (1, &first.scope, &first.audience));
}

/// A store that lost its last writes does not take an honest client for a thief.
// S72
pub async fn a_token_from_ahead_is_from_a_lost_write(scene: Scene) {
    let ada = scene.person();
    let first = scene.issued(&ada, None).await;
    let ahead = Refresh { generation: 4, ..refresh(ada.tag, &first) };
    let after = scene.succeed(ahead).await.family;
    assert_eq!(after.generation, 5);
    assert_eq!(scene.try_refresh(&ada, &first).await, RefreshOutcome::Reused);
    let lost = Refresh { serial: random(), generation: 4, ..refresh(ada.tag, &first) };
    assert_eq!(scene.refresh(lost).await, RefreshOutcome::Revoked, "a family that nobody knows");
}

/// The session is used, and gives its roles as they are then.
pub async fn a_refresh_is_a_use_of_the_session(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut family = scene.issued(&ada, Some(&session)).await;
    for _ in 0..3 {
        scene.advance(IDLE - MINUTE);
        family = scene.refreshed(&ada, &family).await;
        assert!(family.access_until <= scene.current(session.id()).await.deadline());
    }
    assert!(scene.is_valid(&session).await);
    assert_eq!(scene.current(session.id()).await.last_seen_at(), scene.now());
    let roles = Some(vec!["auditor".into()]);
    let amend = AmendSession { id: session.id(), expected: None, roles, profile: None, limits: None, extends: false };
    scene.sessions.amend(scene.cx(), amend).await.expect("amend answers");
    let granted = scene.succeed(refresh(ada.tag, &family)).await;
    assert_eq!(granted.roles, ["auditor".into()]);
}
