//! The store on a Cluster: the whole contract, and what callers see while a node dies and while slots move.

use super::{
    load::Load,
    support::{DEADLINE, LONG, wait_for_replicas},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::task::block_in_place;
use vestibule_core::{
    deployment::{DeploymentRecord, DeploymentStore},
    fault::Fault,
    id::UserTag,
    record::{State, UserSnapshot},
    session::{PackedSession, command::Selection},
    user::UserAggregate,
};
use vestibule_memory::MemoryStore;
use vestibule_redis::{AddressError, LimitTime, RedisAddress, RedisNode, RedisOptions, RedisState, RedisStore};
use vestibule_testkit::{
    bounds::{POLL, START},
    conformance::{Harness, LimitScene, Scene},
    model::Walk,
    process::{Cluster, Redis, wait_for},
};

/// A new master takes commands within this time.
const RECOVERY: Duration = Duration::from_secs(2);

pub(crate) fn address(ports: &[u16]) -> RedisAddress {
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

async fn make_limits() -> LimitScene {
    let shared = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic");
    let turn = shared.turn().await;
    let limits = store_on(&turn.cluster).limits().with_time(LimitTime::Caller);
    LimitScene::of(Arc::new(limits)).in_parts().keeping(turn)
}

vestibule_testkit::limit_conformance!(make_limits);

#[tokio::test]
async fn it_agrees_with_the_model() {
    Walk::from_env().compare(make().await).await;
}

/// Every key that a user's whole life leaves is where the user's other keys are, by the word of the servers.
#[tokio::test]
async fn all_keys_of_a_home_share_a_slot() {
    let turn = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic").turn().await;
    let scene = Scene::new(Harness::of(store_on(&turn.cluster)));
    for _ in 0..20 {
        let person = scene.person();
        scene.logins(&person, 3).await;
        scene.end(&person, Selection::All { except: Vec::new() }).await;
        scene.login(&person).await;
    }
    let mut slots: BTreeMap<String, BTreeMap<u16, usize>> = BTreeMap::new();
    for node in turn.cluster.masters() {
        let keys = node.command("KEYS *");
        for key in keys.lines().filter(|line| line.starts_with("vs:")) {
            let home = key.split(['{', '}']).nth(1).expect("a key has a home").to_owned();
            *slots.entry(home).or_default().entry(turn.cluster.slot_of(key)).or_default() += 1;
        }
    }
    assert!(slots.len() > 10 && slots.values().flat_map(BTreeMap::values).sum::<usize>() >= 20 * 4, "{slots:?}");
    assert!(slots.values().all(|slots| slots.len() == 1), "{slots:?}");
}

fn impatient(cluster: &Cluster) -> Arc<RedisStore> {
    let options = RedisOptions { history_retention: LONG, ..RedisOptions::default() };
    Arc::new(RedisStore::new(address(&cluster.ports()), options))
}

/// O11: slots move with their keys while they are in use, and nobody sees more than a deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn slots_that_move_are_followed() {
    let cluster = block_in_place(Cluster::start);
    let mut load = Load::prepare(Scene::new(Harness::of(impatient(&cluster)))).await;
    let key = format!("vs:{{{}}}:u:x", load.live.id().tag().home().index());
    load.begin();
    block_in_place(|| {
        let slot = cluster.slot_of(&key);
        let from = cluster.master_of(&key);
        let to = cluster.masters().find(|node| node.port() != from.port()).expect("another master");
        for home in 0..64 {
            let other = cluster.slot_of(&format!("vs:{{{home}}}:u:x"));
            if other != slot && cluster.master_of(&format!("vs:{{{home}}}:u:x")).port() == from.port() {
                cluster.migrate(other, from, to);
            }
        }
        cluster.migrate(slot, from, to);
    });
    let taken = load.recovery().await;
    let met = load.end().await;
    assert!(taken < RECOVERY, "{taken:?}");
    let (good, faults) = (met.good.load(Ordering::Relaxed), met.faults.load(Ordering::Relaxed));
    assert!(faults * 20 <= good, "{met:?}");
}

/// The master of the session that is watched dies. What was replicated is there as soon as its replica takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_node_that_dies_is_replaced() {
    let cluster = block_in_place(Cluster::start);
    let mut load = Load::prepare(Scene::new(Harness::of(impatient(&cluster)))).await;
    let key = format!("vs:{{{}}}:u:x", load.live.id().tag().home().index());
    let master = block_in_place(|| {
        let master = cluster.master_of(&key);
        wait_for_replicas(master);
        master
    });
    load.begin();
    block_in_place(|| {
        master.kill();
        let successor = cluster.master_of(&key);
        assert_ne!(successor.port(), master.port());
    });
    let taken = load.recovery().await;
    println!("commands succeed {taken:?} after the promotion");
    load.end().await;
    assert!(taken < RECOVERY, "{taken:?}");
}

/// As a state: a node that comes back with the data of an earlier start is not believed, and the others are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_start_of_a_node_left_counts_for_nothing() {
    let cluster = block_in_place(Cluster::start);
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let state = RedisState::new(address(&cluster.ports()), options);
    state.look().await.expect("the cluster is there");
    let scene = Scene::new(Harness::of(Arc::new(MemoryStore::default())));
    let users: Vec<_> = (0..24_u8).map(|home| user_of(&scene, home * 10)).collect();
    for user in &users {
        state.project(UserSnapshot { sequence: 1, user: user.clone() }).await.expect("project answers");
    }
    let key = |user: &UserAggregate| format!("vs:{{{}}}:u:x", user.tag.home().index());
    let node: &Redis = block_in_place(|| {
        let node = cluster.master_of(&key(&users[0]));
        // A replica that joined may still be sent a snapshot, and Redis takes one at a time.
        let saved = wait_for(START, || node.command("SAVE").contains("OK").then_some(()));
        assert!(saved.is_some(), "no snapshot was taken");
        node
    });
    let (there, elsewhere): (Vec<_>, Vec<_>) =
        block_in_place(|| users.iter().partition(|user| cluster.master_of(&key(user)).port() == node.port()));
    block_in_place(|| node.restart());
    for user in there {
        assert!(!matches!(state.user(user.tag).await, Ok(Some(_))), "old data is believed");
    }
    for user in elsewhere {
        let held = async {
            loop {
                match state.user(user.tag).await.ok().flatten() {
                    Some(held) => break held,
                    None => tokio::time::sleep(POLL).await,
                }
            }
        };
        let held = tokio::time::timeout(START, held).await.expect("what other nodes hold is there again");
        assert_eq!(held.tag, user.tag);
    }
}

fn user_of(scene: &Scene, home: u8) -> UserAggregate {
    let mut tag = *scene.person().tag.as_bytes();
    tag[0] = home;
    let session = PackedSession::pack(&scene.session(&scene.person()));
    UserAggregate { revision: 1, live: [session].into_iter().collect(), ..UserAggregate::new(UserTag::from_bytes(tag)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_opens_every_node_and_a_wrong_one_is_named() {
    let cluster = block_in_place(Cluster::start);
    block_in_place(|| {
        cluster.nodes().iter().for_each(|node| assert!(node.command("CONFIG SET requirepass right").contains("OK")));
    });
    let known = |password| {
        let node = |port: &u16| RedisNode { host: "127.0.0.1", port: *port, password, ..RedisNode::default() };
        let address = RedisAddress::of_cluster(&cluster.ports().iter().map(node).collect::<Vec<_>>()).expect("an address");
        RedisStore::new(address, RedisOptions { deadline: DEADLINE, ..RedisOptions::default() })
    };
    known(Some("right")).warm_up().await.expect("the nodes let it in");
    for password in [None, Some("wrong")] {
        let refused = known(password).warm_up().await;
        assert!(matches!(&refused, Err(Fault::Misconfigured(text)) if text.contains("password")), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_and_a_single_server_are_not_taken_for_each_other() {
    let options = || RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let single = block_in_place(Redis::start);
    let refused = RedisStore::new(address(&[single.port()]), options()).warm_up().await;
    assert!(matches!(&refused, Err(Fault::Misconfigured(text)) if text.contains("redis://")), "{refused:?}");
    let cluster = block_in_place(Cluster::start);
    let foreign = block_in_place(|| {
        let owner = cluster.master_of("vs:{0}:deployment").port();
        cluster.masters().find(|node| node.port() != owner).expect("another master").port()
    });
    let node = RedisAddress::of(&RedisNode { host: "127.0.0.1", port: foreign, ..RedisNode::default() }).expect("an address");
    let refused = RedisStore::new(node, options()).init(DeploymentRecord { salt: [1; 32], fingerprint: [2; 16] }).await;
    assert!(matches!(&refused, Err(Fault::Misconfigured(text)) if text.contains("redis+cluster://")), "{refused:?}");
}

#[test]
fn a_cluster_has_only_one_database() {
    let node = RedisNode { host: "127.0.0.1", port: 1, database: 1, ..RedisNode::default() };
    assert_eq!(RedisAddress::of_cluster(&[node]).err(), Some(AddressError::ClusterDatabase));
    assert_eq!(RedisAddress::of_cluster(&[]).err(), Some(AddressError::Malformed));
}
