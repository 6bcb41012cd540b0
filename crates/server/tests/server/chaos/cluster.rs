//! Three masters with a replica each.

use super::{Chaos, Stores};
use vestibule_testkit::{
    bounds::FAILOVER,
    process::{Cluster, Redis, wait_for},
};

/// Homes whose slots move, of 256: sessions spread over all of them.
const MOVED_HOMES: usize = 24;

fn node_killed(stores: Stores) {
    let cluster = Cluster::start();
    let mut chaos = Chaos::begin("death of a node", &cluster.url(), stores);
    chaos.redis_may_lose();
    let slot_of_home = "vs:{17}:probe";
    let old = cluster.master_of(slot_of_home);
    old.kill();
    let promoted = || cluster.masters().any(|node| has_slot_of(node, slot_of_home)).then_some(());
    assert!(wait_for(FAILOVER, promoted).is_some(), "the replica takes over");
    chaos.await_recovery();
    chaos.end();
}

fn has_slot_of(node: &Redis, key: &str) -> bool {
    node.try_command(&format!("TYPE {key}")).is_some_and(|answer| answer.starts_with('+'))
}

#[test]
fn the_death_of_a_node_is_survived() {
    node_killed(Stores::Redis);
}

#[test]
fn the_death_of_a_node_under_a_record_loses_nothing() {
    node_killed(Stores::RedisAndPostgres);
}

/// O11: slots move with their sessions, while these are in use.
fn slots_moved(stores: Stores) {
    let cluster = Cluster::start();
    let mut chaos = Chaos::begin("migration of slots", &cluster.url(), stores);
    // All from one node to one other, as an operator moves them. To and fro within milliseconds leaves a Cluster in disagreement for
    // good: a node takes a slot back on the word of a message from before it gave it away.
    let from = cluster.master_of("vs:{17}:probe");
    let to = cluster.masters().find(|node| node.port() != from.port()).expect("there are three");
    let probes = (0..=u8::MAX).map(|home| format!("vs:{{{home}}}:probe"));
    let moved: Vec<_> = probes.filter(|probe| has_slot_of(from, probe)).take(MOVED_HOMES).collect();
    assert_eq!(moved.len(), MOVED_HOMES);
    for probe in &moved {
        cluster.migrate(cluster.slot_of(probe), from, to);
    }
    chaos.await_recovery();
    chaos.end();
}

#[test]
fn slots_move_without_loss() {
    slots_moved(Stores::Redis);
}

#[test]
fn slots_move_without_loss_under_a_record() {
    slots_moved(Stores::RedisAndPostgres);
}
