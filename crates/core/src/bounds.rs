//! Every bound of the core in one file: lengths, counts, retries, queues.
//!
//! A bound is a promise to the operator: no input, however hostile, makes a record, a list or a queue longer than what is
//! written here. Policy (idle timeout, cap, ...) is configuration and lives in [`crate::session::policy`].

/// Longest user id in bytes. Long enough for an e-mail address or a URN, short enough for an index.
pub const USER_ID_BYTES: usize = 256;
/// Most live sessions of one user, whatever the configured cap says.
pub const LIVE_SESSIONS: usize = 10_000;
/// Most roles, scopes or authentication methods of one session.
pub const LIST_ITEMS: usize = 64;
/// Longest role, scope entry, authentication method, profile name or share label, in bytes.
pub const NAME_BYTES: usize = 128;
/// Longest user agent that is kept, in bytes; a longer one is cut at a character boundary.
pub const USER_AGENT_BYTES: usize = 256;
/// Longest device id, fingerprint, device name or device type, in bytes.
pub const DEVICE_FIELD_BYTES: usize = 256;
/// Longest activity text (an endpoint, a page), in bytes.
pub const ACTIVITY_BYTES: usize = 256;
/// Activities kept per session; the oldest leaves first.
pub const ACTIVITY_TRAIL: usize = 8;
/// Default bound of a session's JSON payload, in bytes.
pub const DATA_BYTES: usize = 16 * 1024;
/// Hard bound of a sealed payload that a packed session may carry, in bytes.
pub const SEALED_BYTES: usize = 1024 * 1024;
/// Deepest nesting of a session's JSON payload.
pub const DATA_DEPTH: usize = 32;
/// Unused hand-off codes of one user; the oldest leaves first.
pub const HANDOFFS: usize = 16;
/// Tries of a read and compare-and-set (merge patch) before the caller is told of the conflict.
pub const CAS_TRIES: usize = 8;
/// Ended sessions that the memory store remembers per user, and the events it keeps per user, without a record.
pub const MEMORY_ENDED: usize = 32;
/// Events that the memory store keeps per user without a record.
pub const MEMORY_EVENTS: usize = 256;
/// Events that the memory store keeps per home for no user in particular.
pub const MEMORY_SYSTEM_EVENTS: usize = 1_024;
/// Observed events waiting to be written; above it they are counted as dropped.
pub const EVENT_QUEUE: usize = 8_192;
/// Time between two looks for new events while somebody follows them.
pub const FEED_EVERY: std::time::Duration = std::time::Duration::from_millis(250);
/// Events that one look reads at a time.
pub const FEED_PAGE: usize = 1_000;
/// Events that a follower may leave untaken. A power of two.
pub const FEED_BACKLOG: usize = 4_096;
/// Shortest time between two looks whether a session that is followed has ended by time, in milliseconds.
pub const WATCH_LEAST_MS: u64 = 50;
/// Shortest time between two checkpoints of a lane of events, in milliseconds, however many nodes make them.
pub const CHECKPOINT_LEAST_MS: u64 = 5_000;
/// Events or checkpoints that a walk along their chain reads at a time.
pub const CHAIN_PAGE: usize = 1_000;
/// Breaks of the chain that a report names.
pub const CHAIN_BREAKS: usize = 100;
/// Addresses and sessions remembered in order to write a repeated observation only once a minute.
pub const COALESCE_KEYS: usize = 65_536;
/// Largest page of any list.
pub const PAGE_LIMIT: usize = 1_000;
/// Largest page that a store gives: one entry more than a caller sees tells that there is another page.
pub const STORE_PAGE: usize = PAGE_LIMIT + 1;
/// Page size where the caller names none.
pub const PAGE_DEFAULT: usize = 100;
/// Touches that wait for the record at most; above it the oldest batch is flushed by the caller.
pub const PENDING_TOUCHES: usize = 1_000_000;
/// Touches written by one transaction.
pub const TOUCH_BATCH: usize = 2_000;
/// Negative answers remembered in process between the state and the record.
pub const NEGATIVE_ENTRIES: usize = 65_536;
/// Milliseconds a negative answer is believed.
pub const NEGATIVE_TTL_MS: u64 = 1_000;
/// Users handled by one step of a sweep or a fleet-wide walk.
pub const WALK_BATCH: usize = 256;
/// Time that an ended or expired session is still told apart from one that never was, in milliseconds.
pub const AFTERLIFE_MS: u64 = 5 * 60 * 1_000;
/// Shortest token of another system that is taken for one, in bytes: anything shorter could be guessed.
pub const LEGACY_TOKEN_MIN_BYTES: usize = 16;
/// Longest token of another system, in bytes.
pub const LEGACY_TOKEN_BYTES: usize = 256;
/// Sessions of one call of an import.
pub const IMPORT_BATCH: usize = 500;
/// Accounts of one call of an import: each costs a hash of some 20 ms.
pub const ACCOUNT_IMPORT_BATCH: usize = 200;
/// Sessions that an import stores at once.
pub const IMPORTS_AT_ONCE: usize = 32;
/// Aliases that the memory store keeps at most; some 100 bytes each.
pub const MEMORY_ALIASES: usize = 1_000_000;
/// Aliases that are remembered in process in front of a record.
pub const ALIAS_ENTRIES: usize = 65_536;
/// Longest e-mail address in bytes (RFC 5321 4.5.3.1: 64 + 1 + 255 rounded by practice to 254).
pub const EMAIL_BYTES: usize = 254;
/// How long a token for a forgotten password is taken (OWASP ASVS 5.0 6.4.3 wants it short).
pub const RESET_TTL: std::time::Duration = std::time::Duration::from_secs(10 * 60);
/// How long a device on which somebody logged in counts as known.
pub const KNOWN_DEVICE_TTL: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
/// Accounts, devices and addresses with failed logins that a process remembers.
pub const THROTTLED_KEYS: usize = 65_536;
/// Longest display name of an account, in bytes.
pub const ACCOUNT_NAME_BYTES: usize = 256;
/// Longest request id that is taken over from a caller, in bytes.
pub const REQUEST_ID_BYTES: usize = 64;
/// Management keys at most.
pub const KEYS: usize = 1_000;
/// Longest access token, in bytes: half of what common servers take as the head of a request.
pub const SIGNED_TOKEN_BYTES: usize = 8 * 1024;
/// Access tokens whose signature need not be checked again; some 600 bytes each.
pub const REMEMBERED_TOKENS: usize = 65_536;
/// Signing keys at a time: the one that signs, one to come, and those whose tokens have not expired.
pub const SIGNING_KEYS: usize = 16;
/// Longest time between two looks at the signing keys that other nodes may have changed, in milliseconds.
pub const SIGNING_KEYS_EVERY_MS: u64 = 1_000;
/// Longest time that a verifier is told to keep the key set, in milliseconds.
pub const JWKS_MAX_AGE_MS: u64 = 3_600_000;
/// Time between two looks at the change log of a record that several nodes share.
pub const TAIL_EVERY: std::time::Duration = std::time::Duration::from_millis(250);
/// Entries of the change log that are read at a time.
pub const TAIL_PAGE: usize = 1_000;
/// How long an end that the change log told is laid over what the state says.
pub const OVERLAY_KEPT: std::time::Duration = std::time::Duration::from_secs(60);
/// Users with a recent end that are remembered; above it every answer is checked with the record.
pub const OVERLAY_USERS: usize = 65_536;
/// Silence after which a publisher, or the way to it, counts as lost.
pub const BUS_SILENCE: std::time::Duration = std::time::Duration::from_millis(900);
/// Time between two heartbeats of a publisher, give or take a fifth: three fit into [`BUS_SILENCE`], one may be lost and one late.
pub const BUS_HEARTBEAT: std::time::Duration = std::time::Duration::from_millis(270);
/// Signals that wait to be sent; above it the oldest is dropped, which the other nodes see.
pub const BUS_QUEUE: usize = 8_192;
/// Signals of one message.
pub const BUS_BATCH: usize = 64;
/// News that a subscription may leave untaken. A power of two.
pub const BUS_BACKLOG: usize = 4_096;
/// Publishers that are known at a time.
pub const BUS_PUBLISHERS: usize = 4_096;
/// Ends that are remembered as told, twice.
pub const BUS_TOLD: usize = 32_768;
/// Sessions that a signal names; above it the signal says all, and whoever holds one asks.
pub const SIGNAL_SESSIONS: usize = 64;
/// Time between two questions to a store's server about itself.
pub const INSPECT_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// How long its answer may take.
pub const INSPECT_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);
/// How long its last answer says something.
pub const INSPECTION_HOLDS: std::time::Duration = std::time::Duration::from_secs(3);
/// Token families of one user; above it the oldest ends.
pub const FAMILIES: usize = 256;
/// Token families of one user that ended before their time and are remembered.
pub const ENDED_FAMILIES: usize = 256;
/// Access tokens of one user that are denied one by one, until there is none that could be believed: one more denies all that the user has.
pub const DENIED_TOKENS: u32 = 10_000;
/// How long an access token stays denied after its end, in milliseconds: whoever verifies it may allow for clocks that differ.
pub const DENIAL_MARGIN_MS: u64 = 60_000;
/// Time without contact after which a deny-list is not sure of itself any more: how late a denial may be heard at most.
pub const DENY_LIST_SILENCE: std::time::Duration = std::time::Duration::from_millis(1_000);
/// Denials that are read from a record at a time.
pub const DENIAL_PAGE: usize = 2_000;
/// Pages of the change log that are read for what was denied lately; where there is more, all denials are read.
pub const DENIAL_LOG_PAGES: usize = 4;
/// How long a deny-list that may have missed something takes to ask the store before it says so: with [`BUS_SILENCE`] it stays within
/// [`DENY_LIST_SILENCE`].
pub const DENY_LIST_DOUBT: std::time::Duration = std::time::Duration::from_millis(100);
/// Time between two looks of a deny-list at whether the store must be asked.
pub const DENY_LIST_TICK: std::time::Duration = std::time::Duration::from_millis(100);
/// Time between two questions of a deny-list to the store where nothing is amiss.
pub const DENY_LIST_RECONCILE: std::time::Duration = std::time::Duration::from_secs(60);
/// Time between two looks of a deny-list for what is over.
pub const DENY_LIST_FORGET: std::time::Duration = std::time::Duration::from_secs(5);
/// Devices that a user trusts at most; the longest trusted one goes first.
pub const TRUSTED_DEVICES: usize = 32;
/// Ended trusts of a user that are remembered; as many as a password change can end at once.
pub const ENDED_TRUSTS: usize = TRUSTED_DEVICES;
/// How long it is remembered why a trust ended, in milliseconds.
pub const ENDED_TRUST_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Time in which several uses of a trusted device are one, in milliseconds: its last use is known to the minute.
pub const TRUST_USE_MS: u64 = 60_000;
/// Devices of a user that are known from logins; the one not seen for longest goes first, and is new when it comes again.
pub const KNOWN_DEVICES: usize = 32;
/// How long a device is known after its last login, in milliseconds: as long as events tell of its first.
pub const KNOWN_DEVICE_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
