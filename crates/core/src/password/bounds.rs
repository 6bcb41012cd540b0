//! Every bound of passwords in one file: lengths, what is estimated, and what a stored hash may cost.

/// Longest password in bytes of UTF-8, before normalisation. 128 characters of any script fit (at most 512 bytes).
pub const PASSWORD_BYTES: usize = 1024;
/// Fewest characters of a password that is the only factor (NIST SP 800-63B-4 3.1.1.2).
pub const SINGLE_FACTOR_CHARACTERS: usize = 15;
/// Fewest characters of a password beside a second factor, and the least that a configuration may ask for.
pub const MFA_CHARACTERS: usize = 8;
/// Most characters that a configuration may demand: 64 must always be accepted (NIST SP 800-63B-4 3.1.1.2).
pub const MIN_LENGTH_CEILING: usize = 64;

/// Characters that the estimator is shown, counted from the beginning.
pub const ESTIMATED_CHARACTERS: usize = 100;
/// Characters in one window of the estimator. Its work is quadratic and multiplies with every look-alike symbol (0.8 s for 100
/// hostile characters, below 60 ms for 20), and its factorials leave 64 bits at 21 parts.
pub const WINDOW_CHARACTERS: usize = 20;
/// Context words per check; later ones are ignored.
pub const CONTEXT_WORDS: usize = 32;
/// Longest context word in characters; a longer one is ignored, its parts are not.
pub const CONTEXT_WORD_CHARACTERS: usize = 64;
/// Shortest context word in characters: shorter ones are part of too many innocent words.
pub const CONTEXT_WORD_MIN_CHARACTERS: usize = 3;
/// Names of the service that are context words of every check.
pub const SERVICE_WORDS: usize = 16;
/// Letters and digits that a password must have beside the context words in it.
pub const BESIDE_CONTEXT_CHARACTERS: usize = 8;

/// Longest stored hash in bytes.
pub const HASH_BYTES: usize = 512;
/// Bytes of a new salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a new hash's output.
pub const OUTPUT_BYTES: usize = 32;
/// Shortest output in bytes that is still compared; a shorter one collides by chance.
pub const OUTPUT_MIN_BYTES: usize = 16;
/// Longest output in bytes.
pub const OUTPUT_MAX_BYTES: usize = 128;
/// Longest salt in bytes of a hash that another system made.
pub const LEGACY_SALT_BYTES: usize = 64;
/// Most memory in KiB that hashing or verifying may ask for: 256 MiB.
pub const MEMORY_KIB: u32 = 256 * 1024;
/// Most passes over the memory.
pub const PASSES: u32 = 64;
/// Most lanes.
pub const LANES: u32 = 16;
/// Most memory in KiB times passes: about 1.5 s of one core.
pub const WORK_KIB: u64 = 1024 * 1024;

/// Highest cost of bcrypt, a logarithm: about 1.5 s of one core.
pub const BCRYPT_COST: u32 = 15;
/// Most iterations of PBKDF2 times blocks of output: about 2 s of one core.
pub const PBKDF2_ROUNDS: u32 = 5_000_000;
/// Largest block size (r) of scrypt.
pub const SCRYPT_BLOCK_SIZE: u32 = 64;
/// Most memory in KiB of scrypt times its parallelism: about 1.5 s of one core.
pub const SCRYPT_WORK_KIB: u64 = 512 * 1024;

/// Most hashes at the same time, whatever the configuration says.
pub const POOL_WORKERS: usize = 256;
/// Callers that may wait for a worker, where the configuration names no other number.
pub const POOL_QUEUE: usize = 64;
/// Most callers that may wait, whatever the configuration says.
pub const POOL_QUEUE_CEILING: usize = 4_096;
