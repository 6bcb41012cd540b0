//! How long and how much the running server allows itself. What operators set is in [`crate::config::Http`].

use std::time::Duration;

/// How long the addresses are kept back so that they are told by a server that is ready.
pub(super) const GREETING: Duration = Duration::from_millis(500);
/// Time between two rounds of housekeeping.
pub(super) const HOUSEKEEPING: Duration = Duration::from_millis(500);
/// Time between two looks at the stores for health and figures.
pub(super) const LOOK: Duration = Duration::from_secs(1);
/// Time between two looks at the configuration file. A change is taken over once two looks in a row have seen the same.
pub(super) const CONFIG_LOOK: Duration = Duration::from_millis(500);
/// Time between two reminders to a store that may have been emptied.
pub(super) const DEPLOYMENT: Duration = Duration::from_secs(1);
/// Time between two rounds of housekeeping where Redis alone has the sessions: each looks at some thousand users.
pub(super) const HOUSEKEEPING_ON_REDIS: Duration = Duration::from_secs(10);
/// Time between two looks whether a checkpoint over the events is due.
pub(super) const CHECKPOINT: Duration = Duration::from_secs(10);
/// Longest time between two rounds of forgetting what is past its retention.
pub(super) const FORGET: Duration = Duration::from_secs(60);
/// Shortest time between them.
pub(super) const FORGET_LEAST: Duration = Duration::from_secs(1);
/// Rows that one step of forgetting takes: a step holds up the writer of the record for a few milliseconds.
pub(super) const FORGET_ROWS: usize = 500;
/// Steps of one round: at most 50,000 rows a minute, which is above what a record takes in over long.
pub(super) const FORGET_STEPS: usize = 100;
/// Most of the grace in which a stopping server still accepts connections, so that probes see it is no longer ready.
pub(super) const NOTICE: Duration = Duration::from_secs(2);
/// How long a stopping server waits for the first request on a connection that has not had one.
pub(super) const FIRST_REQUEST: Duration = Duration::from_millis(200);
/// Pause after the operating system refused a connection, usually for want of file descriptors.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a closed connection is read on, so that its last answer is not lost to a reset (RFC 9112 section 9.6).
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are read on at most.
pub(super) const LINGER_BYTES: usize = 4 << 20;
/// Header fields of one request.
pub(super) const HEADERS: usize = 100;
/// Least size of a connection's buffers that the reader of HTTP takes, in bytes.
pub(super) const BUFFER: usize = 8 << 10;
/// Time for tasks to let go of the stores when everything else has ended. Closing a record takes milliseconds; the disk may
/// be slow.
pub(super) const LET_GO: Duration = Duration::from_secs(3);
