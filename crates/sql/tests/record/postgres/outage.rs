//! The database dies under load and comes back.

use super::Database;
use crate::scene::{START, create, end_one, request, tag};
use std::{
    collections::HashSet,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::Mutex;
use vestibule_core::{fault::Fault, id::SessionId, record::Record, session::command::CreateOutcome, user::command::Outcome};

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
        while acknowledged.lock().await.created.len() < reached {
            tokio::task::yield_now().await;
        }
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
