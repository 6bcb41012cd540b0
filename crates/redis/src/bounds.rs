//! Every bound of the Redis stores; those that all stores share are in [`vestibule_core::bounds`].

/// Milliseconds that one call may take unless [`crate::RedisOptions`] says otherwise.
pub const DEADLINE_MS: u64 = 250;
/// Milliseconds that a user of whom nothing is live is remembered, with the ended sessions and the events: one day.
pub const HISTORY_RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;
/// Milliseconds that a disabled user is remembered: ten years, since forgetting would enable them.
pub const DISABLED_RETENTION_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;
/// Milliseconds that the timeline and the figures of a home stay after their last change: 90 days.
pub const HOME_RETENTION_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
/// Events that the timeline of a home remembers, of users and of nobody; 65,536 in all homes.
pub const HOME_EVENTS: usize = 256;
/// Times that a change is decided before its caller hears that others were always faster. The deadline usually comes first.
pub const CHANGE_TRIES: usize = 256;
/// Bytes that the usual lookup transfers at most: some 50 sessions. Users with more are read whole.
pub(crate) const LOOKUP_BYTES: usize = 16 * 1024;
/// Bytes that are kept of sessions that ended together, at most.
pub(crate) const ARCHIVE_BYTES: usize = 64 * 1024;
/// Users whose last state this process remembers, so that the next change of theirs needs no read.
pub(crate) const SEEN_USERS: usize = 1_024;
/// Sessions of a user up to which the last state is remembered.
pub(crate) const SEEN_SESSIONS: usize = 64;
/// Keys that one step of a walk asks for.
pub(crate) const WALK_STEP: usize = 512;
/// Steps of a walk that one look for expired users makes; the next look goes on behind them.
pub(crate) const WALK_STEPS: usize = 8;
/// Homes that one trip asks for.
pub(crate) const HOMES_AT_ONCE: usize = 16;
/// Timelines of users that one trip of a verification asks for.
pub(crate) const TIMELINES_AT_ONCE: usize = 16;
/// Milliseconds up to which a process waits between two tries to connect, first and last: two a second in the mean.
pub(crate) const RECONNECT_MS: (u64, u64) = (125, 1_000);
/// Milliseconds between two tries of a command that a Cluster could not place, first and last.
pub(crate) const CLUSTER_RETRY_MS: (u64, u64) = (10, 100);
/// Nodes of a Cluster that are asked why none lets us in.
pub(crate) const CLUSTER_ASKED: usize = 3;
/// Calls in a row that run into their deadline until the breaker opens.
pub(crate) const BREAKER_TIMEOUTS: u32 = 5;
/// Milliseconds between two calls through an open breaker.
pub(crate) const BREAKER_PROBE_MS: u64 = 1_000;
/// Milliseconds after which a peer that acknowledges nothing counts as gone.
pub(crate) const PEER_SILENCE_MS: u64 = 1_000;
/// Milliseconds between two questions to a server whether it is there and in charge, and to a Sentinel whether it is there.
pub const CHECK_MS: u64 = 1_000;
/// Milliseconds that a new connection may take unless [`crate::RedisOptions`] says otherwise.
pub const CONNECT_MS: u64 = 1_000;
/// Messages of the bus that arrived and were not looked at yet; what does not fit in is seen as a gap.
pub(crate) const BUS_INBOX: usize = 4_096;
/// Time between two looks at who of the bus is silent.
pub(crate) const BUS_TICK: std::time::Duration = std::time::Duration::from_millis(50);
/// Calls that may be under way at a time unless [`crate::RedisOptions`] says otherwise.
pub const IN_FLIGHT: usize = 1_024;
