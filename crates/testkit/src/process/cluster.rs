//! A Redis Cluster from the distribution: three masters with a replica each.

use super::{Redis, wait_for};
use crate::bounds::{FAILOVER, START};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Slots of every cluster.
const SLOTS: usize = 16_384;
const MASTERS: usize = 3;

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// Six servers. A master that is silent for a second is taken for dead, and its replica takes over; meanwhile the slots of the
/// others are served.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The turn of a test at the cluster that all tests of this process share: a cluster has only one database.
#[derive(Debug)]
pub struct ClusterTurn {
    /// The cluster, emptied.
    pub cluster: Arc<Cluster>,
    _turn: OwnedMutexGuard<()>,
}

impl Cluster {
    /// The cluster that the tests of this process share, started where nobody holds it. It ends with its last holder.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    /// Waits for the caller's turn, and empties the cluster.
    ///
    /// # Panics
    /// Where a node does not answer.
    pub async fn turn(self: Arc<Self>) -> ClusterTurn {
        let turn = self.turn.clone().lock_owned().await;
        self.masters().for_each(|node| assert!(node.command("FLUSHALL").contains("OK")));
        ClusterTurn { cluster: self, _turn: turn }
    }

    /// Starts all six, and waits until they know each other and every slot is served.
    ///
    /// # Panics
    /// Where `redis-server` is not installed or the six do not find each other in time.
    #[must_use]
    pub fn start() -> Self {
        let nodes = (0..2 * MASTERS).map(|_| Redis::start_clustered()).collect();
        let cluster = Self { nodes, turn: Arc::default() };
        let first = &cluster.nodes[0];
        for node in &cluster.nodes[1..] {
            let bus = node.bus_port().expect("a node of a cluster has a bus");
            assert!(first.command(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port())).contains("OK"));
        }
        for (index, node) in cluster.nodes[..MASTERS].iter().enumerate() {
            let (from, to) = (index * SLOTS / MASTERS, (index + 1) * SLOTS / MASTERS - 1);
            assert!(node.command(&format!("CLUSTER ADDSLOTSRANGE {from} {to}")).contains("OK"));
        }
        cluster.await_knowledge();
        for index in 0..MASTERS {
            let replicate = format!("CLUSTER REPLICATE {}", cluster.nodes[index].cluster_id());
            let replica = &cluster.nodes[MASTERS + index];
            wait_for(START, || replica.command(&replicate).contains("OK").then_some(())).expect("a replica finds its master");
        }
        cluster.await_replicas();
        cluster
    }

    fn await_knowledge(&self) {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        let all_know = || {
            let knows = |node: &Redis| {
                let info = node.command("CLUSTER INFO");
                info.contains(&known) && info.contains("cluster_state:ok")
            };
            self.nodes.iter().all(knows).then_some(())
        };
        wait_for(START, all_know).expect("the nodes find each other");
    }

    fn await_replicas(&self) {
        let linked = |node: &Redis| node.command("INFO replication").contains("master_link_status:up");
        let all_linked = || self.nodes[MASTERS..].iter().all(linked).then_some(());
        wait_for(START, all_linked).expect("the replicas find their masters");
        let known = || {
            let slots = self.nodes.iter().map(|node| node.command("CLUSTER NODES"));
            slots.into_iter().all(|nodes| nodes.matches("slave").count() == MASTERS).then_some(())
        };
        wait_for(START, known).expect("every node knows the replicas");
    }

    /// Ports of all nodes.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(Redis::port).collect()
    }

    /// Its address, with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The nodes that have slots, as far as they run.
    pub fn masters(&self) -> impl Iterator<Item = &Redis> {
        self.nodes.iter().filter(|node| node.try_command("ROLE").is_some_and(|role| role.contains("master")))
    }

    /// The master that has a key's slot.
    ///
    /// # Panics
    /// Where nobody has it in time.
    #[must_use]
    pub fn master_of(&self, key: &str) -> &Redis {
        let has = |node: &&Redis| node.command(&format!("TYPE {key}")).starts_with('+');
        wait_for(FAILOVER, || self.masters().find(has)).expect("a master has every slot")
    }

    /// The slot of a key, by the word of a server.
    ///
    /// # Panics
    /// Where no node answers.
    #[must_use]
    pub fn slot_of(&self, key: &str) -> u16 {
        let answer = self.masters().next().expect("a node runs").command(&format!("CLUSTER KEYSLOT {key}"));
        answer.trim().trim_start_matches(':').parse().expect("a number")
    }

    /// Moves a slot with its keys to another master, as an operator would: step by step, while it is in use.
    ///
    /// # Panics
    /// Where a node refuses a step.
    pub fn migrate(&self, slot: u16, from: &Redis, to: &Redis) {
        let ok = |answer: String| assert!(answer.contains("OK"), "{answer}");
        ok(to.command(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", from.cluster_id())));
        ok(from.command(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", to.cluster_id())));
        loop {
            let keys = from.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
            let keys: Vec<_> = keys.lines().map(str::trim_end).filter(|line| line.starts_with("vs:")).collect();
            if keys.is_empty() {
                break;
            }
            let answer = from.command(&format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {}", to.port(), keys.join(" ")));
            assert!(answer.contains("OK") || answer.contains("NOKEY"), "{answer}");
        }
        // First who gets it, so that the slot always has an owner; then the other masters, who would else hear of it late.
        let others = self.masters().filter(|node| ![to.port(), from.port()].contains(&node.port()));
        for node in [to, from].into_iter().chain(others) {
            ok(node.command(&format!("CLUSTER SETSLOT {slot} NODE {}", to.cluster_id())));
        }
    }
}
