//! Every bound of the memory stores; those that all stores share are in [`vestibule_core::bounds`].

/// Bytes of users, sessions and events that a store holds unless it is told otherwise. A session with a payload of 160
/// bytes takes about 600, so this is room for 1.7 million of them.
pub const MEMORY_LIMIT: usize = 1024 * 1024 * 1024;
/// Milliseconds that [`crate::MemoryStore`] remembers a user of whom nothing is live: the ended sessions and the events.
pub const HISTORY_RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;
/// Resting entries that a home's queue may hold beyond its users before it is built anew.
pub(crate) const QUEUE_SLACK: usize = 64;
/// A home gives back its table's memory when at most one slot in this many is in use.
pub(crate) const SPARSE: usize = 8;
/// Tables of fewer slots than this are never made smaller.
pub(crate) const SMALL_TABLE: usize = 64;
/// Events that are kept in the order in which they happened, once somebody follows them.
pub(crate) const RECENT_EVENTS: usize = 4_096;
