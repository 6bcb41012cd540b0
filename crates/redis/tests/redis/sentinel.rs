//! The store behind Sentinels: the whole contract, and what callers see while another server takes over.

use super::support::{DEADLINE, LONG};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::block_in_place;
use vestibule_core::{
    fault::Fault,
    session::{
        CapPolicy, PackedSession,
        command::{Cap, CreateSession, FindOutcome, Selection},
    },
};
use vestibule_redis::{RedisAddress, RedisNode, RedisOptions, RedisStore};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::{MASTER, Sentinels, free_port, wait_for},
};

/// An announced master takes commands within this time.
const RECOVERY: Duration = Duration::from_secs(2);

fn address(ports: &[u16], master: &str, database: u64) -> RedisAddress {
    let node = |port: &u16| RedisNode { host: "127.0.0.1", port: *port, database, ..RedisNode::default() };
    let nodes: Vec<_> = ports.iter().map(node).collect();
    RedisAddress::of_sentinels(&nodes, master).expect("an address")
}

fn store(address: RedisAddress, deadline: Duration) -> Arc<RedisStore> {
    let options = RedisOptions { deadline, history_retention: LONG, ..RedisOptions::default() };
    Arc::new(RedisStore::new(address, options))
}

async fn make() -> Harness {
    let set = tokio::task::spawn_blocking(Sentinels::shared).await.expect("the fixture does not panic");
    Harness::of(store(address(&set.ports(), MASTER, set.database()), DEADLINE)).keeping(set)
}

vestibule_testkit::session_conformance!(make);

/// What callers met.
#[derive(Debug, Default)]
struct Met {
    good: AtomicUsize,
    faults: AtomicUsize,
    stop: AtomicBool,
}

/// Looks up a live and an ended session, and logs in, until told to stop. Faults are typed; a wrong answer ends the test.
async fn load(scene: Arc<Scene>, live: PackedSession, ended: PackedSession, met: Arc<Met>) {
    let person = scene.person();
    while !met.stop.load(Ordering::Relaxed) {
        for session in [&live, &ended] {
            let found = scene.sessions.find(session.id().tag(), session.digest(), scene.now()).await;
            let is_live = found.as_ref().map(|found| matches!(found, FindOutcome::Found { .. }));
            count(&met, is_live.map(|is_live| assert_eq!(is_live, session.id() == live.id(), "{found:?}")));
        }
        let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
        let begun = CreateSession { session: scene.session(&person), cap, login: false };
        count(&met, scene.sessions.create(scene.cx(), begun).await.as_ref().map(|_| ()));
        tokio::task::yield_now().await;
    }
}

fn count(met: &Met, answer: Result<(), &Fault>) {
    match answer {
        Ok(()) => met.good.fetch_add(1, Ordering::Relaxed),
        Err(Fault::Unavailable(_) | Fault::Timeout) => met.faults.fetch_add(1, Ordering::Relaxed),
        Err(fault) => panic!("{fault:?} is no word for a failover"),
    };
}

/// Puts a scene under load, moves the master as told, and measures until commands succeed again.
async fn through(move_master: impl Fn(&Sentinels)) {
    let set = block_in_place(Sentinels::start);
    let scene = Arc::new(Scene::new(Harness::of(store(address(&set.ports(), MASTER, 0), Duration::from_millis(250)))));
    let person = scene.person();
    // The link has its deadline from the start, and a busy machine may need more for the first search.
    while scene.sessions.stats().await.is_err() {
        tokio::task::yield_now().await;
    }
    let (live, ended) = (scene.login(&person).await, scene.login(&person).await);
    assert_eq!(scene.end(&person, Selection::All { except: vec![live.id()] }).await, 1);
    let old = set.master();
    let replicated = || {
        let info = old.command("INFO replication");
        let figure = |name: &str| info.split(name).nth(1)?.split(|c: char| !c.is_ascii_digit()).next().map(str::to_owned);
        (figure(",offset=")? == figure("master_repl_offset:")?).then_some(())
    };
    block_in_place(|| wait_for(DEADLINE, replicated)).expect("the replica has all of it");
    let met = Arc::new(Met::default());
    let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(load(scene.clone(), live.clone(), ended.clone(), met.clone()))).collect();

    block_in_place(|| move_master(&set));
    block_in_place(|| set.successor_of(old.port()));
    let announced = Instant::now();
    while try_login(&scene).await.is_err() {
        tokio::task::yield_now().await;
    }
    let taken = announced.elapsed();
    met.stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no wrong answer");
    }
    println!("{taken:?} after the announcement; {met:?}");
    assert!(taken < RECOVERY, "{taken:?} {met:?}");
    assert!(scene.is_valid(&live).await && !scene.is_valid(&ended).await);
}

/// A write of a new user.
async fn try_login(scene: &Scene) -> Result<(), Fault> {
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    let session = scene.session(&scene.person());
    scene.sessions.create(scene.cx(), CreateSession { session, cap, login: false }).await.map(|_| ())
}

/// O10: the old master stays there, as a replica that refuses writes and would answer reads with old data.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_failover_by_command_is_followed() {
    through(Sentinels::fail_over).await;
}

/// O10
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_failover_after_the_death_of_the_master_is_followed() {
    through(|set| set.master().kill()).await;
}

#[tokio::test]
async fn what_sentinels_cannot_say_is_said_at_once() {
    let set = tokio::task::spawn_blocking(Sentinels::shared).await.expect("the fixture does not panic");
    let unknown = store(address(&set.ports(), "other", 0), DEADLINE).warm_up().await;
    assert!(matches!(&unknown, Err(Fault::Misconfigured(text)) if text.contains("name")), "{unknown:?}");
    let absent = store(address(&[free_port()], MASTER, 0), DEADLINE).warm_up().await;
    assert!(matches!(&absent, Err(Fault::Unavailable(text)) if text.contains("Sentinel")), "{absent:?}");
}

/// One Sentinel that answers is enough, and so are two of which one is gone.
#[tokio::test]
async fn a_sentinel_that_is_gone_is_done_without() {
    let set = tokio::task::spawn_blocking(Sentinels::shared).await.expect("the fixture does not panic");
    let ports = [free_port(), set.ports()[1]];
    store(address(&ports, MASTER, 0), DEADLINE).warm_up().await.expect("the other one knows");
}
