//! The projection of a record.

use super::support::DEADLINE;
use vestibule_core::{
    id::{SessionId, UserTag},
    record::{Projected, State, UserSnapshot},
    session::{
        PackedSession,
        command::{FindOutcome, Touch, TouchOutcome},
    },
    user::UserAggregate,
};
use vestibule_memory::MemoryStore;
use vestibule_redis::{RedisAddress, RedisOptions, RedisState};
use vestibule_testkit::{
    bounds::{POLL, START},
    conformance::{Harness, Scene},
    process::Redis,
};

/// A state, a user with one session at revision 5, and the session.
async fn set(server: &Redis) -> (RedisState, UserAggregate, PackedSession, Scene) {
    let address = RedisAddress::parse(&server.url()).expect("an address");
    let state = RedisState::new(address, RedisOptions { deadline: DEADLINE, ..RedisOptions::default() });
    state.look().await.expect("the server is there");
    let scene = Scene::new(Harness::of(std::sync::Arc::new(MemoryStore::default())));
    let session = scene.login(&scene.person()).await;
    let user =
        UserAggregate { revision: 5, live: [session.clone()].into_iter().collect(), ..UserAggregate::new(session.id().tag()) };
    (state, user, session, scene)
}

async fn project(state: &RedisState, user: &UserAggregate) -> Projected {
    state.project(UserSnapshot { sequence: 1, user: user.clone() }).await.expect("project answers")
}

#[tokio::test]
async fn only_a_newer_revision_is_taken_over_and_uses_stay() {
    let server = Redis::start();
    let (state, user, session, scene) = set(&server).await;
    assert_eq!(state.user(user.tag).await, Ok(None));
    assert_eq!(project(&state, &user).await, Projected::Applied);
    assert_eq!(project(&state, &user).await, Projected::Older);
    let touch = Touch { id: session.id(), at: scene.now().plus_ms(1_000), idle_timeout_ms: 60_000, activity: None };
    assert_eq!(state.touch(touch.clone()).await, Ok(Some(TouchOutcome::Touched)));
    let newer = UserAggregate { revision: 6, ..user.clone() };
    assert_eq!(project(&state, &newer).await, Projected::Applied);
    let held = state.user(user.tag).await.expect("user answers").expect("held");
    assert_eq!((held.revision, held.live[0].last_seen_at()), (6, touch.at));
    let stranger = Touch { id: SessionId::generate(UserTag::anonymous()), ..touch };
    assert_eq!(state.touch(stranger).await, Ok(None));
    let ended = UserAggregate { revision: 7, live: Default::default(), ..user.clone() };
    assert_eq!(project(&state, &ended).await, Projected::Applied);
    assert_eq!(project(&state, &newer).await, Projected::Older, "an old projection revives nothing");
    let found = state.find(user.tag, session.digest(), scene.now()).await;
    assert_eq!(found, Ok(Some(FindOutcome::Unknown { user_known: true })));
}

/// A server that comes back with its old data is not believed: who was in it may have ended since.
#[tokio::test]
async fn what_another_start_of_the_server_left_counts_for_nothing() {
    let server = Redis::start();
    let (state, user, session, scene) = set(&server).await;
    project(&state, &user).await;
    assert!(server.command("SAVE").contains("OK"));
    server.restart();
    assert!(server.command("DBSIZE").contains(":1"), "the old data is back");
    let back = async {
        while state.look().await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(START, back).await.is_ok(), "the server is not found again");
    assert_eq!(state.find(user.tag, session.digest(), scene.now()).await, Ok(None));
    assert_eq!(state.user(user.tag).await, Ok(None));
    assert_eq!(project(&state, &user).await, Projected::Applied, "and gives way to any word of the record");
    assert!(matches!(state.find(user.tag, session.digest(), scene.now()).await, Ok(Some(FindOutcome::Found { .. }))));
}

#[tokio::test]
async fn a_user_of_whom_nothing_is_known_leaves_no_key() {
    let server = Redis::start();
    let (state, user, ..) = set(&server).await;
    assert_eq!(project(&state, &UserAggregate::new(user.tag)).await, Projected::Applied);
    assert!(server.command("DBSIZE").contains(":0"));
}
