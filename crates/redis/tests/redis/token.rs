//! Tokens on several nodes, and through failovers.

use super::{
    cluster, sentinel,
    support::{LONG, address_of, wait_for_replicas},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::{JoinHandle, block_in_place},
    time::{sleep, timeout},
};
use vestibule_core::{
    bus::Bus,
    fault::Fault,
    time::Clock,
    token::{Believed, DenyList, Family, command::*},
};
use vestibule_redis::{RedisAddress, RedisOptions, RedisStore};
use vestibule_testkit::{
    bounds::POLL,
    conformance::{Harness, Person, Scene},
    process::{Cluster, FaultProxy, MASTER, Redis, Relay, Sentinels, wait_for},
    sample,
};

/// Far above what a busy machine needs.
const AT_LAST: Duration = Duration::from_secs(30);
/// A denial is known everywhere, or nothing is believed, within this time. It is a second where the machine has time for it.
const DENIED_BOUND: Duration = Duration::from_secs(3);

/// A process with what it knows of denied tokens.
struct Node {
    scene: Scene,
    bus: Arc<dyn Bus>,
    denied: Arc<DenyList>,
}

impl Node {
    fn at(address: RedisAddress) -> Self {
        let options = RedisOptions { history_retention: LONG, ..RedisOptions::default() };
        let store = Arc::new(RedisStore::new(address, options));
        let bus: Arc<dyn Bus> = store.bus();
        let denied = DenyList::start(store.clone(), bus.clone(), Clock::system());
        Self { scene: Scene::new(Harness::of(store)), bus, denied }
    }

    fn check(&self, person: &Person, family: &Family) -> Believed {
        self.denied.check(person.tag, &[0; 12], &family.serial, 0)
    }

    /// Waits for an answer; how long that took.
    async fn until(&self, expected: Believed, person: &Person, family: &Family) -> Duration {
        let begun = Instant::now();
        let wait = async {
            while self.check(person, family) != expected {
                sleep(POLL).await;
            }
        };
        timeout(AT_LAST, wait).await.unwrap_or_else(|_| panic!("never {expected:?}"));
        begun.elapsed()
    }
}

/// S56: one node revokes, the other one denies; one that begins later knows it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_is_known_on_every_node() {
    let server = Redis::start();
    let [here, there] = [Node::at(address_of(&server)), Node::at(address_of(&server))];
    let ada = here.scene.person();
    let family = here.scene.issued(&ada, None).await;
    for node in [&here, &there] {
        node.until(Believed::Fine, &ada, &family).await;
    }
    assert_eq!(here.scene.revoke(&ada, Target::Family(family.serial)).await, 1);
    let taken = there.until(Believed::Denied, &ada, &family).await;
    println!("denied elsewhere after {taken:?}");
    assert!(taken < DENIED_BOUND, "{taken:?}");
    here.until(Believed::Denied, &ada, &family).await;
    Node::at(address_of(&server)).until(Believed::Denied, &ada, &family).await;
}

/// S66: the key of a user lives as long as the last family, whatever is kept of users who have nothing.
#[tokio::test]
async fn a_family_keeps_its_user() {
    let server = Redis::start();
    let options = RedisOptions { history_retention: Duration::from_secs(60), ..RedisOptions::default() };
    let scene = Scene::new(Harness::of(Arc::new(RedisStore::new(address_of(&server), options))));
    let ada = scene.person();
    let family = scene.issued(&ada, None).await;
    let keys = server.command("KEYS vs:*:u:*");
    let key = keys.lines().find(|line| line.starts_with("vs:")).expect("a user").trim();
    let ttl = server.command(&format!("PTTL {key}"));
    let ttl: u64 = ttl.trim().trim_start_matches(':').parse().expect("milliseconds");
    assert!(ttl > family.expires_at.since_ms(family.created_at), "{ttl}");
}

/// Behind a link on which nothing arrives any more nothing is believed, and after it what was revoked meanwhile is denied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_believes_nothing() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let behind = RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    let [here, there] = [Node::at(address_of(&server)), Node::at(behind)];
    let ada = here.scene.person();
    let family = here.scene.issued(&ada, None).await;
    there.until(Believed::Fine, &ada, &family).await;
    let connected = || there.bus.is_connected().then_some(());
    block_in_place(|| wait_for(AT_LAST, connected)).expect("the bus is heard");
    proxy.set(Relay::HalfOpen);
    assert_eq!(here.scene.revoke(&ada, Target::Family(family.serial)).await, 1);
    let taken = there.until(Believed::Unready, &ada, &family).await;
    println!("unready after {taken:?}");
    assert!(taken < DENIED_BOUND, "{taken:?}");
    proxy.set(Relay::Pass);
    there.until(Believed::Denied, &ada, &family).await;
}

/// Clients who refresh without a pause and never present anything but their last good token.
struct Storm {
    scene: Arc<Scene>,
    met: Arc<Met>,
    clients: Vec<JoinHandle<(Person, Family)>>,
}

#[derive(Default)]
struct Met {
    good: AtomicUsize,
    stop: AtomicBool,
}

/// Clients of a storm.
const CLIENTS: usize = 8;
/// Refreshes before anything breaks.
const AT_FULL: usize = 500;

impl Storm {
    /// Begins once the families are on the replicas: what a failover loses of them are refreshes.
    async fn begin(store: Arc<RedisStore>, replicated: impl Fn()) -> Self {
        let scene = Arc::new(Scene::new(Harness::of(store)));
        until_written(&scene).await;
        let met = Arc::<Met>::default();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let person = scene.person();
            let family = scene.issued(&person, None).await;
            clients.push((person, family));
        }
        block_in_place(replicated);
        let client = |(person, family)| tokio::spawn(refresh_on(scene.clone(), met.clone(), person, family));
        let clients = clients.into_iter().map(client).collect();
        let blows = || (met.good.load(Ordering::Relaxed) >= AT_FULL).then_some(());
        block_in_place(|| wait_for(AT_LAST, blows)).expect("they refresh");
        Self { clients, scene, met }
    }

    /// Ends it: every client's last token is good, and the one before is not.
    async fn end(self) {
        self.met.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let (person, family) = client.await.expect("no honest client is taken for a thief");
            let next = self.scene.refreshed(&person, &family).await;
            let next = self.scene.refreshed(&person, &next).await;
            assert_eq!(self.scene.try_refresh(&person, &family).await, RefreshOutcome::Reused);
            assert_eq!(
                self.scene.try_refresh(&person, &next).await,
                RefreshOutcome::Reused,
                "one is live, and none after reuse"
            );
        }
    }
}

/// Refreshes until told to stop and a last one succeeds. A fault says nothing about the token: the same is presented again.
async fn refresh_on(scene: Arc<Scene>, met: Arc<Met>, person: Person, mut family: Family) -> (Person, Family) {
    let (mut good, mut faults) = (0, 0);
    loop {
        let is_last = met.stop.load(Ordering::Relaxed);
        let command = Refresh { grace_ms: 60_000, ..sample::refresh(person.tag, &family) };
        match scene.tokens.refresh(scene.cx(), command).await {
            Ok(RefreshOutcome::Refreshed(granted)) => {
                assert!(granted.family.generation > family.generation);
                family = granted.family;
                good += 1;
                met.good.fetch_add(1, Ordering::Relaxed);
                if is_last {
                    println!("{good} refreshes, {faults} faults");
                    return (person, family);
                }
            }
            Ok(other) => panic!("after {good} refreshes and {faults} faults: {other:?}"),
            Err(fault @ Fault::Corrupt(_)) => panic!("{fault:?} is no word for a failover"),
            // A Cluster that has not settled yet says that it is not set up.
            Err(Fault::Unavailable(_) | Fault::Timeout | Fault::Misconfigured(_)) => {
                faults += 1;
                sleep(POLL).await;
            }
        }
    }
}

fn impatient(address: RedisAddress) -> Arc<RedisStore> {
    let options = RedisOptions { deadline: Duration::from_millis(250), history_retention: LONG, ..RedisOptions::default() };
    Arc::new(RedisStore::new(address, options))
}

async fn until_written(scene: &Scene) {
    let begun = Instant::now();
    let ada = scene.person();
    let command = || IssueFamily { tag: ada.tag, user_id: Some(ada.id.clone()), family: scene.family(None) };
    while let Err(fault) = scene.tokens.issue(scene.cx(), command()).await {
        assert!(begun.elapsed() < AT_LAST, "no write succeeds: {fault:?}");
        sleep(POLL).await;
    }
}

/// S72: what the old master took with it is refreshed over, and nobody loses a family.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_storm_of_refreshes_outlives_the_death_of_a_master() {
    let set = block_in_place(Sentinels::start);
    let store = impatient(sentinel::address(&set.ports(), MASTER, 0));
    let storm = Storm::begin(store, || wait_for_replicas(set.master())).await;
    block_in_place(|| {
        let old = set.master();
        old.kill();
        assert_ne!(set.successor_of(old.port()).port(), old.port());
    });
    storm.end().await;
}

/// S72
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_storm_of_refreshes_outlives_the_death_of_a_node() {
    let nodes = block_in_place(Cluster::start);
    let store = impatient(cluster::address(&nodes.ports()));
    let storm = Storm::begin(store, || nodes.masters().for_each(wait_for_replicas)).await;
    let key = "vs:{0}:deployment";
    block_in_place(|| {
        let master = nodes.master_of(key);
        master.kill();
        assert_ne!(nodes.master_of(key).port(), master.port());
    });
    storm.end().await;
}
