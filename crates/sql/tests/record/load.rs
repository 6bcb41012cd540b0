//! Many callers at once.

use crate::scene::{START, Scene, create, created, end_all, request, tag};
use std::{
    collections::HashMap,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};
use vestibule_core::{record::Record, user::command::DisableUser};

const USERS: u8 = 8;
const ROUNDS: u64 = 60;

/// Readers see every answered change, and never an older state after a newer one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_readers_see_never_goes_back() {
    let scene = Scene::new();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..USERS)
        .map(|user| {
            let (record, done) = (scene.record(), done.clone());
            tokio::spawn(async move {
                let mut last = (0, 0);
                let mut reads = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    let snapshot = record.load_user(tag(user)).await.expect("reads");
                    let now = (snapshot.sequence, snapshot.user.revision);
                    assert!(now.0 >= last.0 && now.1 >= last.1, "{last:?} before {now:?}");
                    last = now;
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let writers: Vec<_> = (0..USERS * 4)
        .map(|writer| {
            let (record, user) = (scene.record(), tag(writer % USERS));
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let at = START.plus_ms(round);
                    let command = if round % 10 == 9 { request(at, end_all(user, &[])) } else { create(at, user) };
                    let decided = record.decide(vec![command]).await.expect("decides").remove(0);
                    let Some(answered) = decided.snapshot else { continue };
                    let read = record.load_user(user).await.expect("reads");
                    assert!(read.sequence >= answered.sequence && read.user.revision >= answered.user.revision);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends well");
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.expect("a reader ends well") > 0);
    }
    let changes = scene.record().changes_since(0, 100_000).await.expect("reads");
    let mut revisions = HashMap::new();
    for (index, change) in changes.iter().enumerate() {
        assert_eq!(change.sequence, index as u64 + 1);
        let revision = revisions.entry(change.tag).or_insert(0);
        *revision += 1;
        assert_eq!(change.revision, *revision);
    }
    let live = scene.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL");
    assert_eq!(scene.record().stats().await.expect("reads").sessions, live);
}

/// Requests of one call are one transaction, whoever else is in it, and in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_a_call_are_decided_together() {
    let scene = Scene::new();
    let calls: Vec<_> = (0..50_u64)
        .map(|call| {
            let record = scene.record();
            tokio::spawn(async move {
                let user = tag(call as u8);
                let at = START.plus_ms(call);
                let disable = DisableUser { tag: user, user_id: crate::scene::user_id(user) };
                let batch = vec![create(at, user), create(at, user), request(at, disable), create(at, user)];
                record.decide(batch).await.expect("decides")
            })
        })
        .collect();
    for call in calls {
        let mut decided = call.await.expect("a caller ends well");
        assert_eq!(decided.len(), 4);
        assert!(decided.pop().is_some_and(|last| last.snapshot.is_none()), "disabled by then");
        let sequences: Vec<_> = decided.iter().filter_map(|one| Some(one.snapshot.as_ref()?.sequence)).collect();
        assert!(sequences.is_sorted_by(|one, next| next - one == 1), "{sequences:?}");
        created(decided.swap_remove(0));
    }
    assert_eq!(scene.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL"), 0);
}
