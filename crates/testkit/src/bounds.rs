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
/// Rounds of a race that is run for as long as [`RACE_TIME`], at least.
pub const RACE_FEWEST: usize = 50;
/// Time after which such a race has had rounds enough.
pub const RACE_TIME: Duration = Duration::from_millis(500);
/// Commands of a random walk unless the environment says otherwise.
pub const WALK_COMMANDS: usize = 2_000;
/// Requests that a load makes each second.
pub const LOAD_PER_SECOND: u32 = 240;
/// Callers of a load.
pub const LOAD_WORKERS: usize = 8;
/// Sessions that each of them remembers.
pub const LOAD_HELD: usize = 60;
/// A change is seen by every server within this time, whatever is wrong: the published bound.
pub const UNSEEN: Duration = Duration::from_secs(1);
/// Callers who ask a limit at once.
pub const LIMIT_TASKS: usize = 50;
/// Nodes that share a hot key.
pub const HOT_NODES: usize = 4;
/// Checks of each of the callers who ask for it at once.
pub const HOT_CHECKS: usize = 200;
/// Random requests that a store of limits decides beside the core's own rule.
pub const LIMIT_STEPS: usize = 400;
