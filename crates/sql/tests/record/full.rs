//! A full disk: a clear answer, nothing half done, and work goes on when there is room.

use crate::scene::{START, Scene, create, created, tag};
use vestibule_core::{event::EventStore, fault::Fault, record::Record};
use vestibule_sql::SqliteOptions;

const PAGES: u32 = 100;

/// Creates until the record says that the disk is full. Returns what was acknowledged for each user.
async fn fill(scene: &Scene) -> Vec<u64> {
    let mut acknowledged = vec![0; 256];
    for round in 0..100_000_u64 {
        let user = (round % 256) as u8;
        match scene.record().decide(vec![create(START.plus_ms(round), tag(user))]).await {
            Ok(mut decided) => {
                created(decided.remove(0));
                acknowledged[usize::from(user)] += 1;
            }
            Err(Fault::Unavailable(text)) => {
                assert!(text.contains("disk is full"), "{text}");
                return acknowledged;
            }
            Err(other) => panic!("expected a full disk, not {other:?}"),
        }
    }
    panic!("{PAGES} pages never fill");
}

async fn assert_whole(scene: &Scene, acknowledged: &[u64]) {
    for (user, count) in acknowledged.iter().enumerate() {
        let loaded = scene.load(tag(user as u8)).await.user;
        assert_eq!((loaded.live.len() as u64, loaded.created_total), (*count, *count), "user {user}");
    }
    let total: u64 = acknowledged.iter().sum();
    let stats = scene.record().stats().await.expect("reads");
    assert_eq!((stats.sessions, stats.created_total), (total, total));
    for table in ["sessions", "events", "change_log"] {
        assert_eq!(scene.count(&format!("SELECT count(*) FROM {table}")), total, "{table}");
    }
    assert_eq!(scene.count("SELECT sequence FROM counters"), total);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_work_goes_on_with_room() {
    let mut scene = Scene::with(SqliteOptions { max_pages: Some(PAGES), ..SqliteOptions::default() });
    let mut acknowledged = fill(&scene).await;
    assert_whole(&scene, &acknowledged).await;
    // Room without a restart: old events go.
    let gone = scene.record().forget(START.plus_ms(1_000_000), 100_000).await.expect("forgetting needs no room");
    assert_eq!(gone as u64, acknowledged.iter().sum::<u64>());
    created(scene.decide(vec![create(START, tag(0))]).await.remove(0));
    acknowledged[0] += 1;
    // Room by a larger disk.
    scene.reopen_with(SqliteOptions::default());
    for user in 0..=255 {
        created(scene.decide(vec![create(START, tag(user))]).await.remove(0));
        acknowledged[usize::from(user)] += 1;
    }
    for (user, count) in acknowledged.iter().enumerate() {
        assert_eq!(scene.load(tag(user as u8)).await.user.live.len() as u64, *count);
    }
}
