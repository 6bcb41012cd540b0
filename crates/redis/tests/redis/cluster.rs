//! The store on a Cluster: the whole contract, and what callers see while a node dies and while slots move.

use super::support::{DEADLINE, LONG};
use std::sync::Arc;
use vestibule_redis::{AddressError, RedisAddress, RedisNode, RedisOptions, RedisStore};
use vestibule_testkit::{conformance::Harness, model::Walk, process::Cluster};

fn address(ports: &[u16]) -> RedisAddress {
    let node = |port: &u16| RedisNode { host: "127.0.0.1", port: *port, ..RedisNode::default() };
    RedisAddress::of_cluster(&ports.iter().map(node).collect::<Vec<_>>()).expect("an address")
}

fn store_on(cluster: &Cluster) -> Arc<RedisStore> {
    let options = RedisOptions { deadline: DEADLINE, history_retention: LONG, ..RedisOptions::default() };
    Arc::new(RedisStore::new(address(&cluster.ports()), options))
}

async fn make() -> Harness {
    let shared = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic");
    let turn = shared.turn().await;
    Harness::of(store_on(&turn.cluster)).keeping(turn)
}

vestibule_testkit::session_conformance!(make);

#[tokio::test]
async fn it_agrees_with_the_model() {
    Walk::from_env().compare(make().await).await;
}

#[test]
fn a_cluster_has_only_one_database() {
    let node = RedisNode { host: "127.0.0.1", port: 1, database: 1, ..RedisNode::default() };
    assert_eq!(RedisAddress::of_cluster(&[node]).err(), Some(AddressError::ClusterDatabase));
    assert_eq!(RedisAddress::of_cluster(&[]).err(), Some(AddressError::Malformed));
}
