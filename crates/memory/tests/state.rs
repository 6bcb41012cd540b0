//! What the projection promises beside being one: bounds, forgetting, and no way back for what ended.

use vestibule_core::{
    id::{UserId, UserTag},
    record::{Projected, State, UserSnapshot},
    session::{PackedSession, Session, command::FindOutcome, command::Touch, command::TouchOutcome},
    time::Timestamp,
    user::UserAggregate,
};
use vestibule_memory::MemoryState;
use vestibule_testkit::sample;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ROOMY: usize = 64 * 1024 * 1024;

fn session(tag: UserTag) -> Session {
    Session { user_id: UserId::new("user-0001").ok(), user_agent: None, data: vec![7; 160].into(), ..sample::session(NOW, tag) }
}

/// A user of some revision as of some place in the change log.
fn snapshot(tag: UserTag, sequence: u64, revision: u64, live: &[&Session]) -> UserSnapshot {
    let live = live.iter().map(|session| PackedSession::pack(session)).collect();
    UserSnapshot {
        sequence,
        user: UserAggregate { user_id: UserId::new("user-0001").ok(), revision, live, ..UserAggregate::new(tag) },
    }
}

async fn project(state: &MemoryState, snapshot: UserSnapshot) -> Projected {
    state.project(snapshot).await.expect("memory answers")
}

async fn holds(state: &MemoryState, tag: UserTag) -> bool {
    state.user(tag).await.expect("memory answers").is_some()
}

async fn found(state: &MemoryState, session: &Session) -> Option<FindOutcome> {
    state.find(session.id.tag(), session.digest, NOW).await.expect("memory answers")
}

#[tokio::test]
async fn only_a_newer_revision_is_taken_over() {
    let state = MemoryState::new(ROOMY);
    let tag = UserTag::anonymous();
    let session = session(tag);
    assert_eq!(found(&state, &session).await, None, "nobody is held");
    assert_eq!(project(&state, snapshot(tag, 5, 3, &[&session])).await, Projected::Applied);
    assert!(matches!(found(&state, &session).await, Some(FindOutcome::Found { .. })));
    assert_eq!(project(&state, snapshot(tag, 9, 3, &[])).await, Projected::Older);
    assert_eq!(project(&state, snapshot(tag, 4, 2, &[])).await, Projected::Older);
    assert!(matches!(found(&state, &session).await, Some(FindOutcome::Found { .. })));
    assert_eq!(project(&state, snapshot(tag, 6, 4, &[])).await, Projected::Applied);
    assert_eq!(
        found(&state, &session).await,
        Some(FindOutcome::Unknown { user_known: true }),
        "ended is a revision, not an absence"
    );
    assert_eq!(project(&state, snapshot(tag, 5, 3, &[&session])).await, Projected::Older);
}

#[tokio::test]
async fn a_projection_keeps_the_uses_that_the_record_has_not_heard_of() {
    let state = MemoryState::new(ROOMY);
    let tag = UserTag::anonymous();
    let session = session(tag);
    let touch = Touch { id: session.id, at: NOW.plus_ms(60_000), idle_timeout_ms: 900_000, activity: Some("/orders".into()) };
    assert_eq!(state.touch(touch.clone()).await, Ok(None), "nobody is held");
    project(&state, snapshot(tag, 1, 1, &[&session])).await;
    assert_eq!(state.touch(touch.clone()).await, Ok(Some(TouchOutcome::Touched)));
    let other = self::session(tag);
    project(&state, snapshot(tag, 2, 2, &[&session, &other])).await;
    let user = state.user(tag).await.expect("memory answers").expect("they are held");
    assert_eq!((user.revision, user.live.len()), (2, 2));
    let kept = user.live[0].unpack();
    assert_eq!((kept.last_seen_at, kept.idle_timeout_ms, kept.trail.len()), (touch.at, 900_000, 1));
    project(&state, snapshot(tag, 3, 3, &[&other])).await;
    assert_eq!(state.touch(Touch { at: NOW.plus_ms(120_000), ..touch }).await, Ok(Some(TouchOutcome::Gone)));
}

// P8: about 600 bytes for a user with one session of 160 bytes of payload.
#[tokio::test]
async fn a_session_is_small_and_the_account_returns_to_nothing() {
    let state = MemoryState::new(ROOMY);
    let mut tags = Vec::new();
    for sequence in 0..2_000 {
        let tag = UserTag::anonymous();
        project(&state, snapshot(tag, sequence, 1, &[&session(tag)])).await;
        tags.push(tag);
    }
    let each = state.memory_used() / tags.len();
    assert!((300..=600).contains(&each), "{each} bytes");
    assert_eq!((state.users_held(), state.evicted_total()), (2_000, 0));
    let resting = state.memory_used();
    for tag in &tags {
        project(&state, snapshot(*tag, 9_000, 2, &[])).await;
    }
    assert!(state.memory_used() < resting / 2, "the sessions' bytes are given back");
}

#[tokio::test]
async fn those_without_sessions_are_forgotten_first_and_longest_at_rest_first() {
    let state = MemoryState::new(40_000);
    // One home, so that order is the order of arrival.
    let tag = |number: u8| UserTag::from_bytes([7, 0, 0, 0, number, 1, 2, 3, 4, 5, 6, number]);
    for number in 0..30 {
        project(&state, snapshot(tag(number), number.into(), 1, &[&session(tag(number))])).await;
    }
    let rested = [20, 3, 11, 5, 9, 14, 2, 8];
    for number in rested {
        project(&state, snapshot(tag(number), 100 + u64::from(number), 2, &[])).await;
    }
    let mut newcomers = 100;
    while state.evicted_total() == 0 {
        project(&state, snapshot(tag(newcomers), newcomers.into(), 1, &[&session(tag(newcomers))])).await;
        newcomers += 1;
        assert!(state.memory_used() <= 40_000);
    }
    let gone = usize::try_from(state.evicted_total()).expect("few");
    assert!((1..rested.len()).contains(&gone), "{gone}");
    for (place, number) in rested.into_iter().enumerate() {
        assert_eq!(holds(&state, tag(number)).await, place >= gone, "{number} of {gone}");
    }
    for number in (0..30).chain(100..newcomers).filter(|number| !rested.contains(number)) {
        assert!(holds(&state, tag(number)).await, "{number} has a session");
    }
}

#[tokio::test]
async fn whoever_is_asked_for_stays_and_the_one_being_projected_always_does() {
    let state = MemoryState::new(60_000);
    let regular = UserTag::anonymous();
    let session = session(regular);
    project(&state, snapshot(regular, 1, 1, &[&session])).await;
    for sequence in 2..2_000 {
        assert!(found(&state, &session).await.is_some(), "forgotten at {sequence}");
        let tag = UserTag::anonymous();
        project(&state, snapshot(tag, sequence, 1, &[&self::session(tag)])).await;
        assert!(holds(&state, tag).await, "{sequence}");
    }
    assert!(state.evicted_total() > 1_000);
    assert!(state.memory_used() <= 60_000);
    assert!((60..200).contains(&state.users_held()), "{}", state.users_held());
}

#[tokio::test]
async fn a_user_larger_than_the_limit_is_held_alone() {
    let state = MemoryState::new(5_000);
    let (small, large) = (UserTag::anonymous(), UserTag::anonymous());
    project(&state, snapshot(small, 1, 1, &[&session(small)])).await;
    let sessions: Vec<_> = (0..50).map(|_| session(large)).collect();
    let projected = project(&state, snapshot(large, 2, 1, &sessions.iter().collect::<Vec<_>>())).await;
    assert_eq!(projected, Projected::Applied);
    assert!(holds(&state, large).await && !holds(&state, small).await);
}

// S12: a read that began before an end must not undo it, although the state has forgotten the end.
#[tokio::test]
async fn a_slow_load_does_not_bring_back_what_ended_and_was_forgotten() {
    let state = MemoryState::new(1);
    let home = |number: u8| UserTag::from_bytes([9, 0, 0, 0, number, 1, 2, 3, 4, 5, 6, number]);
    let (ada, bob) = (home(1), home(2));
    let session = session(ada);
    let slow = snapshot(ada, 10, 1, &[&session]);
    assert_eq!(project(&state, snapshot(ada, 11, 2, &[])).await, Projected::Applied);
    assert_eq!(project(&state, snapshot(bob, 12, 1, &[&self::session(bob)])).await, Projected::Applied);
    assert!(!holds(&state, ada).await, "bob pushed her out");
    assert_eq!(project(&state, slow).await, Projected::Stale);
    assert_eq!(found(&state, &session).await, None);
    assert_eq!(project(&state, snapshot(ada, 12, 2, &[])).await, Projected::Applied, "what was read since is taken");
    let elsewhere = UserTag::from_bytes([10; 12]);
    assert_eq!(project(&state, snapshot(elsewhere, 1, 1, &[])).await, Projected::Applied, "another home forgot nothing");
}
