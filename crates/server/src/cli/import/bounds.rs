//! Every bound of an import, but for those of the server.

/// Bytes of one request: below the server's default `http.body_limit`.
pub(super) const BATCH_BYTES: usize = 60_000;
/// Tries of a request while the server's store is away, a second more between them each time.
pub(super) const TRIES: u64 = 5;
/// Longest session in another system's store, in bytes.
pub(super) const VALUE_BYTES: usize = 1 << 20;
/// Keys that Redis looks at in one step of a walk.
pub(super) const WALK_STEP: usize = 500;
/// Longest file of a mapping, in bytes.
pub(super) const MAP_BYTES: u64 = 64 << 10;
/// How long a store may take to answer.
pub(super) const ANSWER: std::time::Duration = std::time::Duration::from_secs(30);
