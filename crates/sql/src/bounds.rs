//! Every bound of the record: queues, batches, caches, background steps.

use std::time::Duration;

/// Calls that wait for the writer at most; above it callers are told at once.
pub const WRITE_QUEUE: usize = 4_096;
/// Requests that share one transaction at most, unless a single call brings more.
pub const BATCH_REQUESTS: usize = 512;
/// How long the writer waits for callers who were in the last batch to come back, before it commits without them. A
/// commit takes several times as long, so that half-filled batches cost more than the wait.
pub const LINGER: Duration = Duration::from_micros(200);
/// Threads, each with a connection, that answer reads.
pub const READERS: usize = 3;
/// Reads that wait for a thread at most; above it callers are told at once.
pub const READ_QUEUE: usize = 1_024;
/// Prepared statements that a connection keeps.
pub const STATEMENTS: usize = 48;
/// Page cache of the writer, in KiB; filled only as far as pages are used.
pub const WRITER_CACHE_KIB: i64 = 32 * 1_024;
/// Page cache of each reader, in KiB.
pub const READER_CACHE_KIB: i64 = 4 * 1_024;
/// How long a statement waits for another connection of this process, in milliseconds.
pub const BUSY_TIMEOUT_MS: u64 = 2_000;
/// Sessions that are ended one by one where all of a user end. Above it one mark ends them, and [`MARK_STEP`] does the rest.
pub const MARK_ABOVE: usize = 64;
/// Sessions that one background step settles under a mark.
pub const MARK_STEP: usize = 512;
/// Batches between two background steps while the writer is busy.
pub const MARK_EVERY: usize = 16;
/// Commits between two looks at the length of the write-ahead log.
pub const CHECKPOINT_COMMITS: u64 = 16;
/// Length of the write-ahead log, in pages, above which it is carried over into the database file. Reading as much after a
/// crash takes about 20 ms.
pub const CHECKPOINT_PAGES: i64 = 16_384;
/// Pages that the writer itself carries over between two batches, so that the log begins anew.
pub const CHECKPOINT_REST: i64 = 256;
/// Times that the log is carried over beside the writer before the writer is left alone for a while.
pub const CHECKPOINT_PASSES: usize = 4;
/// Length to which the write-ahead log is cut when it begins anew, in bytes. Above its usual length: a file that need not
/// grow again syncs faster.
pub const WAL_BYTES: i64 = 96 * 1_024 * 1_024;
/// Ended sessions of one user, newest first, that are searched for a token's digest.
pub const ENDED_SEARCH: usize = 10_000;
/// Users without anything that one call of `forget_ended` looks for among this many.
pub const FORGET_USERS: usize = 1_024;
/// How far the time of an event and the time in its id may lie apart, in milliseconds: observations are counted for a while
/// before they are written.
pub const EVENT_SKEW_MS: u64 = 60 * 60 * 1_000;
/// Writers of one node on Postgres at most, and rows that figures are spread over.
pub const POSTGRES_WRITERS: usize = 16;
/// Requests of one call at most on Postgres: the changes of a transaction are numbered by 16 bits.
pub const CALL_REQUESTS: usize = 60_000;
/// How long a transaction on Postgres may take, waits for locks included. Longer than the server's own limit of a statement.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(15);
/// Open transactions of a Postgres server that whoever follows its events remembers, to read what they bring once they are over. Ten times
/// what a server allows by default; of any more the oldest are given up and counted as missed.
pub const OPEN_TRANSACTIONS: usize = 1_024;
/// Sessions that are looked at for each user who may be due.
pub const DUE_PER_USER: usize = 16;
/// Time between two looks whether this process still has the database for itself.
pub const LOCK_CHECK: Duration = Duration::from_secs(1);
