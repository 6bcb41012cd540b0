//! What the authoritative memory store promises beside the conformance suite: bounds and forgetting.

use std::{sync::Arc, time::Duration};
use vestibule_core::{
    bounds::{LIVE_SESSIONS, MEMORY_ENDED, MEMORY_EVENTS},
    event::{Event, EventQuery, EventStore, EventType, Origin},
    fault::Fault,
    session::{
        CapPolicy, EndReason, PackedSession, SessionStore,
        command::{Cap, CreateOutcome, CreateSession, FindOutcome, SetData},
    },
};
use vestibule_memory::{MemoryOptions, MemoryStore};
use vestibule_testkit::conformance::{Harness, Person, Scene};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
const ROOMY: Cap = Cap { limit: LIVE_SESSIONS, policy: CapPolicy::EvictOldest };

fn stage(options: MemoryOptions) -> (Arc<MemoryStore>, Scene) {
    let store = Arc::new(MemoryStore::new(options));
    (store.clone(), Scene::new(Harness::of(store)))
}

/// What the housekeeping of a server does each second.
async fn sweep(store: &MemoryStore, scene: &Scene) {
    for tag in store.due(scene.now(), 1_000).await.expect("memory answers") {
        let command = vestibule_core::session::command::ExpireUser { tag };
        store.expire(scene.cx(), command).await.expect("memory answers");
    }
}

// S21
#[tokio::test]
async fn a_thousand_sessions_that_came_and_expired_leave_nothing() {
    let (store, scene) = stage(MemoryOptions::default());
    let ada = scene.person();
    for _ in 0..1_000 {
        scene.login(&ada).await;
        scene.advance(DAY_MS / 24);
        sweep(&store, &scene).await;
    }
    assert_eq!(store.stats().await.expect("memory answers").expired_total, 1_000);
    let held = store.memory_used();
    assert!(held < (MEMORY_ENDED + MEMORY_EVENTS) * 400, "{held} bytes of history");
    scene.advance(2 * DAY_MS);
    sweep(&store, &scene).await;
    assert_eq!((store.users_held(), store.memory_used()), (0, 0));
}

// S21
#[tokio::test]
async fn those_who_never_come_back_are_forgotten_after_the_retention() {
    let (store, scene) = stage(MemoryOptions { history_retention: Duration::from_secs(3_600), ..MemoryOptions::default() });
    let mut people = Vec::new();
    for _ in 0..500 {
        let person = scene.person();
        let session = scene.login(&person).await;
        scene.end_one(&session).await;
        people.push((person, session));
    }
    let failed = scene.person();
    let event = Event::new(EventType::LoginFailed, scene.now(), &Origin::default()).of(failed.tag, Some(&failed.id));
    store.append(vec![event]).await.expect("memory answers");
    scene.advance(3_599_000);
    sweep(&store, &scene).await;
    assert_eq!(store.users_held(), 501);
    assert!(matches!(scene.find(&people[0].1).await, FindOutcome::Ended { reason: EndReason::Logout, .. }));
    scene.advance(1_001);
    for _ in 0..3 {
        sweep(&store, &scene).await;
    }
    assert_eq!((store.users_held(), store.memory_used()), (0, 0));
    assert_eq!(scene.find(&people[0].1).await, FindOutcome::Unknown { user_known: false });
}

/// S66: a family outlives every retention, and goes with its last token.
#[tokio::test]
async fn a_user_with_tokens_is_kept_for_as_long_as_they_live() {
    let (store, scene) = stage(MemoryOptions { history_retention: Duration::from_secs(1), ..MemoryOptions::default() });
    let ada = scene.person();
    let mut family = scene.issued(&ada, None).await;
    for _ in 0..29 {
        scene.advance(DAY_MS - 1);
        sweep(&store, &scene).await;
        family = scene.refreshed(&ada, &family).await;
    }
    scene.advance(2 * DAY_MS);
    sweep(&store, &scene).await;
    assert_eq!((store.users_held(), store.memory_used()), (0, 0));
}

#[tokio::test]
async fn a_disabled_user_is_not_forgotten() {
    let (store, scene) = stage(MemoryOptions::default());
    let ada = scene.person();
    let command = vestibule_core::user::command::DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    store.disable_user(scene.cx(), command).await.expect("memory answers");
    scene.advance(30 * DAY_MS);
    sweep(&store, &scene).await;
    assert_eq!(scene.create_under(scene.session(&ada), ROOMY).await, CreateOutcome::UserDisabled);
}

#[tokio::test]
async fn history_and_events_of_one_user_are_bounded_and_hold_no_payload() {
    let (store, scene) = stage(MemoryOptions::default());
    let ada = scene.person();
    for _ in 0..MEMORY_EVENTS {
        scene.advance(1);
        let session = scene.login(&ada).await;
        scene.end_one(&session).await;
    }
    let history = store.history(ada.tag, None, 1_000).await.expect("memory answers");
    assert_eq!(history.len(), MEMORY_ENDED);
    assert!(history.iter().all(|session| session.unpack().data.is_empty()));
    assert_eq!(scene.timeline(&ada).await.len(), MEMORY_EVENTS);
    let newest = scene.timeline(&ada).await[0].time;
    assert_eq!(newest, scene.now());
}

async fn fill(store: &MemoryStore, scene: &Scene) -> (Vec<(Person, PackedSession)>, Fault) {
    let mut people = Vec::new();
    loop {
        let person = scene.person();
        let session = scene.session(&person);
        match store
            .create(scene.cx(), CreateSession { session, cap: ROOMY, login: false, device: None, is_new_browser: false })
            .await
        {
            Ok(CreateOutcome::Created { session, .. }) => people.push((person, session)),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => return (people, fault),
        }
    }
}

#[tokio::test]
async fn a_full_store_refuses_to_grow_drops_nothing_and_goes_on_ending() {
    let (store, scene) = stage(MemoryOptions { memory_limit: 256 * 1024, ..MemoryOptions::default() });
    let (people, fault) = fill(&store, &scene).await;
    assert!(matches!(&fault, Fault::Unavailable(text) if text.contains("memory limit")), "{fault:?}");
    assert!(fault.retry_is_safe());
    assert!(people.len() > 100, "{}", people.len());
    for (_, session) in &people {
        assert!(scene.is_valid(session).await);
    }
    let data = SetData { id: people[0].1.id(), expected: 1, data: vec![1; 16].into() };
    assert!(store.set_data(scene.cx(), data).await.is_err());
    for (_, session) in &people[..20] {
        assert_eq!(scene.end_one(session).await, 1);
    }
    // Those who logged out are forgotten early to make room.
    let newcomer = scene.person();
    let session = scene.login(&newcomer).await;
    assert!(scene.is_valid(&session).await);
    assert_eq!(
        scene.count_valid(&people.iter().map(|(_, session)| session.clone()).collect::<Vec<_>>()).await,
        people.len() - 20
    );
}

#[tokio::test]
async fn observations_do_not_fill_the_memory() {
    let limit = 256 * 1024;
    let (store, scene) = stage(MemoryOptions { memory_limit: limit, ..MemoryOptions::default() });
    for _ in 0..5_000 {
        let stranger = scene.person();
        let event = Event::new(EventType::LoginFailed, scene.now(), &Origin::default()).of(stranger.tag, Some(&stranger.id));
        store.append(vec![event]).await.expect("memory answers");
    }
    assert!(store.memory_used() <= limit);
    let query = EventQuery { limit: 10, ..EventQuery::default() };
    assert_eq!(store.query(query).await.expect("memory answers").len(), 10);
}
