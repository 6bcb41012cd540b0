//! A master, a replica and three Sentinels from the distribution.

use super::{
    Redis, free_port,
    program::Program,
    redis::{TRIES, ask, launch},
    wait_for,
};
use crate::bounds::{FAILOVER, START};
use std::{
    fs,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

/// How the Sentinels call the master.
pub const MASTER: &str = "mymaster";

static SHARED: Mutex<Weak<Sentinels>> = Mutex::new(Weak::new());

/// A master, a replica, and three Sentinels, two of which decide. A master that is silent for a second is taken for dead.
#[derive(Debug)]
pub struct Sentinels {
    nodes: [Redis; 2],
    ports: [u16; 3],
    databases: AtomicU64,
    _programs: Vec<(Program, TempDir)>,
}

impl Sentinels {
    /// The set that the tests of this process share, each with a database of its own, started where nobody holds it. It ends
    /// with its last holder.
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

    /// Starts all five, and waits until every Sentinel knows the replica and the other Sentinels.
    ///
    /// # Panics
    /// Where `redis-server` is not installed or the five do not find each other in time.
    #[must_use]
    pub fn start() -> Self {
        let nodes = [Redis::start(), Redis::start()];
        assert!(nodes[1].command(&format!("REPLICAOF 127.0.0.1 {}", nodes[0].port())).contains("OK"));
        wait_for(START, || nodes[1].command("INFO replication").contains("master_link_status:up").then_some(()))
            .expect("the replica finds its master");
        let started: Vec<_> = (0..3).map(|_| start_sentinel(nodes[0].port())).collect();
        let ports = [started[0].0, started[1].0, started[2].0];
        let programs = started.into_iter().map(|(_, program, dir)| (program, dir)).collect();
        let set = Self { nodes, ports, databases: AtomicU64::default(), _programs: programs };
        wait_for(START, || set.ports.iter().all(|port| knows_all(*port)).then_some(())).expect("the Sentinels find each other");
        set
    }

    /// Ports of the Sentinels.
    #[must_use]
    pub fn ports(&self) -> [u16; 3] {
        self.ports
    }

    /// The number of a database that no other test of this process uses.
    pub fn database(&self) -> u64 {
        self.databases.fetch_add(1, Ordering::Relaxed)
    }

    /// The node in charge.
    ///
    /// # Panics
    /// Where the Sentinels do not agree in time.
    #[must_use]
    pub fn master(&self) -> &Redis {
        wait_for(FAILOVER, || self.agreed()).expect("the Sentinels agree on a master")
    }

    /// The node that follows the master.
    ///
    /// # Panics
    /// Where the Sentinels do not agree in time.
    #[must_use]
    pub fn replica(&self) -> &Redis {
        let master = self.master().port();
        self.nodes.iter().find(|node| node.port() != master).expect("there are two nodes")
    }

    /// The node in charge once it is another one than this.
    ///
    /// # Panics
    /// Where the Sentinels do not agree in time.
    #[must_use]
    pub fn successor_of(&self, port: u16) -> &Redis {
        wait_for(FAILOVER, || self.agreed().filter(|node| node.port() != port)).expect("the Sentinels agree on another master")
    }

    /// The node that all Sentinels name as the master, if it says so itself.
    fn agreed(&self) -> Option<&Redis> {
        let named = |port: &u16| ask(*port, &format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}")).ok();
        let named: Vec<_> = self.ports.iter().map(named).collect::<Option<_>>()?;
        let is_named = |node: &&Redis| named.iter().all(|text| text.contains(&format!("\r\n{}\r\n", node.port())));
        let node = self.nodes.iter().find(is_named)?;
        node.try_command("ROLE").is_some_and(|role| role.contains("master")).then_some(node)
    }

    /// Asks a Sentinel to put the replica in charge; the old master becomes its replica. Returns at once.
    ///
    /// # Panics
    /// Where the Sentinel does not begin in time: it refuses while an earlier failover is young.
    pub fn fail_over(&self) {
        let begun = || ask(self.ports[0], &format!("SENTINEL FAILOVER {MASTER}")).is_ok_and(|answer| answer.contains("OK"));
        wait_for(FAILOVER, || begun().then_some(())).expect("the Sentinel begins a failover");
    }
}

/// A Sentinel keeps what it learns in its own configuration file, so that one must exist.
fn start_sentinel(master: u16) -> (u16, Program, TempDir) {
    let dir = tempfile::Builder::new().prefix("vestibule-sentinel-").tempdir().expect("a folder for a Sentinel");
    for _ in 0..TRIES {
        let port = free_port();
        let file = dir.path().join("sentinel.conf");
        let text = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1000\nsentinel failover-timeout {MASTER} 5000\n",
            dir.path().display()
        );
        fs::write(&file, text).expect("a file in the test's folder");
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        if let Some(program) = launch(&mut command, &dir, port) {
            return (port, program, dir);
        }
    }
    panic!("a Sentinel found no free port {TRIES} times");
}

fn knows_all(port: u16) -> bool {
    let figure = |text: &str, name: &str| {
        let mut lines = text.lines().skip_while(|line| *line != name);
        lines.nth(2).and_then(|value| value.parse::<u64>().ok())
    };
    ask(port, &format!("SENTINEL MASTER {MASTER}"))
        .is_ok_and(|text| figure(&text, "num-slaves") == Some(1) && figure(&text, "num-other-sentinels") == Some(2))
}
