//! Measures how long it takes until another node hears of an end, or that it may have missed one: the figures of
//! `docs/adr/0006-bus.md`. Starts the servers that it needs; `cargo run -p vestibule --features redis,postgres --example bus`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use vestibule::{
    bus::{Bus, Doubt, News, SessionsEnded, Signal, Subscription, Which},
    durable::Durable,
    id::UserTag,
    memory::MemoryState,
    redis::{RedisAddress, RedisBus, RedisNode, RedisOptions, RedisState, RedisStore},
    session::command::FindOutcome,
    sql::{PostgresOptions, PostgresRecord},
};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::{Cluster, FaultProxy, Postgres, Redis, Relay, Towards},
};

/// Signals of which each is timed alone.
const SIGNALS: u64 = 2_000;
/// Signals that are published at once.
const BURST: u64 = 4_000;
/// Times that something breaks.
const BREAKS: usize = 20;
/// Ends that another node refuses.
const ENDS: usize = 50;

/// A node and what it hears.
struct Node {
    _store: RedisStore,
    bus: Arc<RedisBus>,
    news: Subscription,
}

impl Node {
    async fn join(address: RedisAddress) -> Self {
        let store = RedisStore::new(address, RedisOptions::default());
        let bus = store.bus();
        bus.join().await;
        let news = bus.subscribe();
        Self { _store: store, bus, news }
    }

    async fn behind(proxy: &FaultProxy) -> Self {
        Self::join(at(proxy.port())).await
    }

    async fn next(&mut self) -> News {
        self.news.next().await.expect("the bus lives")
    }

    async fn hears(&mut self, expected: &Signal) {
        while self.next().await != News::Signal(expected.clone()) {}
    }

    async fn doubts(&mut self, whys: &[Doubt]) {
        while !matches!(self.next().await, News::Doubt(why) if whys.contains(&why)) {}
    }
}

fn at(port: u16) -> RedisAddress {
    RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).expect("an address")
}

fn signal(revision: u64) -> Signal {
    let (tag, which) = (UserTag::from_bytes([0; 12]), Which::All);
    Signal::SessionsEnded(SessionsEnded { tag, revision, which, reason: None })
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let part = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{what:<58} p50 {:>10.2?}  p99 {:>10.2?}  max {:>10.2?}  ({})", part(0.5), part(0.99), part(1.0), times.len());
}

#[tokio::main]
async fn main() {
    let redis = Redis::start();
    delivery("one server", || at(redis.port())).await;
    burst(&redis).await;
    {
        let cluster = Cluster::start();
        let node = |port: &u16| RedisNode { host: "127.0.0.1", port: *port, ..RedisNode::default() };
        let ports = cluster.ports();
        let nodes: Vec<_> = ports.iter().map(node).collect();
        delivery("Cluster", || RedisAddress::of_cluster(&nodes).expect("an address")).await;
    }
    half_open(&redis).await;
    swallowed(&redis).await;
    death(&redis).await;
    restart(&redis).await;
    for (what, carries) in [("an end is refused elsewhere, by bus and log", true), ("the same, by the log alone", false)] {
        refusal(what, &redis, carries).await;
    }
}

async fn delivery(what: &str, address: impl Fn() -> RedisAddress) {
    let (one, mut two) = (Node::join(address()).await, Node::join(address()).await);
    let mut times = Vec::new();
    for revision in 0..SIGNALS {
        let start = Instant::now();
        one.bus.publish(signal(revision));
        two.hears(&signal(revision)).await;
        times.push(start.elapsed());
        sleep(Duration::from_millis(1)).await;
    }
    report(&format!("delivery to another node, {what}"), times);
}

async fn burst(redis: &Redis) {
    let (one, mut two) = (Node::join(at(redis.port())).await, Node::join(at(redis.port())).await);
    let start = Instant::now();
    (0..BURST).for_each(|revision| one.bus.publish(signal(revision)));
    two.hears(&signal(BURST - 1)).await;
    println!("{BURST} signals at once: heard after {:.2?}", start.elapsed());
}

async fn half_open(redis: &Redis) {
    let mut times = Vec::new();
    for _ in 0..BREAKS {
        let proxy = FaultProxy::start(redis.port());
        let mut node = Node::behind(&proxy).await;
        proxy.set(Relay::HalfOpen);
        let start = Instant::now();
        node.doubts(&[Doubt::Cut]).await;
        times.push(start.elapsed());
    }
    report("doubt of a link that went half-open", times);
}

async fn swallowed(redis: &Redis) {
    let mut times = Vec::new();
    let speaker = Node::join(at(redis.port())).await;
    for _ in 0..BREAKS {
        let proxy = FaultProxy::start(redis.port());
        let mut node = Node::behind(&proxy).await;
        speaker.bus.publish(signal(0));
        node.hears(&signal(0)).await;
        proxy.set(Relay::Drop(Towards::Client));
        let start = Instant::now();
        speaker.bus.publish(signal(1));
        sleep(Duration::from_millis(20)).await;
        proxy.set(Relay::Pass);
        node.doubts(&[Doubt::Gap, Doubt::Cut]).await;
        times.push(start.elapsed());
    }
    report("doubt of a signal that was swallowed", times);
}

async fn death(redis: &Redis) {
    let mut times = Vec::new();
    let mut left = Node::join(at(redis.port())).await;
    for _ in 0..BREAKS {
        let dying = Node::join(at(redis.port())).await;
        dying.bus.publish(signal(0));
        left.hears(&signal(0)).await;
        sleep(Duration::from_millis(u64::from(UserTag::anonymous().as_bytes()[0]) * 2)).await;
        drop(dying);
        let start = Instant::now();
        left.doubts(&[Doubt::Silence]).await;
        times.push(start.elapsed());
    }
    report("doubt of a publisher that died", times);
}

async fn restart(redis: &Redis) {
    let (mut lost, mut back) = (Vec::new(), Vec::new());
    for _ in 0..BREAKS {
        let mut node = Node::join(at(redis.port())).await;
        redis.kill();
        let start = Instant::now();
        node.doubts(&[Doubt::Cut]).await;
        lost.push(start.elapsed());
        redis.restart();
        let start = Instant::now();
        node.doubts(&[Doubt::Restarted]).await;
        back.push(start.elapsed());
    }
    report("doubt of a server that was killed", lost);
    report("doubt again once it answers", back);
}

/// Two nodes over one record with a state each, so that the other one's never learns of an end by itself.
async fn refusal(what: &str, redis: &Redis, carries: bool) {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let mut nodes = Vec::new();
    let mut links = Vec::new();
    for _ in 0..2 {
        let record = PostgresRecord::open(&url, PostgresOptions::default()).await.expect("the database opens");
        let (record, own) = (Arc::new(record), Arc::new(MemoryState::new(64 << 20)));
        let deadline = Duration::from_secs(10);
        let link = RedisState::new(at(redis.port()), RedisOptions::default());
        let store = match carries {
            true => Durable::on(link.bus(), record.clone(), own, deadline),
            false => Durable::new(record.clone(), own, deadline),
        };
        link.bus().join().await;
        store.follow();
        links.push(link);
        nodes.push(Scene::new(Harness::joined(Arc::new(store), record)));
    }
    let mut times = Vec::new();
    for _ in 0..ENDS {
        let session = nodes[0].login(&nodes[0].person()).await;
        assert!(nodes[1].is_valid(&session).await);
        assert_eq!(nodes[0].end_one(&session).await, 1);
        let start = Instant::now();
        while matches!(nodes[1].find(&session).await, FindOutcome::Found { .. }) {
            tokio::task::yield_now().await;
        }
        times.push(start.elapsed());
    }
    report(what, times);
}
