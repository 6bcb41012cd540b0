//! How much is measured, and how long anything may take.

use std::time::Duration;

/// Connections of the load, and callers that create at once.
pub(crate) const CALLERS: usize = 64;
/// Sessions that are written to a record in one transaction while it is filled.
pub(crate) const FILL_BATCH: usize = 512;
/// Memory that a measured process may use for sessions, in bytes: more than a million take.
pub(crate) const MEMORY_LIMIT: usize = 4 << 30;
/// Sessions that one user has, at most one here, under a cap that is never reached.
pub(crate) const CAP: usize = 10;
/// Longest rest of a session.
pub(crate) const IDLE: Duration = Duration::from_secs(12 * 3_600);
/// Time between two uses that are noted: longer than a run, whose figures are those of validation alone.
pub(crate) const THROTTLE: Duration = Duration::from_secs(3_600);
/// Deadline of a store's call: a busy machine makes a run slower, but does not end it.
pub(crate) const STORE_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait for a process that was started.
pub(crate) const START: Duration = Duration::from_secs(60);
/// Time between two looks at a process that is starting; the resolution of its start time.
pub(crate) const POLL: Duration = Duration::from_millis(1);
/// Rest before the memory of an idle process is read.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);
/// Longest answer that the load reads, in bytes.
pub(crate) const ANSWER_BYTES: usize = 64 * 1024;

/// How much a run measures.
pub(crate) struct Scale {
    /// Sessions of the small store.
    pub(crate) few: usize,
    /// Sessions of the large store.
    pub(crate) many: usize,
    /// Sessions on record before creates are measured.
    pub(crate) preloaded: usize,
    /// Times that measurement and reference alternate.
    pub(crate) rounds: usize,
    /// Length of one round.
    pub(crate) round: Duration,
}

impl Scale {
    /// What the bars demand.
    pub(crate) const FULL: Self =
        Self { few: 1_000, many: 1_000_000, preloaded: 100_000, rounds: 5, round: Duration::from_secs(3) };
    /// A look while working; its figures are not compared with the bars of a million sessions.
    pub(crate) const QUICK: Self =
        Self { few: 1_000, many: 50_000, preloaded: 10_000, rounds: 3, round: Duration::from_secs(1) };
}
