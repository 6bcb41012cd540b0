//! What the servers behind the stores say of themselves: their version, their clock, and what endangers the data they keep.
//!
//! A [`Watch`] asks about once a second; health, metrics and the clock read its last answer, so that however many ask, a server
//! gets one question a second from a node.

use crate::{
    Answer, bounds,
    fault::Fault,
    time::{Follower, Reading},
};
use std::{sync::Arc, time::Instant};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

/// A kind of [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// The server throws away what it should keep when its memory is full.
    Eviction,
    /// The server keeps nothing over a restart, and nobody else does.
    Persistence,
    /// The server's memory is nearly full.
    Memory,
    /// The server's last attempt to write to its disk failed.
    Disk,
}

impl FindingKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Eviction, Self::Persistence, Self::Memory, Self::Disk];

    /// A short, stable word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eviction => "eviction",
            Self::Persistence => "persistence",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    /// Whether it follows from how the server is set up, and not from what happens to it. Only such a finding is a reason not
    /// to start: refusing to restart while the memory is full would make an incident an outage.
    #[must_use]
    pub fn is_setting(self) -> bool {
        matches!(self, Self::Eviction | Self::Persistence)
    }
}

/// One thing that is wrong with a server that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// What it is.
    pub what: String,
    /// Why that matters.
    pub why: &'static str,
    /// What the operator can do.
    pub remedy: &'static str,
}

/// What a server says of itself.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Its name and version, e.g. `Redis 7.0.15`.
    pub version: String,
    /// Its clock.
    pub clock: Reading,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// A store on a server of its own.
pub trait Inspect: Send + Sync {
    /// Asks the server about itself. One round trip; no effect.
    fn inspect(&self) -> Answer<'_, Inspection>;
}

#[derive(Debug, Clone)]
struct Seen {
    at: Instant,
    answer: Result<Inspection, Fault>,
}

/// Keeps an eye on a server.
#[derive(Debug, Clone)]
pub struct Watch(watch::Receiver<Option<Seen>>);

impl Watch {
    /// Asks from now on, for as long as somebody holds the watch, and tells the follower what the server's clock says. Findings
    /// are logged when they appear. Needs a tokio runtime.
    #[must_use]
    pub fn start(server: Arc<dyn Inspect>, follower: Option<Follower>) -> Self {
        let (told, seen) = watch::channel(None);
        tokio::spawn(watch(server, follower, told));
        Self(seen)
    }

    /// What the server said last; a timeout where that is long ago, `None` where it has not been asked yet.
    #[must_use]
    pub fn last(&self) -> Option<Result<Inspection, Fault>> {
        let seen = self.0.borrow().clone()?;
        Some(if seen.at.elapsed() < bounds::INSPECTION_HOLDS { seen.answer } else { Err(Fault::Timeout) })
    }
}

/// Eyes on the servers behind the two sides of a store; `None` where a side is in this process.
#[derive(Debug, Clone, Default)]
pub struct Watches {
    /// On the server that holds the state.
    pub store: Option<Watch>,
    /// On the server that holds the record.
    pub record: Option<Watch>,
}

async fn watch(server: Arc<dyn Inspect>, mut follower: Option<Follower>, told: watch::Sender<Option<Seen>>) {
    let mut ticks = interval(bounds::INSPECT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = told.closed() => return,
        }
        let answer = timeout(bounds::INSPECT_WITHIN, server.inspect()).await.unwrap_or(Err(Fault::Timeout));
        if let Ok(inspection) = &answer {
            if let Some(follower) = &mut follower {
                follower.observe(inspection.clock);
            }
            log_new(&mut known, &inspection.findings);
        }
        told.send_replace(Some(Seen { at: Instant::now(), answer }));
    }
}

fn log_new(known: &mut Vec<FindingKind>, findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| !known.contains(&finding.kind)) {
        let Finding { kind, what, why, remedy } = finding;
        tracing::warn!(finding = kind.as_str(), "{what}: {why}; {remedy}");
    }
    *known = findings.iter().map(|finding| finding.kind).collect();
}
