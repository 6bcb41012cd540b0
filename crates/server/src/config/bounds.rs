//! Every bound of the configuration in one file.

use std::{ops::RangeInclusive, time::Duration};

const KIB: u64 = 1_024;
const MIB: u64 = 1_024 * KIB;
const GIB: u64 = 1_024 * MIB;

/// Longest configuration file in bytes.
pub(crate) const FILE_BYTES: u64 = MIB;
/// Longest file that holds one secret, in bytes.
pub(crate) const SECRET_FILE_BYTES: u64 = 4 * KIB;
/// Fewest bytes of a secret outside development mode.
pub(crate) const SECRET_MIN_BYTES: usize = 32;
/// Bytes below which the key ring takes no secret; shorter ones of development mode are stretched to it.
pub(crate) const SECRET_RING_BYTES: usize = 16;
/// Random bytes of a generated secret or management key.
pub(crate) const GENERATED_BYTES: usize = 32;
/// Fewest different bytes of a secret that is not a placeholder: 32 random hexadecimal digits have 14 on average.
pub(crate) const SECRET_DISTINCT_BYTES: usize = 8;
/// Named profiles, lifetime rules, limit rules or cache types, each.
pub(crate) const TABLES: usize = 1_000;
/// Entries of one list.
pub(crate) const LIST_ITEMS: usize = 1_000;
/// Cookies in which tokens of other systems are looked for; each costs a look at the header.
pub(crate) const LEGACY_COOKIES: usize = 8;
/// Nodes named in one Redis URL.
pub(crate) const REDIS_HOSTS: usize = 1_000;

/// `sessions.max_data_bytes`, in bytes; the ceiling leaves room for the seal.
pub(crate) const DATA_BYTES: RangeInclusive<u64> = 1..=1_000_000;
/// `store.memory_limit`, in bytes.
pub(crate) const MEMORY: RangeInclusive<u64> = MIB..=1_024 * GIB;
/// `store.wait_replicas`.
pub(crate) const REPLICAS: RangeInclusive<u64> = 0..=8;
/// `store.max_in_flight`, requests.
pub(crate) const IN_FLIGHT: RangeInclusive<u64> = 1..=100_000;
/// `store.database`, a number of Redis.
pub(crate) const DATABASE: RangeInclusive<u64> = 0..=65_535;
/// `http.body_limit`, in bytes.
pub(crate) const BODY: RangeInclusive<u64> = KIB..=64 * MIB;
/// `http.header_limit`, in bytes. The reader of HTTP wants at least 8 KiB.
pub(crate) const HEADERS: RangeInclusive<u64> = 8 * KIB..=MIB;
/// `http.max_connections`, on each listener.
pub(crate) const CONNECTIONS: RangeInclusive<u64> = 1..=1_000_000;
/// `ipv4_prefix`, in bits.
pub(crate) const IPV4_PREFIX: RangeInclusive<u64> = 1..=32;
/// `ipv6_prefix`, in bits.
pub(crate) const IPV6_PREFIX: RangeInclusive<u64> = 1..=128;
/// `min_touches` of a lifetime rule.
pub(crate) const TOUCHES: RangeInclusive<u64> = 1..=1_000_000_000;
/// Counts of a limit rule; 0 denies everything.
pub(crate) const LIMIT_COUNT: RangeInclusive<u64> = 0..=1_000_000_000;
/// `factor` of a penalty.
pub(crate) const PENALTY_FACTOR: RangeInclusive<u64> = 1..=1_000;
/// Longest style sheet of an operator, in bytes.
pub(crate) const CSS_BYTES: u64 = 64 * KIB;
/// Longest `tokens.access_ttl`: so long a verifier that knows the key set alone believes a token that was revoked, and so long a denial is
/// kept by every node.
pub(super) const ACCESS_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest `tokens.clock_skew`: clocks that differ by more are wrong, and forgiving them would make tokens good before their time.
pub(super) const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// Longest file with a signing key, in bytes.
pub(super) const PEM_BYTES: u64 = 64 << 10;
/// Longest `limits.siteverify.timeout`: no exchange with another service takes longer, whatever a setting says.
pub(crate) const SITEVERIFY_TIMEOUT: Duration = crate::webhook::ANSWER;
