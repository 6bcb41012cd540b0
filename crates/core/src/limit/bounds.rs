//! Every bound of the limiter.

use std::time::Duration;

/// Rules of one configuration.
pub const RULES: usize = 256;
/// Demands that are decided together.
pub const DEMANDS: usize = 64;
/// Longest key, in bytes.
pub const KEY_BYTES: usize = 256;
/// Longest name of a rule, in bytes.
pub const RULE_NAME_BYTES: usize = 64;
/// Largest number that a count may reach: beyond it a double, which scripts calculate with, is no whole number any more.
pub const LARGEST: u64 = 1 << 53;
/// Requests in flight that one key of a concurrency rule may have.
pub const IN_FLIGHT: u64 = 1_000;
/// Strikes that are remembered; the block is at its cap long before.
pub const STRIKES: u64 = 64;
/// Largest factor by which a block grows.
pub const FACTOR: u64 = 1_000;
/// Longest period of a rule, and longest block, in milliseconds: ten years.
pub const LONGEST_MS: u64 = 3_653 * 86_400_000;
/// Denied keys of one rule that a process remembers. Beyond it a shard of them is forgotten, which costs questions and nothing else.
pub const DENIED_KEYS: usize = 16_384;
/// Keys of one request that are remembered together with a denial, so that it tells of all of them; of more it tells of itself.
pub const TOGETHER: usize = 8;
/// How long a denial is remembered where a unit may come back at any time: by a refund, or because each hit prolongs a block.
pub const DENIED_BRIEFLY: Duration = Duration::from_secs(1);
/// Keys that the memory store counts at most, about 150 bytes each; beyond it those that end soonest are forgotten.
pub const MEMORY_KEYS: usize = 1_000_000;
/// Keys that one process counts alone while the store is away.
pub const FALLBACK_KEYS: usize = 100_000;
/// How long units that were taken ahead of a hot key can be spent, and over how long it is counted how hot a key is.
pub const LEASE_LIFE: Duration = Duration::from_millis(100);
/// Units that one process must be asked for in that time before it takes any ahead: 1,000 a second.
pub const LEASE_HOT: u64 = 100;
/// How long a key is hot after that.
pub const LEASE_COOLS: Duration = Duration::from_secs(1);
/// The part of a limit that one process takes ahead at most.
pub const LEASE_SHARE: u64 = 16;
/// Smallest batch that is worth taking ahead: a rule whose share is smaller is not leased.
pub const LEASE_LEAST: u64 = 8;
/// How long a process that got less than it wanted asks for no more.
pub const LEASE_PAUSE: Duration = Duration::from_millis(25);
/// Refills that one request waits for before it asks for itself.
pub const LEASE_TRIES: usize = 3;
/// Keys of one rule of which a process knows how hot they are.
pub const LEASED_KEYS: usize = 1_024;
/// Time that a stored count outlives its use, so that clocks that differ a little never lose one.
pub const AFTERLIFE_MS: u64 = 1_000;
/// Keys that a reset by pattern reports by name.
pub const PATTERN_SAMPLE: usize = 20;
/// Callers of one process that wait until they are allowed, at a time.
pub const WAITERS: usize = 1_000;
/// Longest that a caller over HTTP may wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Most keys in the list of those that are denied most often.
pub const TOP_KEYS: usize = 256;
/// How long a puzzle may be worked at.
pub const PUZZLE_LIFE: Duration = Duration::from_secs(300);
/// Zero bits of the easiest and of the hardest puzzle: about 60 thousand and 17 million digests.
pub const PUZZLE_BITS: (u8, u8) = (16, 24);
/// Zero bits by which each strike makes a puzzle harder.
pub const PUZZLE_BITS_A_STRIKE: u8 = 2;
/// Longest puzzle and longest solution, in bytes.
pub const PUZZLE_BYTES: usize = 256;
/// How long it is remembered that a solution was used: longer than any puzzle lives, and than known verifiers take a response (five minutes).
pub const SOLUTION_LIFE: Duration = Duration::from_secs(600);
/// Longest response for a verifier, in bytes; those of known services have up to 2,048.
pub const RESPONSE_BYTES: usize = 4_096;
/// Responses of one key that one process brings to a verifier in [`RESPONSE_PERIOD`] before it has one that is right: a quarter of what the
/// server has judged at a time, so that whoever is denied cannot keep everybody else from being judged.
pub const RESPONSE_TRIES: u64 = 16;
/// See [`RESPONSE_TRIES`].
pub const RESPONSE_PERIOD: Duration = Duration::from_secs(60);
