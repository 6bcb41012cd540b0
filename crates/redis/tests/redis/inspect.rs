//! What servers say of themselves.

use super::{
    cluster::address,
    support::{DEADLINE, store_on},
};
use std::sync::Arc;
use vestibule_core::{
    inspect::{Finding, FindingKind, Inspect, Inspection},
    time::Clock,
};
use vestibule_redis::{RedisOptions, RedisStore};
use vestibule_testkit::process::{Cluster, Redis};

/// Far more than a trip on this machine, and far less than a wrong clock.
const APART_MS: u64 = 5_000;

fn eviction(inspection: &Inspection) -> Option<&Finding> {
    inspection.findings.iter().find(|finding| finding.kind == FindingKind::Eviction)
}

#[tokio::test]
async fn a_server_tells_its_version_and_its_time() {
    let server = Redis::start();
    let store: Arc<RedisStore> = store_on(&server);
    let inspection = store.inspect().await.expect("the server is there");
    assert!(inspection.version.starts_with("Redis "), "{}", inspection.version);
    assert!(inspection.clock.ahead_ms().unsigned_abs() < APART_MS);
    let now = Clock::system().now();
    let apart_ms = now.since_ms(inspection.clock.time) + inspection.clock.time.since_ms(now);
    assert!(apart_ms < APART_MS, "{apart_ms}");
}

#[tokio::test]
async fn each_master_of_a_cluster_is_asked() {
    // S100
    let turn = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic").turn().await;
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let store = RedisStore::new(address(&turn.cluster.ports()), options);
    for ill in turn.cluster.masters() {
        assert!(ill.command("CONFIG SET maxmemory-policy allkeys-lru").contains("OK"));
        let inspection = store.inspect().await.expect("the masters are there");
        assert!(ill.command("CONFIG SET maxmemory-policy noeviction").contains("OK"));
        let found = eviction(&inspection).unwrap_or_else(|| panic!("{:?}", inspection.findings));
        assert!(found.what.contains(&format!(":{}: ", ill.port())), "{}", found.what);
    }
    let inspection = store.inspect().await.expect("the masters are there");
    assert!(eviction(&inspection).is_none(), "{:?}", inspection.findings);
}
