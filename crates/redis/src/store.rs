//! [`RedisStore`]: every port on Redis.

use crate::{
    address::RedisAddress, bounds, bus::RedisBus, change::SeenUsers, link::Link, replicas::Replicas, script::Scripts,
    walk::Place,
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use vestibule_core::{
    bus::Repeats,
    event::Sealer,
    fault::Fault,
    time::{Clock, millis},
};

/// How a [`RedisStore`] works.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Deadline of every call. Default 250 ms. A change that is not answered by then may have been applied.
    pub deadline: Duration,
    /// How long a user of whom nothing is live is remembered, with ended sessions and events. Default 24 h. Disabled users are
    /// remembered for ten years.
    pub history_retention: Duration,
    /// Deadline of a new connection. Default 1 s.
    pub connect_timeout: Duration,
    /// Calls that may be under way at a time; more wait inside their deadline. Default 1,024.
    pub max_in_flight: usize,
    /// Time between two looks whether the server is there and in charge. Default 1 s.
    pub check_interval: Duration,
    /// Replicas that must have the end of sessions before it is acknowledged, in at most another deadline. Default 0: none is waited
    /// for, and a failover may lose the last ends. Means nothing for a state, whose record has them.
    pub wait_replicas: usize,
    /// Seals events. Default none: they are not sealed, and their chain does not hold.
    pub sealer: Option<Sealer>,
    /// The clock by which keys are kept. Default: the system's.
    pub clock: Clock,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(bounds::DEADLINE_MS),
            history_retention: Duration::from_millis(bounds::HISTORY_RETENTION_MS),
            connect_timeout: Duration::from_millis(bounds::CONNECT_MS),
            max_in_flight: bounds::IN_FLIGHT,
            check_interval: Duration::from_millis(bounds::CHECK_MS),
            wait_replicas: 0,
            sealer: None,
            clock: Clock::system(),
        }
    }
}

/// The authoritative store on Redis: what the server loses is lost.
///
/// Round trips: a lookup of a valid token is one plain read; of a user with more than some 50 sessions, and of a token that is
/// not the current one of a session, two or three. A change is one script where this process made the user's last change, or
/// the user is new; else a read and a script. Where another process changes the same user at the same moment, the decision
/// is made again on what is there then, at most [`bounds::CHANGE_TRIES`] times.
///
/// Repeats: a change that was sent and not answered because the connection broke is sent again inside its deadline, and takes
/// effect once.
#[derive(Debug)]
pub struct RedisStore {
    pub(crate) link: Link,
    pub(crate) scripts: Scripts,
    pub(crate) seen: SeenUsers,
    /// Where the next look for expired users goes on.
    pub(crate) hand: Arc<Mutex<Place>>,
    pub(crate) retention_ms: u64,
    /// Whether a record is there: then only what was written since the server's start is believed.
    pub(crate) is_state: bool,
    pub(crate) bus: OnceLock<Arc<RedisBus>>,
    pub(crate) replicas: Option<Replicas>,
    pub(crate) sealer: Option<Sealer>,
    pub(crate) clock: Clock,
}

impl RedisStore {
    /// A store that connects in the background. Needs a tokio runtime.
    #[must_use]
    pub fn new(address: RedisAddress, options: RedisOptions) -> Self {
        Self::with(address, &options, false)
    }

    pub(crate) fn with(address: RedisAddress, options: &RedisOptions, is_state: bool) -> Self {
        let replicas = if is_state { None } else { Replicas::new(address.clone(), options) };
        Self {
            replicas,
            sealer: options.sealer.clone(),
            link: Link::new(address, options, is_state),
            scripts: Scripts::default(),
            seen: SeenUsers::default(),
            hand: Arc::default(),
            retention_ms: millis(options.history_retention),
            is_state,
            bus: OnceLock::new(),
            clock: options.clock.clone(),
        }
    }

    /// Where ends of sessions are told, from the first call on; the same bus each time. It speaks through this store's connection and
    /// listens on one of its own.
    pub fn bus(&self) -> Arc<RedisBus> {
        let repeats = if self.is_state { Repeats::Dropped } else { Repeats::Told };
        self.bus.get_or_init(|| Arc::new(RedisBus::start(self.link.clone(), repeats))).clone()
    }

    /// Connects, and makes the scripts known to the server so that no request pays for it.
    ///
    /// # Errors
    /// A [`Fault`] of the server. The store can be used all the same: each call tries again.
    pub async fn warm_up(&self) -> Result<(), Fault> {
        self.link.within(self.link.preload(&self.scripts.all())).await
    }
}
