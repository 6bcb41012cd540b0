//! What a session takes of the server's memory.

use super::support::DEADLINE;
use std::sync::Arc;
use vestibule_core::{
    id::UserTag,
    record::{State, UserSnapshot},
    session::{PackedSession, Session},
    user::UserAggregate,
};
use vestibule_memory::MemoryStore;
use vestibule_redis::{RedisAddress, RedisOptions, RedisState};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::Redis,
};

const USERS: usize = 2_000;

fn used(server: &Redis) -> usize {
    let info = server.command("INFO memory");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok());
    used.expect("a figure")
}

/// Bytes for each session of users with `sessions` of them, key, TTL and all.
async fn measure(sessions: usize, payload: usize) -> usize {
    let server = Redis::start();
    let address = RedisAddress::parse(&server.url()).expect("an address");
    let state = RedisState::new(address, RedisOptions { deadline: DEADLINE, ..RedisOptions::default() });
    state.look().await.expect("the server is there");
    let scene = Scene::new(Harness::of(Arc::new(MemoryStore::default())));
    let before = used(&server);
    for _ in 0..USERS {
        let person = scene.person();
        let session = |_| Session { data: vec![7; payload].into(), ..scene.session(&person) };
        let live = (0..sessions).map(session).map(|session| PackedSession::pack(&session)).collect();
        let user = UserAggregate { revision: 1, live, ..UserAggregate::new(UserTag::from_bytes(*person.tag.as_bytes())) };
        state.project(UserSnapshot { sequence: 1, user }).await.expect("project answers");
    }
    let taken = (used(&server) - before) / (USERS * sessions);
    println!("{taken} bytes a session with {sessions} a user and a payload of {payload}");
    taken
}

/// For a usual session without a payload; the events of a user are not counted.
#[tokio::test]
async fn a_session_takes_little_memory() {
    for (sessions, bar) in [(1, 470), (3, 340), (10, 290)] {
        let taken = measure(sessions, 0).await;
        assert!(taken <= bar, "{taken} bytes a session with {sessions} a user");
    }
}
