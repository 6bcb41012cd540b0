//! What a check of limits costs, whose clock counts, and that nothing stays for ever.

use super::{
    cluster,
    support::{DEADLINE, address_of, store_on},
};
use std::{
    sync::{Arc, atomic::AtomicBool, atomic::Ordering},
    time::Duration,
};
use vestibule_core::{
    limit::{Algorithm, Counted, Demand, Level, LimitKey, LimitStore, OnStoreFailure, Penalty, Rate, Rule, RuleOptions},
    time::Clock,
};
use vestibule_redis::{RedisLimits, RedisOptions, RedisStore};
use vestibule_testkit::process::{Cluster, FaultProxy, Redis, Relay};

const MINUTE: Duration = Duration::from_secs(60);

fn rule(name: &str, algorithm: Algorithm, count: u64) -> Arc<Rule> {
    let penalty = Penalty { base_ms: 1_000, factor: 2, cap_ms: 60_000, decay_ms: 120_000, extend_on_hit: false };
    let options = RuleOptions {
        name: name.into(),
        level: Level::Custom,
        algorithm,
        rate: Rate { count, period: MINUTE },
        burst: None,
        on_store_failure: OnStoreFailure::Open,
        shadow: false,
        counted: Counted::All,
        penalty: (name == "punished").then_some(penalty),
        challenge: false,
    };
    Rule::new(options).expect("a rule").shared()
}

fn demand(rule: &Arc<Rule>, key: &str) -> Demand {
    Demand { rule: rule.clone(), key: LimitKey::new(key).expect("a key"), cost: 1 }
}

/// Four levels, each with a key in a home of its own.
fn levels(limit: u64) -> Vec<Demand> {
    [("ip", "192.0.2.1"), ("user", "ada"), ("endpoint", "/search"), ("global", "all")]
        .into_iter()
        .map(|(name, key)| demand(&rule(name, Algorithm::Gcra, if name == "endpoint" { limit } else { 1_000 }), key))
        .collect()
}

/// L4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_levels_are_one_round_trip() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let address = vestibule_redis::RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    let options = RedisOptions { deadline: DEADLINE, check_interval: MINUTE, ..RedisOptions::default() };
    let limits = RedisLimits::new(address, &options);
    limits.warm_up().await.expect("the server is there");
    let now = Clock::system().now();
    let before = proxy.traffic();
    for _ in 0..10 {
        assert!(limits.check(&levels(100), now).await.expect("check answers").granted);
    }
    let after = proxy.traffic();
    assert_eq!(after.command("EVALSHA") - before.command("EVALSHA"), 10);
    assert_eq!(after.chunks_to_server - before.chunks_to_server, 10);
}

/// L3, L5: one trip to all servers, one more to give back where one of them denies.
#[tokio::test]
async fn levels_on_several_servers_are_decided_together() {
    let turn = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic").turn().await;
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let limits = RedisLimits::new(cluster::address(&turn.cluster.ports()), &options);
    let (now, levels) = (Clock::system().now(), levels(2));
    let homes: std::collections::BTreeSet<_> = levels.iter().map(|level| level.key.home()).collect();
    assert_eq!(homes.len(), 4, "each level is somewhere else");
    for _ in 0..2 {
        assert!(limits.check(&levels, now).await.expect("no CROSSSLOT").granted);
    }
    for _ in 0..3 {
        let denied = limits.check(&levels, now).await.expect("check answers");
        let remaining: Vec<_> = denied.verdicts.iter().map(|verdict| verdict.remaining).collect();
        assert_eq!((denied.granted, remaining), (false, vec![998, 998, 0, 998]));
    }
    let seen = limits.peek(&levels, now).await.expect("peek answers");
    assert_eq!(seen.verdicts.iter().map(|verdict| verdict.remaining).collect::<Vec<_>>(), [998, 998, 0, 998]);
}

/// L13: processes whose clocks are ten minutes apart share a count by the server's.
#[tokio::test]
async fn a_wrong_clock_changes_nothing() {
    let server = Redis::start();
    let stores = [store_on(&server).limits(), store_on(&server).limits(), store_on(&server).limits()];
    let clocks = [0, 600_000, -600_000].map(Clock::wrong_by);
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding] {
        let rule = rule(&format!("{algorithm:?}"), algorithm, 10);
        let mut granted = 0;
        for round in 0..30 {
            let (store, clock) = (&stores[round % 3], &clocks[round % 3]);
            granted += usize::from(store.check(&[demand(&rule, "k")], clock.now()).await.expect("check answers").granted);
        }
        // One more may have come back on a machine that took six seconds.
        assert!((10..=11).contains(&granted), "{algorithm:?}: {granted}");
    }
}

/// Rounds of checks whose connections are cut.
const CUTS: usize = 100;
/// Checks of a round.
const CHECKS: usize = 10;

/// L7: whatever happens to callers, what they leave has a TTL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_dies_leaves_nothing_for_ever() {
    let server = Redis::start();
    let proxy = Arc::new(FaultProxy::start(server.port()));
    let address = vestibule_redis::RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    let options = RedisOptions { deadline: Duration::from_secs(1), ..RedisOptions::default() };
    let store = Arc::new(RedisStore::new(address, options));
    let limits = Arc::new(store.limits());
    let over = Arc::new(AtomicBool::new(false));
    let cutter = {
        let (proxy, over) = (proxy.clone(), over.clone());
        tokio::task::spawn_blocking(move || {
            while !over.load(Ordering::SeqCst) {
                proxy.once(Relay::CutReply(3));
                proxy.cut();
                std::thread::yield_now();
            }
        })
    };
    let rules = [
        rule("gcra", Algorithm::Gcra, 5),
        rule("punished", Algorithm::Sliding, 5),
        rule("fixed", Algorithm::Fixed, 5),
        rule("flight", Algorithm::Concurrent, 5),
    ];
    let mut answered = 0;
    for round in 0..CUTS {
        let asked = (0..CHECKS).map(|number| {
            let (limits, demands) =
                (limits.clone(), rules.each_ref().map(|rule| demand(rule, &format!("k{}", (round + number) % 50))));
            tokio::spawn(async move { limits.check(&demands, Clock::system().now()).await.is_ok() })
        });
        for asked in asked.collect::<Vec<_>>() {
            answered += usize::from(asked.await.expect("no panic"));
        }
        if round == CUTS / 2 {
            over.store(true, Ordering::SeqCst);
        }
    }
    cutter.await.expect("no panic");
    let keys = server.command("KEYS vs:*:r:*");
    let keys: Vec<_> = keys.lines().filter(|line| line.starts_with("vs:")).collect();
    assert!(answered > 0 && keys.len() >= 4, "{answered} {keys:?}");
    for key in keys {
        let ttl: i64 = server.command(&format!("PTTL {key}")).trim().trim_start_matches(':').parse().expect("a number");
        assert!(ttl > 0, "{key} {ttl}");
    }
}

#[tokio::test]
async fn a_full_redis_is_a_fault_and_gives_back_all_the_same() {
    let server = Redis::start();
    let limits = RedisLimits::new(address_of(&server), &RedisOptions { deadline: DEADLINE, ..RedisOptions::default() });
    let (rule, now) = (rule("full", Algorithm::Gcra, 5), Clock::system().now());
    let taken = limits.check(&[demand(&rule, "k")], now).await.expect("check answers").verdicts[0];
    assert!(server.command("CONFIG SET maxmemory 1").contains("OK"));
    assert!(limits.check(&[demand(&rule, "k")], now).await.is_err());
    let refund = vestibule_core::limit::Refund {
        rule: rule.clone(),
        key: LimitKey::new("k").expect("a key"),
        cost: 1,
        taken_at: taken.at,
    };
    limits.refund(&[refund], now).await.expect("what is given back needs no room");
    let seen = limits.peek(&[demand(&rule, "k")], now).await.expect("a look needs no room");
    assert_eq!(seen.verdicts[0].remaining, 5);
}
