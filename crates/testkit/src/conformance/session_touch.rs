//! Uses of sessions are noted, and never more than that.

use super::scene::{HOUR, IDLE, MINUTE, Scene};
use vestibule_core::{
    bounds::ACTIVITY_TRAIL,
    id::SessionId,
    session::command::{FindOutcome, SetData, SetDataOutcome, Touch, TouchOutcome},
    time::Timestamp,
};

fn touch(id: SessionId, at: Timestamp) -> Touch {
    Touch { id, at, idle_timeout_ms: IDLE, activity: None }
}

/// The deadline moves, with the timeout that holds from now on; no revision is raised and no event written.
// S10
pub async fn a_use_moves_the_idle_deadline_and_nothing_else(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    scene.advance(20 * MINUTE);
    let longer = Touch { idle_timeout_ms: 2 * IDLE, ..touch(session.id(), scene.now()) };
    assert_eq!(scene.sessions.touch(longer).await, Ok(TouchOutcome::Touched));
    let touched = scene.current(session.id()).await;
    assert_eq!((touched.last_seen_at(), touched.idle_timeout_ms()), (scene.now(), 2 * IDLE));
    assert_eq!(touched.revision(), session.revision());
    assert_eq!(scene.timeline(&ada).await.len(), 1, "only its beginning");
    scene.advance(2 * IDLE - 1);
    assert!(scene.is_valid(&session).await);
    scene.advance(1);
    assert!(!scene.is_valid(&session).await);
}

/// News that arrive late do not shorten a session.
pub async fn a_use_never_moves_backwards(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let late = scene.now().plus_ms(MINUTE);
    scene.advance(10 * MINUTE);
    assert_eq!(scene.sessions.touch(touch(session.id(), scene.now())).await, Ok(TouchOutcome::Touched));
    assert_eq!(scene.sessions.touch(touch(session.id(), late)).await, Ok(TouchOutcome::Gone));
    assert_eq!(scene.current(session.id()).await.last_seen_at(), scene.now());
}

/// Unknown, ended and expired sessions take no use.
pub async fn a_use_of_nothing_is_gone(scene: Scene) {
    let ada = scene.person();
    let unknown = scene.session(&ada).id;
    assert_eq!(scene.sessions.touch(touch(unknown, scene.now())).await, Ok(TouchOutcome::Gone));
    let (ended, rested) = (scene.login(&ada).await, scene.login(&ada).await);
    scene.end_one(&ended).await;
    assert_eq!(scene.sessions.touch(touch(ended.id(), scene.now())).await, Ok(TouchOutcome::Gone));
    scene.advance(IDLE + HOUR);
    assert_eq!(scene.sessions.touch(touch(rested.id(), scene.now())).await, Ok(TouchOutcome::Gone));
    assert!(matches!(scene.find(&rested).await, FindOutcome::Ended { .. }));
}

/// A store that hears of uses late must not forget one when it decides the next command.
pub async fn a_use_survives_the_next_command(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    scene.advance(25 * MINUTE);
    let used_at = scene.now();
    let activity = Some("/orders".into());
    scene.sessions.touch(Touch { activity, ..touch(session.id(), used_at) }).await.expect("touch answers");
    scene.advance(25 * MINUTE);
    let command = SetData { id: session.id(), expected: session.revision(), data: vec![1].into() };
    match scene.sessions.set_data(scene.cx(), command).await.expect("set_data answers") {
        SetDataOutcome::Written(written) => assert_eq!(written.last_seen_at(), used_at),
        other => panic!("it was used in between: {other:?}"),
    }
    let now = scene.current(session.id()).await;
    assert_eq!((now.last_seen_at(), now.unpack().trail.len()), (used_at, 1));
}

/// The newest activities stay, in their order.
pub async fn the_activity_trail_is_bounded(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    for step in 0..ACTIVITY_TRAIL + 3 {
        scene.advance(MINUTE);
        let activity = Some(format!("/page/{step}").into());
        let used = scene.sessions.touch(Touch { activity, ..touch(session.id(), scene.now()) }).await;
        assert_eq!(used, Ok(TouchOutcome::Touched));
    }
    let trail = scene.current(session.id()).await.unpack().trail;
    let expected: Vec<_> = (3..ACTIVITY_TRAIL + 3).map(|step| format!("/page/{step}")).collect();
    assert_eq!(trail.iter().map(|entry| entry.activity.to_string()).collect::<Vec<_>>(), expected);
}
