//! Payload, rights and limits of a session change by compare-and-set.

use super::scene::{HOUR, IDLE, MINUTE, Scene};
use vestibule_core::{
    event::EventType,
    id::SessionId,
    session::command::{AmendOutcome, AmendSession, Limits, SetData, SetDataOutcome},
};

fn data(id: SessionId, expected: u32, byte: u8) -> SetData {
    SetData { id, expected, data: vec![byte; 16].into() }
}

fn amendment(id: SessionId) -> AmendSession {
    AmendSession { id, expected: None, roles: None, profile: None, limits: None, extends: false }
}

/// Written, refused against an old revision with the session as it is, gone after the end.
// S22
pub async fn data_is_written_against_its_revision(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let written = match scene.sessions.set_data(scene.cx(), data(session.id(), 1, 1)).await.expect("set_data answers") {
        SetDataOutcome::Written(written) => written,
        other => panic!("expected it written, not {other:?}"),
    };
    assert_eq!((written.revision(), &*written.unpack().data), (2, &[1; 16][..]));
    assert_eq!(scene.current(session.id()).await, written);
    let repeat = scene.sessions.set_data(scene.cx(), data(session.id(), 1, 2)).await;
    assert_eq!(repeat, Ok(SetDataOutcome::Conflict(written)));
    let changes = scene.events_of(&ada, EventType::SessionDataChanged).await;
    assert_eq!((changes.len(), changes[0].session_id), (1, Some(session.id())));
    scene.end_one(&session).await;
    assert_eq!(scene.sessions.set_data(scene.cx(), data(session.id(), 2, 3)).await, Ok(SetDataOutcome::Gone));
}

/// Of writers that read the same revision exactly one is told that it was written, and what it wrote is there.
// S22
pub async fn of_two_writers_one_wins(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    for round in 1..=50 {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (sessions, cx) = (scene.sessions.clone(), scene.cx());
                let command = data(session.id(), round, writer);
                tokio::spawn(async move { sessions.set_data(cx, command).await })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.expect("no writer panics").expect("set_data answers") {
                SetDataOutcome::Written(written) => winners.push(written),
                SetDataOutcome::Conflict(seen) => assert_eq!(seen.revision(), round + 1),
                SetDataOutcome::Gone => panic!("it is there"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(scene.current(session.id()).await, winners[0]);
    }
}

/// What is not named stays; a foreign revision is a conflict.
pub async fn rights_policy_and_limits_are_amended(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let roles: Vec<Box<str>> = vec!["admin".into()];
    let command = AmendSession { roles: Some(roles.clone()), ..amendment(session.id()) };
    assert!(matches!(scene.sessions.amend(scene.cx(), command).await, Ok(AmendOutcome::Amended(_))));
    let limits = Limits { idle_timeout_ms: MINUTE, expires_at: scene.now().plus_ms(HOUR) };
    let profile = Some("kiosk".into());
    let command = AmendSession { expected: Some(2), profile, limits: Some(limits), ..amendment(session.id()) };
    let amended = match scene.sessions.amend(scene.cx(), command.clone()).await.expect("amend answers") {
        AmendOutcome::Amended(amended) => amended,
        other => panic!("expected it amended, not {other:?}"),
    };
    let seen = amended.unpack();
    assert_eq!((seen.revision, &seen.roles, &*seen.profile), (3, &roles, "kiosk"));
    assert_eq!((seen.idle_timeout_ms, seen.expires_at), (MINUTE, limits.expires_at));
    assert_eq!(seen.data, session.unpack().data);
    assert_eq!(scene.sessions.amend(scene.cx(), command).await, Ok(AmendOutcome::Conflict(amended)));
    assert_eq!(scene.events_of(&ada, EventType::SessionUpdated).await.len(), 2);
    scene.advance(HOUR);
    assert!(!scene.is_valid(&session).await);
}

/// An extension counts from now, where an amendment does not.
pub async fn an_extension_is_a_use(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let began = scene.now();
    scene.advance(20 * MINUTE);
    scene.sessions.amend(scene.cx(), amendment(session.id())).await.expect("amend answers");
    assert_eq!(scene.current(session.id()).await.last_seen_at(), began);
    let command = AmendSession { extends: true, ..amendment(session.id()) };
    scene.sessions.amend(scene.cx(), command).await.expect("amend answers");
    assert_eq!(scene.current(session.id()).await.last_seen_at(), scene.now());
    assert_eq!(scene.events_of(&ada, EventType::SessionExtended).await.len(), 1);
    scene.advance(IDLE - 1);
    assert!(scene.is_valid(&session).await);
}

/// Ended, expired and unknown sessions are gone, for an extension too.
pub async fn nothing_is_amended_after_the_end(scene: Scene) {
    let ada = scene.person();
    let (ended, rested) = (scene.login(&ada).await, scene.login(&ada).await);
    scene.end_one(&ended).await;
    scene.advance(IDLE + HOUR);
    for id in [ended.id(), rested.id(), scene.session(&ada).id] {
        let command = AmendSession { extends: true, ..amendment(id) };
        assert_eq!(scene.sessions.amend(scene.cx(), command).await, Ok(AmendOutcome::Gone));
        assert_eq!(scene.sessions.set_data(scene.cx(), data(id, 1, 1)).await, Ok(SetDataOutcome::Gone));
    }
    assert!(scene.list(&ada).await.is_empty());
}
