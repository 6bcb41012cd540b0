//! Many callers at once.

use crate::scene::{START, Scene, create, created, end_all, request, session, tag, touch};
use std::{
    collections::HashMap,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};
use vestibule_core::{
    fault::Fault,
    id::SessionId,
    record::Record,
    session::{
        CapPolicy, Session,
        command::{Cap, CreateSession},
    },
    user::command::DisableUser,
};
use vestibule_sql::bounds::{BATCH_REQUESTS, WRITE_QUEUE};

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

/// More callers than the queue holds are told at once; the others are served, and so is who comes later.
#[tokio::test]
async fn a_full_queue_is_said_at_once() {
    let scene = Scene::new();
    let record = scene.record();
    // Keeps the writer busy for longer than it takes to fill the queue.
    let busy = record.decide((0..5_000).map(|step| create(START, tag((step % 200) as u8))).collect());
    let calls: Vec<_> = (0..WRITE_QUEUE + BATCH_REQUESTS + 1_000)
        .map(|_| record.touch(vec![touch(SessionId::generate(tag(1)), START)]))
        .collect();
    let (mut served, mut refused) = (0, 0);
    for call in calls {
        match call.await {
            Ok(()) => served += 1,
            Err(Fault::Unavailable(_)) => refused += 1,
            Err(other) => panic!("expected a full queue, not {other:?}"),
        }
    }
    assert!(served >= WRITE_QUEUE - 1 && refused > 0, "{served} served, {refused} refused");
    assert_eq!(busy.await.expect("it was first").len(), 5_000);
    created(scene.decide(vec![create(START, tag(1))]).await.remove(0));
}

/// Under steady writing the log does not grow for ever.
#[tokio::test]
async fn the_write_ahead_log_begins_anew() {
    const MIB: u64 = 1024 * 1024;
    let scene = Scene::new();
    let log = scene.folder().join("vestibule.db-wal");
    for round in 1..2_000 {
        let large = Session { data: vec![7; MIB as usize].into(), ..session(START, tag(1)) };
        let cap = Cap { limit: 4, policy: CapPolicy::EvictOldest };
        scene
            .outcome(
                START.plus_ms(round),
                CreateSession { session: large, cap, login: false, device: None, is_new_browser: false },
            )
            .await;
        let length = log.metadata().expect("it exists").len();
        if round * MIB > length + 64 * MIB {
            return;
        }
    }
    panic!("the log holds everything that was ever written");
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
