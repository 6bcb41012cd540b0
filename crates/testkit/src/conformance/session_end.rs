//! Sessions end, at once and for good.

use super::scene::{HOUR, IDLE, MINUTE, Scene};
use vestibule_core::{
    event::EventType,
    session::{
        Device, EndReason, PackedSession,
        command::{AmendSession, EndSessions, Filter, FindOutcome, Selection, SetData, ShareOutcome, ShareSession, Touch},
    },
};

/// The token leads to its end and nowhere else.
// S11
pub async fn an_ended_session_is_gone_at_once(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    scene.advance(10);
    let (selection, reason) = (Selection::One(session.id()), EndReason::Logout);
    let command = EndSessions { tag: ada.tag, selection, reason };
    assert_eq!(scene.sessions.end(scene.cx(), command).await.expect("end answers").revoked, 1);
    let expected = FindOutcome::Ended { reason, id: Some(session.id()), unnoticed: false };
    assert_eq!(scene.find(&session).await, expected);
    assert!(!scene.is_valid(&session).await);
    let history = scene.sessions.history(ada.tag, None, 10).await.expect("history answers");
    let ended = history[0].ended().expect("it ended");
    assert_eq!((history.len(), history[0].id()), (1, session.id()));
    assert_eq!((ended.at, ended.reason), (scene.now(), EndReason::Logout));
    let events = scene.events_of(&ada, EventType::SessionEnded).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].session_id, events[0].reason.as_deref()), (Some(session.id()), Some("logout")));
}

/// A repeat is harmless and says so; so is the end of what never was.
pub async fn ending_twice_ends_once(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    assert_eq!(scene.end_one(&session).await, 1);
    scene.advance(10);
    assert_eq!(scene.end_one(&session).await, 0);
    assert_eq!(scene.end_one(&PackedSession::pack(&scene.session(&ada))).await, 0);
    assert_eq!(scene.end(&scene.person(), Selection::All { except: Vec::new() }).await, 0);
    assert_eq!(scene.ends(&ada).await, [(session.id(), EndReason::Logout)], "the first end is the end");
    assert_eq!(scene.events_of(&ada, EventType::SessionEnded).await.len(), 1);
}

/// Log-out everywhere: one event with the count, and each session in the history.
// S15
pub async fn all_end_in_one_event(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 5).await;
    scene.advance(10);
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 5);
    assert_eq!(scene.count_valid(&sessions).await, 0);
    assert!(scene.list(&ada).await.is_empty());
    let events = scene.events_of(&ada, EventType::SessionEnded).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].count, events[0].reason.as_deref()), (Some(5), Some("revoked")));
    let ends = scene.ends(&ada).await;
    assert_eq!(ends.len(), 5);
    for session in &sessions {
        assert!(ends.contains(&(session.id(), EndReason::Revoked)));
        let expected = FindOutcome::Ended { reason: EndReason::Revoked, id: Some(session.id()), unnoticed: false };
        assert_eq!(scene.find(session).await, expected);
    }
    let after = scene.login(&ada).await;
    assert!(scene.is_valid(&after).await, "what begins afterwards is not ended with them");
}

/// What stays is as it was.
// S14, S15
pub async fn all_but_some_end(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 5).await;
    let except = vec![sessions[1].id(), sessions[3].id()];
    assert_eq!(scene.end(&ada, Selection::All { except: except.clone() }).await, 3);
    let kept: Vec<_> = scene.list(&ada).await.iter().map(PackedSession::id).collect();
    assert_eq!(kept, except);
    assert_eq!(scene.current(sessions[1].id()).await, sessions[1]);
    assert_eq!(scene.count_valid(&sessions).await, 2);
    assert_eq!(scene.end(&ada, Selection::All { except: except.clone() }).await, 0);
    assert_eq!(scene.events_of(&ada, EventType::SessionEnded).await[0].count, Some(3));
    assert_eq!(scene.end(&ada, Selection::All { except: vec![sessions[1].id()] }).await, 1);
    assert!(scene.is_valid(&sessions[1]).await);
}

/// A share that is named stays only with its parent.
// S48
pub async fn all_but_some_takes_shares_along(scene: Scene) {
    let ada = scene.person();
    let mut pairs = Vec::new();
    for _ in 0..3 {
        let (parent, fresh) = (scene.login(&ada).await, scene.session(&ada));
        let command = ShareSession {
            parent: parent.id(),
            serial: *fresh.id.serial(),
            digest: fresh.digest,
            scope: vec!["read".into()],
            label: None,
            expires_at: fresh.expires_at,
        };
        match scene.sessions.share(scene.cx(), command).await.expect("share answers") {
            ShareOutcome::Shared(child) => pairs.push((parent, child)),
            other => panic!("expected a share, not {other:?}"),
        }
    }
    let except = vec![pairs[0].0.id(), pairs[0].1.id(), pairs[1].0.id(), pairs[2].1.id()];
    assert_eq!(scene.end(&ada, Selection::All { except }).await, 3);
    let valid: Vec<_> = scene.list(&ada).await.iter().map(PackedSession::id).collect();
    assert_eq!(valid, [pairs[0].0.id(), pairs[0].1.id(), pairs[1].0.id()]);
}

/// Conditions are joined by "and"; each session that ends has its event.
// S15
pub async fn a_filter_ends_what_it_matches(scene: Scene) {
    let ada = scene.person();
    let mut sessions = Vec::new();
    for (device, last) in [("phone", 1), ("phone", 2), ("laptop", 1), ("laptop", 2)] {
        let mut session = scene.session(&ada);
        session.device = Device { id: Some(device.into()), ..Device::default() };
        session.ip = Some([192, 0, 2, last].into());
        sessions.push(scene.create(session).await);
        scene.advance(MINUTE);
    }
    let matching = |filter| Selection::Matching(filter);
    let device = |id: &str| Filter { device_id: Some(id.into()), ..Filter::default() };
    assert_eq!(scene.end(&ada, matching(device("tablet"))).await, 0);
    let both = Filter { ip: Some([192, 0, 2, 2].into()), ..device("phone") };
    assert_eq!(scene.end(&ada, matching(both)).await, 1);
    assert!(!scene.is_valid(&sessions[1]).await);
    let before = Filter { created_before: Some(sessions[2].created_at()), ..Filter::default() };
    assert_eq!(scene.end(&ada, matching(before)).await, 1, "earlier, not at the time");
    assert!(!scene.is_valid(&sessions[0]).await);
    let other = Filter { except: vec![sessions[3].id()], ..device("laptop") };
    assert_eq!(scene.end(&ada, matching(other)).await, 1);
    assert!(scene.is_valid(&sessions[3]).await);
    assert_eq!(scene.events_of(&ada, EventType::SessionEnded).await.len(), 3);
}

/// Every command that writes to a session, after its end, in every way it can end.
// S12
pub async fn nothing_revives_an_ended_session(scene: Scene) {
    let ada = scene.person();
    let revoked = scene.login(&ada).await;
    scene.end_one(&revoked).await;
    let swept = scene.login(&ada).await;
    scene.end(&ada, Selection::All { except: Vec::new() }).await;
    let rested = scene.login(&ada).await;
    scene.advance(IDLE + HOUR);
    let unnoticed = rested.clone();
    for session in [&unnoticed, &revoked, &swept, &rested] {
        let id = session.id();
        let touch = Touch { id, at: scene.now(), idle_timeout_ms: IDLE, activity: Some("/late".into()) };
        scene.sessions.touch(touch).await.expect("touch answers");
        let data = SetData { id, expected: session.revision(), data: vec![1].into() };
        scene.sessions.set_data(scene.cx(), data).await.expect("set_data answers");
        let extension = AmendSession { id, expected: None, roles: None, profile: None, limits: None, extends: true };
        scene.sessions.amend(scene.cx(), extension).await.expect("amend answers");
        let rotation = scene.rotation(id);
        let digest = rotation.digest;
        scene.sessions.rotate(scene.cx(), rotation).await.expect("rotate answers");
        assert!(!scene.is_valid(session).await, "{session:?}");
        assert!(!matches!(scene.find_digest(ada.tag, digest).await, FindOutcome::Found { .. }), "{session:?}");
    }
    assert!(scene.list(&ada).await.is_empty());
    assert_eq!(scene.ends(&ada).await.len(), 3);
}

/// An id of another user's session in the command of a user ends nothing.
// S15
pub async fn an_end_is_about_one_user_only(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let (hers, his) = (scene.login(&ada).await, scene.login(&bob).await);
    assert_eq!(scene.end(&ada, Selection::One(his.id())).await, 0);
    assert_eq!(scene.end(&ada, Selection::All { except: vec![his.id()] }).await, 1);
    assert!(!scene.is_valid(&hers).await);
    assert!(scene.is_valid(&his).await);
}
