//! The store behind Sentinels: the whole contract, and what callers see while another server takes over.

use super::{
    load::Load,
    support::{DEADLINE, LONG, wait_for_replicas},
};
use std::{sync::Arc, time::Duration};
use tokio::task::block_in_place;
use vestibule_core::{
    fault::Fault,
    session::{
        EndReason, SessionStore,
        command::{EndSessions, Selection},
    },
};
use vestibule_redis::{LimitTime, RedisAddress, RedisNode, RedisOptions, RedisStore};
use vestibule_testkit::{
    conformance::{Harness, LimitScene, Scene},
    process::{MASTER, Sentinels, free_port},
};

/// An announced master takes commands within this time.
const RECOVERY: Duration = Duration::from_secs(2);

pub(crate) fn address(ports: &[u16], master: &str, database: u64) -> RedisAddress {
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

async fn make_limits() -> LimitScene {
    let set = tokio::task::spawn_blocking(Sentinels::shared).await.expect("the fixture does not panic");
    let limits = store(address(&set.ports(), MASTER, set.database()), DEADLINE).limits().with_time(LimitTime::Caller);
    LimitScene::of(Arc::new(limits)).keeping(set)
}

vestibule_testkit::limit_conformance!(make_limits);

/// Puts a store under load, moves the master as told, and measures until commands succeed again.
async fn through(move_master: impl Fn(&Sentinels)) {
    let set = block_in_place(Sentinels::start);
    let store = store(address(&set.ports(), MASTER, 0), Duration::from_millis(250));
    let mut load = Load::prepare(Scene::new(Harness::of(store))).await;
    let old = set.master();
    block_in_place(|| wait_for_replicas(old));
    load.begin();
    block_in_place(|| move_master(&set));
    block_in_place(|| set.successor_of(old.port()));
    let taken = load.recovery().await;
    println!("commands succeed {taken:?} after the announcement");
    load.end().await;
    assert!(taken < RECOVERY, "{taken:?}");
}

/// An end that a failover cannot lose is told apart from one that it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_waits_for_replicas_where_it_is_told_to() {
    let set = block_in_place(Sentinels::start);
    let options = RedisOptions { deadline: Duration::from_secs(2), wait_replicas: 1, ..RedisOptions::default() };
    let waiting = Arc::new(RedisStore::new(address(&set.ports(), MASTER, 0), options));
    let scene = Scene::new(Harness::of(waiting.clone()));
    let (ada, bert) = (scene.person(), scene.person());
    let session = scene.login(&ada).await;
    let other = scene.login(&bert).await;
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 1);
    let replica = set.replica();
    assert!(replica.command("INFO keyspace").contains("db0:keys="), "the replica has it");
    block_in_place(|| replica.kill());
    let end = EndSessions { tag: bert.tag, selection: Selection::All { except: Vec::new() }, reason: EndReason::Revoked };
    assert_eq!(waiting.end(scene.cx(), end).await, Err(Fault::Timeout));
    assert!(!scene.is_valid(&other).await && !scene.is_valid(&session).await, "it ended all the same");
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
