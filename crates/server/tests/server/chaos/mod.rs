//! Redis goes wrong under load, and servers keep what they promised.
//!
//! Each scenario runs two servers over one Redis, alone and under a record in Postgres, with some 240 requests a second of all kinds,
//! of which every answer is checked. The short form, with a second of work around each fault, is part of the tests;
//! `cargo xtask chaos SECONDS` runs the long one.

mod cluster;
mod sentinel;
mod single;
mod slow;

use serde_json::json;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use vestibule_testkit::{
    bounds::START,
    load::{Figures, Load},
    process::{Postgres, Server, ServerOptions, get, post, wait_for},
};

/// One scenario at a time: each is a load by itself.
static TURN: Mutex<()> = Mutex::new(());
/// Commands succeed again so soon after Redis does.
const RECOVERY: Duration = Duration::from_secs(2);
/// No answer takes longer, on a busy machine: a change of data is two calls of 250 ms.
const ANSWERED: Duration = Duration::from_secs(2);
/// Users whose changes show a recovery: enough to meet every node of a Cluster.
const PROBES: usize = 16;
/// Work before and after a fault in the short form.
const SHORT: Duration = Duration::from_secs(1);

/// What is behind the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stores {
    Redis,
    RedisAndPostgres,
}

/// Servers at work.
struct Chaos {
    name: &'static str,
    stores: Stores,
    servers: [Server; 2],
    load: Load,
    before: u64,
    recovery: Duration,
    _postgres: Option<Arc<Postgres>>,
    _turn: MutexGuard<'static, ()>,
}

impl Chaos {
    /// Starts two servers over this Redis, and work, of which some is done when this returns.
    fn begin(name: &'static str, url: &str, stores: Stores) -> Self {
        Self::begin_with(name, stores, ServerOptions::default().env("REDIS_URL", url).env("VESTIBULE_STORE__TIMEOUT", "250ms"))
    }

    /// The same, with these options.
    fn begin_with(name: &'static str, stores: Stores, options: ServerOptions) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let postgres = (stores == Stores::RedisAndPostgres).then(Postgres::shared);
        let mut options = options.env("VESTIBULE_SECRET", "a secret of servers that live through chaos 1234567890");
        if let Some(postgres) = &postgres {
            options = options.env("DATABASE_URL", &postgres.database());
        }
        let servers = [Server::start(options.clone()), Server::start(options)];
        let load = Load::start(&[&servers[0], &servers[1]]);
        let mut chaos =
            Self { name, stores, servers, load, before: 0, recovery: Duration::ZERO, _postgres: postgres, _turn: turn };
        chaos.work();
        chaos.before = chaos.load.figures().unavailable;
        chaos
    }

    /// Goes on for a while.
    fn work(&self) {
        self.load.work(seconds());
    }

    /// Without a record, what was acknowledged may be lost until [`Self::await_recovery`].
    fn redis_may_lose(&self) {
        if self.stores == Stores::Redis {
            self.load.allow_losses();
        }
    }

    /// Measures how long it takes from now, when Redis is well, until changes of all kinds of users succeed through both servers.
    /// With a record, waits until Redis is used again.
    fn await_recovery(&mut self) {
        let well = Instant::now();
        for (server, user) in self.servers.iter().flat_map(|server| (0..PROBES).map(move |user| (server, user))) {
            let create = || {
                let body = json!({"user_id": format!("recovered-{user}")});
                post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management)
            };
            let created = wait_for(START, || (create().status == 201).then_some(()));
            assert!(created.is_some(), "{}: no change succeeds any more: {}", self.name, create().text());
        }
        self.recovery = self.recovery.max(well.elapsed());
        match self.stores {
            Stores::Redis => self.load.forbid_losses(),
            Stores::RedisAndPostgres => self.servers.iter().for_each(|server| self.await_use(server)),
        }
    }

    fn await_use(&self, server: &Server) {
        let health = || get("/health/store").bearer(&server.key).send(&server.management);
        let used = || (health().json()["status"] == "ok").then_some(());
        assert!(wait_for(START, used).is_some(), "{}: Redis is not used again", self.name);
    }

    /// Works on, stops, and holds what callers met to what was promised.
    fn end(self) -> Figures {
        self.work();
        let figures = self.load.finish();
        let (name, stores, before, recovery) = (self.name, self.stores, self.before, self.recovery);
        println!("{name}, {stores:?}: {figures}; {before} of the 503 before the fault; recovery {recovery:?}");
        let some: Vec<_> = figures.failures.iter().take(10).collect();
        assert!(some.is_empty(), "{name}, {stores:?}: {figures}\n{some:#?}");
        if std::env::var("SHOW").is_ok() {
            println!("{}", self.servers[0].stderr());
        }
        assert!(recovery < RECOVERY, "{name}, {stores:?}: {recovery:?}");
        assert!(figures.slowest < ANSWERED, "{name}, {stores:?}: {figures}");
        figures
    }
}

/// How long to work before and after a fault, and under one that lasts.
fn seconds() -> Duration {
    let told = std::env::var("VESTIBULE_CHAOS_SECONDS").ok().and_then(|text| text.parse().ok());
    told.map_or(SHORT, Duration::from_secs)
}
