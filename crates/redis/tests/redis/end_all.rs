//! The end of more sessions than are looked at.

use super::support::store_on;
use std::sync::Arc;
use vestibule_core::{
    bounds::MEMORY_ENDED,
    event::{EventQuery, EventType},
    id::SessionId,
    session::{
        EndReason, PackedSession,
        command::{FindOutcome, Selection},
    },
};
use vestibule_memory::MemoryStore;
use vestibule_testkit::{
    conformance::{Harness, Person, Scene},
    process::Redis,
};

const SESSIONS: usize = 200;

fn all() -> Selection {
    Selection::All { except: Vec::new() }
}

/// Places of sessions among those that a person ever had.
fn places(of: &[SessionId], among: &[PackedSession]) -> Vec<Option<usize>> {
    of.iter().map(|id| among.iter().position(|session| session.id() == *id)).collect()
}

/// What can be seen of a person's life with two ends of everything, the first of very many sessions.
async fn life(scene: &Scene) -> impl PartialEq + std::fmt::Debug + use<> {
    let ada: Person = scene.person();
    let mut sessions = scene.logins(&ada, SESSIONS).await;
    let first = scene.end(&ada, all()).await;
    let mut found = Vec::new();
    for place in [0, SESSIONS - MEMORY_ENDED - 1, SESSIONS - MEMORY_ENDED, SESSIONS - 1] {
        found.push(match scene.find(&sessions[place]).await {
            FindOutcome::Ended { reason, id, .. } => Some((reason, places(&[id.expect("known")], &sessions))),
            _ => None,
        });
    }
    scene.advance(1_000);
    sessions.extend(scene.logins(&ada, 3).await);
    // Events of one moment stand in any order.
    scene.advance(1);
    let second = scene.end(&ada, all()).await;
    let history = scene.sessions.history(ada.tag, None, 100).await.expect("history answers");
    let ends: Vec<_> = history.iter().map(|session| session.ended().map(|end| end.reason)).collect();
    let ids: Vec<_> = history.iter().map(PackedSession::id).collect();
    let query = EventQuery { tag: Some(ada.tag), limit: 2, ..EventQuery::default() };
    let events = scene.events.query(query).await.expect("query answers");
    let events: Vec<_> = events.into_iter().map(|event| (event.kind, event.count, event.reason)).collect();
    let figures = scene.sessions.analytics(ada.tag, scene.now()).await.expect("analytics answers");
    let stats = scene.sessions.stats().await.expect("stats answers");
    let mut places = places(&ids, &sessions);
    // The order among those that ended at one moment is that of their ids, which are random.
    places.sort_unstable();
    ((first, second, found), (ends, places, events), (figures.active, figures.total, stats))
}

/// The store that looks at every session is the measure.
#[tokio::test]
async fn it_leaves_what_a_look_at_each_would_have_left() {
    let server = Redis::start();
    let on_redis = life(&Scene::new(Harness::of(store_on(&server)))).await;
    let in_memory = life(&Scene::new(Harness::of(Arc::new(MemoryStore::default())))).await;
    assert_eq!(on_redis, in_memory);
    assert!(format!("{on_redis:?}").contains(&format!("{:?}", EndReason::Revoked)));
    assert!(format!("{on_redis:?}").contains(&format!("{:?}", EventType::SessionEnded)));
}

#[tokio::test]
async fn a_user_who_expired_in_part_is_looked_at() {
    let server = Redis::start();
    let scene = Scene::new(Harness::of(store_on(&server)));
    let ada = scene.person();
    let sessions = scene.logins(&ada, SESSIONS).await;
    scene.advance(sessions[9].deadline().since_ms(scene.now()));
    assert_eq!(scene.end(&ada, all()).await, SESSIONS as u64 - 10);
    let stats = scene.sessions.stats().await.expect("stats answers");
    assert_eq!((stats.sessions, stats.expired_total, stats.revoked_total), (0, 10, SESSIONS as u64 - 10));
}
