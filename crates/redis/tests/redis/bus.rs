//! What one process tells the others, and what they hear when something is lost.

use super::{
    cluster, sentinel,
    support::{LONG, address_of},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};
use tokio::{task::block_in_place, time::timeout};
use vestibule_core::{
    bounds::BUS_SILENCE,
    bus::{Bus, Doubt, News, SessionsEnded, Signal, Subscription, Which, message::Message},
    fault::Fault,
    id::UserTag,
    session::{
        EndReason, PackedSession, SessionStore,
        command::{EndSessions, Selection},
    },
};
use vestibule_redis::{RedisAddress, RedisBus, RedisOptions, RedisStore};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::{Cluster, FaultProxy, MASTER, Redis, Relay, Sentinels, Towards, wait_for},
};

/// Far above what a busy machine needs.
const AT_LAST: Duration = Duration::from_secs(30);
/// A lost message is known of within this time.
const GAP_BOUND: Duration = Duration::from_secs(1);
/// A link or a publisher that is gone without a word is known of within this time. It is less than a second where the machine has
/// time for it: `docs/adr/0006-bus.md`.
const SILENCE_BOUND: Duration = Duration::from_secs(3);

/// Whom signals are about that end nothing.
const NOBODY: UserTag = UserTag::from_bytes([0; 12]);

/// A process: its store, and what it hears.
struct Node {
    store: Arc<RedisStore>,
    bus: Arc<RedisBus>,
    news: Subscription,
}

impl Node {
    fn with(address: RedisAddress, deadline: Duration) -> Self {
        let options = RedisOptions { deadline, history_retention: LONG, ..RedisOptions::default() };
        let store = Arc::new(RedisStore::new(address, options));
        let bus = store.bus();
        let news = bus.subscribe();
        Self { store, bus, news }
    }

    fn new(address: RedisAddress) -> Self {
        Self::with(address, Duration::from_secs(5))
    }

    fn scene(&self) -> Scene {
        Scene::new(Harness::of(self.store.clone()))
    }

    async fn next(&mut self) -> News {
        timeout(AT_LAST, self.news.next()).await.expect("there are news").expect("the bus lives")
    }

    async fn next_signal(&mut self) -> Signal {
        loop {
            if let News::Signal(signal) = self.next().await {
                return signal;
            }
        }
    }

    async fn hears_soon(&mut self, expected: &Signal) -> bool {
        let heard = async { while self.next_signal().await != *expected {} };
        timeout(BUS_SILENCE, heard).await.is_ok()
    }

    /// The next signal about somebody.
    async fn next_end(&mut self) -> Signal {
        loop {
            match self.next_signal().await {
                Signal::SessionsEnded(ended) if ended.tag != NOBODY => return Signal::SessionsEnded(ended),
                _ => {}
            }
        }
    }

    /// Waits for one of these doubts.
    async fn doubts(&mut self, whys: &[Doubt]) {
        loop {
            if let News::Doubt(doubt) = self.next().await
                && whys.contains(&doubt)
            {
                return;
            }
        }
    }

    async fn is_connected(&self, expected: bool) {
        let look = || (self.bus.is_connected() == expected).then_some(());
        block_in_place(|| wait_for(AT_LAST, look)).expect("the bus is, or is not, connected");
    }
}

/// A process whose way to Redis may be tampered with.
fn behind(proxy: &FaultProxy) -> Node {
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    Node::with(address, Duration::from_millis(250))
}

/// Processes that hear each other.
async fn connected<const N: usize>(address: impl Fn() -> RedisAddress) -> [Node; N] {
    let mut nodes = std::array::from_fn(|_| Node::new(address()));
    meet(&mut nodes).await;
    nodes
}

/// Waits until each process has heard something of every other one.
async fn meet(nodes: &mut [Node]) {
    for speaker in 0..nodes.len() {
        nodes[speaker].is_connected(true).await;
        let hello = signal(speaker as u64);
        for listener in 0..nodes.len() {
            // Who is not there yet, or not again, misses it and hears a later one.
            while {
                nodes[speaker].bus.publish(hello.clone());
                !nodes[listener].hears_soon(&hello).await
            } {}
        }
    }
}

/// A signal of nobody.
fn signal(revision: u64) -> Signal {
    Signal::SessionsEnded(SessionsEnded { tag: NOBODY, revision, which: Which::All, reason: None })
}

fn end_of(session: &PackedSession, revision: u64) -> Signal {
    let which = Which::Some([session.id()].into());
    Signal::SessionsEnded(SessionsEnded { tag: session.id().tag(), revision, which, reason: Some(EndReason::Logout) })
}

/// Ends of either process are heard by both, once, and those of one in their order.
async fn hear_each_other([one, two]: &mut [Node; 2]) {
    let (here, there) = (one.scene(), two.scene());
    let ada = here.person();
    let sessions = [here.login(&ada).await, here.login(&ada).await, here.login(&ada).await];
    here.end_one(&sessions[0]).await;
    here.end_one(&sessions[1]).await;
    let ends = [end_of(&sessions[0], 4), end_of(&sessions[1], 5)];
    for node in [&mut *one, &mut *two] {
        for end in &ends {
            assert_eq!(node.next_end().await, *end);
        }
    }
    there.end_one(&sessions[2]).await;
    for node in [&mut *one, &mut *two] {
        // What is next would be a repeat, were there one.
        assert_eq!(node.next_end().await, end_of(&sessions[2], 6));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_heard_once_by_every_process() {
    let server = Redis::start();
    hear_each_other(&mut connected(|| address_of(&server)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_carries_it_between_all_nodes() {
    let shared = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic");
    let turn = shared.turn().await;
    hear_each_other(&mut connected(|| cluster::address(&turn.cluster.ports())).await).await;
}

/// The node dies that somebody listens to, and perhaps speaks through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_carries_it_on_after_the_death_of_a_node() {
    let cluster = block_in_place(Cluster::start);
    let mut nodes: [_; 2] = connected(|| cluster::address(&cluster.ports())).await;
    let is_heard = |node: &&Redis| node.command("CLIENT LIST TYPE pubsub").contains("sub=1");
    block_in_place(|| cluster.masters().find(is_heard).expect("somebody listens somewhere").kill());
    meet(&mut nodes).await;
}

/// Whoever listens to the old master hears that it is over, and then the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_raises_doubt_and_is_followed() {
    let set = block_in_place(Sentinels::start);
    let mut nodes = connected(|| sentinel::address(&set.ports(), MASTER, 0)).await;
    let old = set.master().port();
    block_in_place(|| set.fail_over());
    block_in_place(|| set.successor_of(old));
    for node in &mut nodes {
        node.doubts(&[Doubt::Cut]).await;
        node.doubts(&[Doubt::Restarted]).await;
    }
    meet(&mut nodes).await;
    hear_each_other(&mut nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_raises_doubt() {
    let server = Redis::start();
    let mut nodes = connected(|| address_of(&server)).await;
    server.kill();
    for node in &mut nodes {
        node.doubts(&[Doubt::Cut]).await;
        node.is_connected(false).await;
    }
    block_in_place(|| server.restart());
    for node in &mut nodes {
        node.doubts(&[Doubt::Restarted]).await;
    }
    meet(&mut nodes).await;
    hear_each_other(&mut nodes).await;
}

/// A process that says what the test wants, or nothing.
struct Forger(TcpStream);

impl Forger {
    fn on(server: &Redis) -> Self {
        Self(TcpStream::connect(("127.0.0.1", server.port())).expect("redis accepts"))
    }

    fn says(&mut self, first: u64, signals: Vec<Signal>) {
        let signals = signals.into_iter().map(Some).collect();
        self.sends(&Message { from: [9; 8], first, promise_ms: 900, is_good_bye: false, signals }.encode());
    }

    fn sends(&mut self, message: &[u8]) {
        let head = format!("*3\r\n$7\r\nPUBLISH\r\n$6\r\nvs:bus\r\n${}\r\n", message.len());
        self.0.write_all(&[head.as_bytes(), message, b"\r\n"].concat()).expect("redis reads");
        assert!(self.0.read(&mut [0; 64]).expect("redis answers") > 0);
    }
}

/// C9: by the next message, and by a heartbeat alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_message_raises_doubt() {
    let server = Redis::start();
    let [mut node] = connected(|| address_of(&server)).await;
    let mut forger = Forger::on(&server);
    forger.says(0, vec![signal(100)]);
    assert_eq!(node.next_signal().await, signal(100));
    forger.says(2, vec![signal(102)]);
    assert_eq!(node.next().await, News::Doubt(Doubt::Gap));
    assert_eq!(node.next().await, News::Signal(signal(102)));
    forger.says(4, Vec::new());
    assert_eq!(node.next().await, News::Doubt(Doubt::Gap));
    forger.sends(b"what is this");
    assert_eq!(node.next().await, News::Doubt(Doubt::Garbled));
}

/// C8, O13: neither end closes anything, and nothing arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_link_raises_doubt() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let mut nodes = [behind(&proxy), Node::new(address_of(&server))];
    meet(&mut nodes).await;
    proxy.set(Relay::HalfOpen);
    let cut = Instant::now();
    nodes[0].doubts(&[Doubt::Cut]).await;
    println!("doubt after {:?}", cut.elapsed());
    assert!(cut.elapsed() < SILENCE_BOUND, "{:?}", cut.elapsed());
    nodes[0].is_connected(false).await;
    nodes[1].bus.publish(signal(100));
    proxy.set(Relay::Pass);
    nodes[0].doubts(&[Doubt::Connected]).await;
    meet(&mut nodes).await;
    hear_each_other(&mut nodes).await;
}

/// C9: what was swallowed on the way is missing, and the next heartbeat says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swallowed_message_raises_doubt() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let mut nodes = [behind(&proxy)];
    meet(&mut nodes).await;
    let [node] = &mut nodes;
    let mut forger = Forger::on(&server);
    forger.says(0, vec![signal(99)]);
    while node.next_signal().await != signal(99) {}
    let many: Vec<_> = (100..164).map(signal).collect();
    let swallowed = || proxy.traffic().to_client;
    let enough = swallowed() + many.len() as u64 * 24;
    proxy.set(Relay::Drop(Towards::Client));
    forger.says(1, many);
    block_in_place(|| wait_for(AT_LAST, || (swallowed() >= enough).then_some(()))).expect("it is on its way");
    proxy.set(Relay::Pass);
    forger.says(65, Vec::new());
    let passed = Instant::now();
    // Usually it is the gap; where the machine took its time, silence shows first.
    let told = node.next().await;
    assert!(matches!(told, News::Doubt(_)), "{told:?}");
    assert!(passed.elapsed() < GAP_BOUND, "{:?}", passed.elapsed());
}

/// A process that dies between its decision and its word leaves nothing but silence.
#[tokio::test]
async fn the_death_of_a_process_raises_doubt() {
    let server = Redis::start();
    let mut listener = Node::new(address_of(&server));
    let mut dying = Node::new(address_of(&server));
    dying.bus.publish(signal(0));
    while listener.next_signal().await != signal(0) {
        dying.bus.publish(signal(0));
    }
    while timeout(Duration::ZERO, dying.news.next()).await.is_ok() {}
    // On this runtime no task runs before the next await: what is told here never leaves.
    dying.bus.publish(signal(1));
    drop(dying);
    let death = Instant::now();
    loop {
        match listener.next().await {
            News::Doubt(Doubt::Silence) => break,
            News::Signal(told) => assert_eq!(told, signal(0)),
            News::Doubt(_) => {}
        }
    }
    println!("doubt after {:?}", death.elapsed());
    assert!(death.elapsed() < SILENCE_BOUND, "{:?}", death.elapsed());
}

/// A change whose answer is lost may have happened. Nobody is told that it did, and nobody is told nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_nobody_knows_of_raises_doubt_everywhere() {
    let server = Redis::start();
    let mut listener = Node::new(address_of(&server));
    let mut unsure = Node::with(address_of(&server), Duration::from_millis(500));
    for node in [&listener, &unsure] {
        node.is_connected(true).await;
    }
    unsure.store.warm_up().await.expect("the server is there");
    let scene = unsure.scene();
    let session = scene.login(&scene.person()).await;
    assert!(server.command("CLIENT PAUSE 1000 WRITE").contains("OK"));
    let selection = Selection::One(session.id());
    let end = EndSessions { tag: session.id().tag(), selection, reason: EndReason::Logout };
    assert_eq!(unsure.store.end(scene.cx(), end).await, Err(Fault::Timeout));
    unsure.doubts(&[Doubt::Undecided]).await;
    listener.doubts(&[Doubt::Gap, Doubt::Newcomer]).await;
    assert!(!scene.is_valid(&session).await, "it happened");
}

/// O8: the connection for commands is well all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_may_not_listen_says_so() {
    let server = Redis::start();
    let [mut node] = connected(|| address_of(&server)).await;
    assert!(server.command("ACL SETUSER default resetchannels").contains("OK"));
    node.doubts(&[Doubt::Cut]).await;
    node.is_connected(false).await;
    let scene = node.scene();
    let session = scene.login(&scene.person()).await;
    assert_eq!(scene.end_one(&session).await, 1, "the store needs no bus");
    assert!(server.command("ACL SETUSER default allchannels").contains("OK"));
    node.doubts(&[Doubt::Connected]).await;
    node.is_connected(true).await;
}

/// O8: whatever holds up the task that listens, and though Redis answers.
#[test]
fn a_wedged_listener_shows() {
    let server = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bus = runtime.block_on(async { Node::new(address_of(&server)).bus });
    let is = |expected: bool| move |bus: &RedisBus| (bus.is_connected() == expected).then_some(());
    let (wedge, release) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    std::thread::scope(|scope| {
        let (bus, wedge_here, release_here) = (&bus, wedge.clone(), release.clone());
        scope.spawn(move || {
            runtime.block_on(async {
                while !bus.is_connected() {
                    tokio::task::yield_now().await;
                }
                // The only thread of this runtime is held up here.
                wedge_here.wait();
                release_here.wait();
                while !bus.is_connected() {
                    tokio::task::yield_now().await;
                }
            });
        });
        wedge.wait();
        let start = Instant::now();
        wait_for(AT_LAST, || is(false)(bus)).expect("it shows");
        assert!(start.elapsed() < 3 * BUS_SILENCE, "{:?}", start.elapsed());
        assert!(server.command("PING").contains("PONG"));
        release.wait();
    });
}
