//! What a check of limits costs, whose clock counts, and that nothing stays for ever.

use super::{
    cluster,
    support::{DEADLINE, address_of, store_on},
};
use parking_lot::Mutex;
use std::{
    hash::{BuildHasher as _, RandomState},
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};
use vestibule_core::{
    fault::Fault,
    limit::{Algorithm, Demand, Level, LimitKey, LimitStore, Penalty, Rate, Refund, Rule, RuleOptions},
    time::Clock,
};
use vestibule_redis::{RedisLimits, RedisOptions};
use vestibule_testkit::process::{Cluster, FaultProxy, Redis};

const MINUTE: Duration = Duration::from_secs(60);

fn rule(name: &str, algorithm: Algorithm, count: u64) -> Arc<Rule> {
    let penalty = Penalty { base_ms: 1_000, factor: 2, cap_ms: 60_000, decay_ms: 120_000, extend_on_hit: false };
    let options = RuleOptions {
        algorithm,
        penalty: (name == "punished").then_some(penalty),
        ..RuleOptions::new(name, Level::Custom, Rate { count, period: MINUTE })
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

/// Callers that are killed, and after how many of them the keys are looked at.
const KILLS: usize = 1_000;
const BATCH: usize = 100;

/// Relays a client to a server, and remembers what it sends.
struct Recorder {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let recorder = Self { port: listener.local_addr().expect("an address").port(), sent: Arc::default() };
        let sent = recorder.sent.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut server = TcpStream::connect(("127.0.0.1", server)).expect("the server is there");
                let (mut back, mut answers) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let sent = sent.clone();
                std::thread::spawn(move || {
                    let mut chunk = [0; 4_096];
                    while let Ok(length @ 1..) = client.read(&mut chunk) {
                        sent.lock().extend_from_slice(&chunk[..length]);
                        server.write_all(&chunk[..length])?;
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        recorder
    }

    /// What a call sends.
    async fn of<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Vec<u8> {
        self.sent.lock().clear();
        assert!(call.await.is_ok(), "the server answers");
        std::mem::take(&mut *self.sent.lock())
    }
}

/// Every script, on every kind of count, as it goes over the wire.
async fn calls(server: &Redis) -> Vec<Vec<u8>> {
    let recorder = Recorder::start(server.port());
    let address = vestibule_redis::RedisAddress::parse(&format!("redis://127.0.0.1:{}", recorder.port)).expect("an address");
    let options = RedisOptions { deadline: DEADLINE, check_interval: MINUTE, ..RedisOptions::default() };
    let limits = RedisLimits::new(address, &options);
    limits.warm_up().await.expect("the server is there");
    let rules = [
        rule("gcra", Algorithm::Gcra, 3),
        rule("punished", Algorithm::Sliding, 3),
        rule("fixed", Algorithm::Fixed, 3),
        rule("flight", Algorithm::Concurrent, 3),
    ];
    let now = Clock::system().now();
    let all: Vec<Demand> = rules.iter().map(|rule| demand(rule, "all")).collect();
    let mut calls = vec![recorder.of(limits.check(&all, now)).await];
    for rule in &rules {
        let one = [demand(rule, "one")];
        let refund = Refund { rule: rule.clone(), key: one[0].key.clone(), cost: 1, taken_at: now };
        calls.push(recorder.of(limits.check(&one, now)).await);
        calls.push(recorder.of(limits.refund(&[refund], now)).await);
        calls.push(recorder.of(limits.pardon(rule, &one[0].key, now)).await);
    }
    calls
}

/// The names of limiter keys, after it was seen that each of them ends.
fn keys_that_end(server: &Redis) -> Vec<String> {
    let listed = server.command("KEYS vs:*:r:*");
    let keys: Vec<String> = listed.lines().filter(|line| line.starts_with("vs:")).map(str::to_owned).collect();
    for key in &keys {
        let ttl: i64 = server.command(&format!("PTTL {key}")).trim().trim_start_matches(':').parse().expect("a number");
        assert!(ttl > 0, "{key} {ttl}");
    }
    keys
}

/// L7: wherever a caller is killed, while it sends, while it waits or while it reads, what it leaves has a TTL.
#[tokio::test]
async fn a_caller_that_dies_leaves_nothing_for_ever() {
    let server = Redis::start();
    let calls = calls(&server).await;
    let seed = std::env::var("VESTIBULE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let mut dice = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("VESTIBULE_TEST_SEED={dice}");
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides
    };
    for trial in 1..=KILLS {
        let mut caller = TcpStream::connect(("127.0.0.1", server.port())).expect("the server is there");
        // Some calls that are whole, and one of which only a part is sent, or all of it.
        for _ in 0..roll(4) {
            caller.write_all(&calls[roll(calls.len())]).expect("the server reads");
        }
        let last = &calls[roll(calls.len())];
        caller.write_all(&last[..=roll(last.len())]).expect("the server reads");
        match roll(3) {
            0 => {}
            1 => caller.shutdown(Shutdown::Write).expect("the server reads"),
            _ => {
                let address = caller.local_addr().expect("an address");
                let _ = server.command(&format!("CLIENT KILL ADDR {address}"));
            }
        }
        drop(caller);
        if trial % BATCH == 0 {
            assert!(keys_that_end(&server).len() >= 4, "what was whole was counted");
            let _ = server.command("FLUSHALL");
        }
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
    let refund = Refund { rule: rule.clone(), key: LimitKey::new("k").expect("a key"), cost: 1, taken_at: taken.at };
    limits.refund(&[refund], now).await.expect("what is given back needs no room");
    let seen = limits.peek(&[demand(&rule, "k")], now).await.expect("a look needs no room");
    assert_eq!(seen.verdicts[0].remaining, 5);
}
