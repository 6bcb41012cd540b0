//! How long and how often the tests wait and repeat.

use std::time::Duration;

/// A started program answers within this time, on a busy machine.
pub const START: Duration = Duration::from_secs(30);
/// A program that was asked to end has ended within this time.
pub const STOP: Duration = Duration::from_secs(20);
/// Another Redis is in charge within this time.
pub const FAILOVER: Duration = Duration::from_secs(20);
/// Time between two looks at a condition that is waited for.
pub const POLL: Duration = Duration::from_millis(10);
/// One HTTP answer arrives within this time.
pub const ANSWER: Duration = Duration::from_secs(20);
/// Largest answer that the test client reads, in bytes.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Rounds of a storm of logins against the cap.
pub const STORM_ROUNDS: usize = 100;
/// Logins of one round.
pub const STORM_LOGINS: usize = 30;
/// Rounds of writers against the end of their session.
pub const RACE_ROUNDS: usize = 1_000;
/// Commands of a random walk unless the environment says otherwise.
pub const WALK_COMMANDS: usize = 2_000;
