//! The database dies under load and comes back.

use super::Database;
use crate::scene::{START, create, end_one, request, tag};
use std::{
    collections::HashSet,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::sync::Mutex;
use vestibule_core::{fault::Fault, id::SessionId, record::Record, session::command::CreateOutcome, user::command::Outcome};
use vestibule_sql::PostgresOptions;
use vestibule_testkit::{
    bounds::{POLL, START as START_BOUND},
    process::wait_for,
};

const KILLS: usize = 5;
const CALLERS: u8 = 8;

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    created: HashSet<SessionId>,
    /// Those whose end was asked for; not all were acknowledged.
    ending: HashSet<SessionId>,
    ended: HashSet<SessionId>,
    faults: usize,
}

/// No acknowledged create is lost and no acknowledged end undone, and nobody has to start anything again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_death_of_the_database() {
    let database = Arc::new(Database::alone().await);
    let node = database.node().await;
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (node, stop, acknowledged) = (node.clone(), stop.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut step = 0;
                while !stop.load(Ordering::Relaxed) {
                    step += 1;
                    let decided = node.0.decide(vec![create(START.plus_ms(step), tag(caller))]).await;
                    let id = match decided.map(|mut decided| decided.remove(0).outcome) {
                        Ok(Outcome::CreateSession(CreateOutcome::Created { session, .. })) => session.id(),
                        Ok(other) => panic!("{other:?}"),
                        Err(Fault::Unavailable(_) | Fault::Timeout) => {
                            acknowledged.lock().await.faults += 1;
                            // A refusal is immediate, and callers that ask again at once would leave the machine no time.
                            tokio::time::sleep(POLL).await;
                            continue;
                        }
                        Err(fault) => panic!("an outage is no {fault:?}"),
                    };
                    acknowledged.lock().await.created.insert(id);
                    if step % 2 == 0 {
                        acknowledged.lock().await.ending.insert(id);
                        if node.0.decide(vec![request(START.plus_ms(step), end_one(id))]).await.is_ok() {
                            acknowledged.lock().await.ended.insert(id);
                        }
                    }
                }
            })
        })
        .collect();
    for _ in 0..KILLS {
        let reached = acknowledged.lock().await.created.len() + 50;
        let going_on = async {
            while acknowledged.lock().await.created.len() < reached {
                tokio::time::sleep(POLL).await;
            }
        };
        assert!(tokio::time::timeout(START_BOUND, going_on).await.is_ok(), "nothing is created any more");
        let database = database.clone();
        tokio::task::spawn_blocking(move || {
            database.server.kill();
            database.server.restart();
        })
        .await
        .expect("the fixture does not panic");
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    let mut live = HashSet::new();
    for caller in 0..CALLERS {
        live.extend(node.load(tag(caller)).await.user.live.iter().map(|session| session.id()));
    }
    let acknowledged = acknowledged.lock().await;
    assert!(acknowledged.faults > 0, "nobody noticed {KILLS} deaths");
    for id in acknowledged.created.difference(&acknowledged.ending) {
        assert!(live.contains(id), "{id} was acknowledged and is lost");
    }
    for id in &acknowledged.ended {
        assert!(!live.contains(id), "{id} ended and is back");
    }
}

/// A connection that died at rest is replaced before anything is asked of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_write_after_a_restart_succeeds() {
    let database = Arc::new(Database::alone().await);
    let node = database.node().await;
    assert!(node.0.decide(vec![create(START, tag(1))]).await.is_ok());
    let server = database.clone();
    let restart = move || {
        server.server.kill();
        server.server.restart();
    };
    tokio::task::spawn_blocking(restart).await.expect("the fixture does not panic");
    let first = node.0.decide(vec![create(START.plus_ms(1), tag(1))]).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(node.load(tag(1)).await.user.live.len(), 2);
}

/// A read that has to wait for somebody's lock gives up when its time is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_takes_no_longer_than_it_may() {
    let database = Arc::new(Database::new().await);
    let options = PostgresOptions { read_timeout: Duration::from_millis(200), ..PostgresOptions::default() };
    let node = database.node_with(options).await;
    let holder = database.clone();
    let hold = "BEGIN; LOCK TABLE vestibule_users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(5)";
    let holding = std::thread::spawn(move || holder.sql(hold));
    let holders =
        "SELECT pid FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND relation = 'vestibule_users'::regclass";
    tokio::task::block_in_place(|| {
        wait_for(START_BOUND, || Some(database.sql(holders)).filter(|pid| !pid.is_empty())).expect("the table is locked")
    });
    assert_eq!(node.0.load_user(tag(1)).await.err(), Some(Fault::Timeout));
    holding.join().expect("the fixture does not panic");
}
