//! The end of token families, and what holds of their access tokens everywhere.

use super::{
    scene::{HOUR, LIFETIME, MINUTE, Person, Scene},
    token_scene::counted,
};
use crate::{
    bounds::{RACE_FEWEST, RACE_ROUNDS, RACE_TIME},
    sample::{ACCESS, refresh},
};
use std::{collections::BTreeSet, time::Instant};
use tokio::task::JoinHandle;
use vestibule_core::{
    bounds::{DENIAL_MARGIN_MS, FAMILIES},
    event::EventType,
    id::random,
    session::{
        CapPolicy, EndReason, PackedSession,
        command::{Cap, CreateOutcome, EndSessions, Filter, FindOutcome, Selection},
    },
    token::{DenialPlace, Denied, Family, command::*},
    user::command::{DeleteUser, DisableUser, EnableUser},
};

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
        let (bound, free) = (scene.issued(&ada, Some(&session)).await, scene.issued(&ada, None).await);
        scene.advance(MINUTE);
        end(&scene, &ada, &session, how).await;
        assert_eq!(scene.try_refresh(&ada, &bound).await, RefreshOutcome::Revoked, "{how:?}");
        let denied = scene.denials(&ada).await;
        let of_user = matches!(how, Disabled | Deleted);
        match denied.as_slice() {
            [(Denied::Before(epoch), _)] => assert!(of_user && *epoch > 0, "{how:?}"),
            [(Denied::Family(serial), _)] => assert!(!of_user && *serial == bound.serial, "{how:?}"),
            other => panic!("{how:?}: {other:?}"),
        }
        assert_eq!(scene.is_refreshed(&ada, &free).await, !of_user, "{how:?}");
    }
}

/// A session that expires takes its families along; their access tokens are over by then.
pub async fn a_family_expires_with_its_session(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let family = scene.issued(&ada, Some(&session)).await;
    scene.advance(LIFETIME + HOUR);
    assert!(!matches!(scene.find(&session).await, FindOutcome::Found { .. }));
    assert_eq!(scene.try_refresh(&ada, &family).await, RefreshOutcome::Expired);
    assert_eq!(scene.denials(&ada).await, []);
}

/// Each is denied for as long as there can be any of it, and not longer; what is not there is not revoked.
// S56
pub async fn tokens_are_revoked_by_their_name(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let (bound, free) = (scene.issued(&ada, Some(&session)).await, scene.issued(&ada, None).await);
    let token = random();
    let expires_at = scene.now().plus_ms(5 * MINUTE);
    assert_eq!(scene.revoke(&ada, Target::Token { serial: token, expires_at: Some(expires_at) }).await, 1);
    assert_eq!(scene.denials(&ada).await, [(Denied::Token(token), expires_at.plus_ms(DENIAL_MARGIN_MS))]);
    assert_eq!(scene.revoke(&ada, Target::Family(free.serial)).await, 1);
    assert_eq!(scene.revoke(&ada, Target::Family(free.serial)).await, 0);
    assert_eq!(scene.try_refresh(&ada, &free).await, RefreshOutcome::Revoked);
    assert!(scene.is_refreshed(&ada, &bound).await);
    assert_eq!(scene.revoke(&ada, Target::Session(session.id())).await, 1);
    assert_eq!(scene.revoke(&ada, Target::Session(session.id())).await, 0);
    assert!(scene.is_valid(&session).await, "the session goes on");
    for family in [&free, &bound] {
        assert!(scene.is_denied(&ada, Denied::Family(family.serial)).await);
    }
    let told = scene.events_of(&ada, EventType::TokenRevoked).await;
    assert!(told.iter().all(|event| event.reason.as_deref() == Some("admin") && event.count == Some(1)), "{told:?}");
    assert_eq!(told.len(), 3);
    scene.advance(ACCESS + DENIAL_MARGIN_MS);
    assert_eq!(scene.denials(&ada).await, [], "they are over by themselves");
    let stranger = scene.person();
    for target in
        [Target::Token { serial: token, expires_at: None }, Target::Family(token), Target::Session(session.id()), Target::User]
    {
        assert_eq!(scene.revoke(&stranger, target).await, 0);
    }
}

/// Whoever goes on from where they were hears of everything after it, and of nothing that is not so.
pub async fn what_is_denied_later_is_read_from_a_place_on(scene: Scene) {
    let ada = scene.person();
    let mut place = DenialPlace::default();
    for round in 0..20 {
        let family = scene.issued(&ada, None).await;
        assert_eq!(scene.revoke(&ada, Target::Family(family.serial)).await, 1);
        let news = scene.tokens.denials(scene.now(), place).await.expect("denials answers");
        assert!(news.denials.iter().any(|denial| denial.what == Denied::Family(family.serial)), "round {round}: {news:?}");
        for denial in news.denials.into_iter().filter(|denial| denial.tag == ada.tag) {
            assert!(scene.denials(&ada).await.contains(&(denial.what, denial.until)), "round {round}: {denial:?}");
        }
        place = news.place;
    }
}

/// Older tokens are denied and newer ones are not, also within one and the same moment.
// S57
pub async fn all_tokens_of_a_user_end_by_an_epoch(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut epochs = BTreeSet::from([0]);
    for round in 1..=3 {
        let before = [scene.issued(&ada, Some(&session)).await, scene.issued(&ada, None).await];
        assert_eq!(scene.revoke(&ada, Target::User).await, 2, "round {round}");
        for family in &before {
            assert_eq!(scene.try_refresh(&ada, family).await, RefreshOutcome::Revoked, "round {round}");
        }
        let after = scene.granted(&ada, scene.family(None)).await;
        assert!(scene.is_denied(&ada, Denied::Before(after.epoch)).await, "round {round}");
        assert!(epochs.last() < Some(&after.epoch) && epochs.insert(after.epoch), "round {round}: {epochs:?}");
        assert_eq!(scene.succeed(refresh(ada.tag, &after.family)).await.epoch, after.epoch);
        scene.revoke(&ada, Target::Family(after.family.serial)).await;
    }
    assert!(scene.is_valid(&session).await, "sessions are no tokens");
}

/// Enabling revives none, and what is given then is good.
// S13
pub async fn a_user_who_was_disabled_begins_anew(scene: Scene) {
    let ada = scene.person();
    let before = scene.issued(&ada, None).await;
    let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers");
    scene.sessions.enable_user(scene.cx(), EnableUser { tag: ada.tag }).await.expect("enable answers");
    assert_eq!(scene.try_refresh(&ada, &before).await, RefreshOutcome::Revoked);
    let after = scene.granted(&ada, scene.family(None)).await;
    let denied = scene.denials(&ada).await;
    assert!(matches!(denied.as_slice(), [(Denied::Before(epoch), _)] if *epoch <= after.epoch), "{denied:?}");
    assert!(scene.is_refreshed(&ada, &after.family).await);
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
        let first = scene.issued(&ada, Some(&session)).await;
        let racers = scene.race(&refresh(ada.tag, &first), 2);
        assert_eq!(ending(&scene, &first, &session, round % 2 == 0).await.expect("no panic"), 1, "round {round}");
        for generation in 0..3 {
            let command = Refresh { generation, ..refresh(ada.tag, &first) };
            assert_eq!(scene.refresh(command).await, RefreshOutcome::Revoked, "round {round}");
        }
        for racer in racers {
            racer.await.expect("no racer panics");
        }
        if round % 10 < 2 {
            assert!(scene.is_denied(&ada, Denied::Family(first.serial)).await, "round {round}");
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
        families.push(scene.issued(&ada, None).await);
    }
    assert_eq!(scene.denials(&ada).await.len(), 1);
    assert!(scene.is_denied(&ada, Denied::Family(families[0].serial)).await);
    assert_eq!(scene.try_refresh(&ada, &families[0]).await, RefreshOutcome::Revoked);
    assert!(scene.is_refreshed(&ada, &families[1]).await);
    assert!(scene.is_refreshed(&ada, &families[FAMILIES]).await);
    let told = scene.events_of(&ada, EventType::TokenRevoked).await;
    assert_eq!(told.iter().map(|event| event.reason.as_deref()).collect::<Vec<_>>(), [Some("evicted")]);
}

/// A user who comes to thousands of sessions with a family on one of them loses both at once.
pub async fn the_end_of_very_many_sessions_ends_families_too(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 80).await;
    let (bound, free) = (scene.issued(&ada, Some(&sessions[0])).await, scene.issued(&ada, None).await);
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 80);
    assert_eq!(scene.try_refresh(&ada, &bound).await, RefreshOutcome::Revoked);
    assert!(scene.is_denied(&ada, Denied::Family(bound.serial)).await);
    assert!(scene.is_refreshed(&ada, &free).await);
}

/// S73: a client revokes what it was given, and what nobody in particular was given.
pub async fn a_client_revokes_its_own_families_only(scene: Scene) {
    let ada = scene.person();
    let own = scene.issued(&ada, None).await;
    let anybodys = scene.granted(&ada, Family { client_id: None, ..scene.family(None) }).await.family;
    let by = async |client: &str, family: &Family| {
        let target = Target::FamilyOf { serial: family.serial, client_id: client.into() };
        let command = RevokeTokens { tag: ada.tag, target, reason: "client".into() };
        scene.tokens.revoke(scene.cx(), command).await.expect("revoke answers")
    };
    assert_eq!(by("other", &own).await, RevokeOutcome::OtherClient);
    assert!(scene.is_refreshed(&ada, &own).await);
    assert_eq!(by("other", &anybodys).await, RevokeOutcome::Revoked(1));
    assert_eq!(by("app", &own).await, RevokeOutcome::Revoked(1));
    assert_eq!(by("other", &own).await, RevokeOutcome::Revoked(0), "of what has ended nothing is told");
}
