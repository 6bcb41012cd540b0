//! Deriving and verifying stored hashes: one format made today, one place where others are taken in.

use super::{HashParams, Password, bounds};
use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A stored hash that was read and can be verified. Redacted in `Debug`; [`Self::as_str`] is what a record keeps.
#[derive(Clone)]
pub struct PasswordHash {
    text: Box<str>,
    scheme: Scheme,
}

/// Why a stored hash cannot be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashFormatError {
    /// More than 512 bytes.
    #[error("a password hash has at most {} bytes", bounds::HASH_BYTES)]
    TooLong,
    /// No format that is verified here.
    #[error("the format of the password hash is unknown")]
    UnknownFormat,
    /// A known format with something missing, doubled or out of place.
    #[error("the password hash is malformed")]
    Malformed,
    /// Its parameters ask for more memory or time than is ever spent.
    #[error("the parameters of the password hash cost too much")]
    AbsurdCost,
}

impl PasswordHash {
    /// Reads a hash in the PHC string format (`$argon2id$...`). Derives nothing, so that a hostile one costs nothing.
    ///
    /// # Errors
    /// [`HashFormatError`]. What reads without error verifies within the bounds of memory and time.
    pub fn parse(text: &str) -> Result<Self, HashFormatError> {
        if text.len() > bounds::HASH_BYTES {
            return Err(HashFormatError::TooLong);
        }
        Ok(Self { scheme: Scheme::parse(text)?, text: text.into() })
    }

    /// The text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Memory in KiB that one verification takes.
    #[must_use]
    pub fn memory_kib(&self) -> u32 {
        match &self.scheme {
            Scheme::Argon2id(hash) => hash.params.memory_kib,
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// How a stored hash was made. A format that is only read gets a variant here and its line in each of the matches.
#[derive(Clone)]
enum Scheme {
    Argon2id(Argon2idHash),
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, HashFormatError> {
        match text.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
            Some(("argon2id", _)) => Argon2idHash::parse(text).map(Self::Argon2id),
            _ => Err(HashFormatError::UnknownFormat),
        }
    }

    fn matches(&self, candidate: &[u8]) -> Result<bool, OutOfMemory> {
        match self {
            Self::Argon2id(hash) => hash.matches(candidate),
        }
    }

    fn needs_rehash(&self, params: &HashParams) -> bool {
        match self {
            Self::Argon2id(hash) => {
                hash.version != Version::V0x13
                    || hash.params.is_weaker_than(params)
                    || hash.output.len() < bounds::OUTPUT_BYTES
                    || hash.salt.len() < bounds::SALT_BYTES
            }
        }
    }
}

#[derive(Clone)]
struct Argon2idHash {
    version: Version,
    params: HashParams,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

impl Argon2idHash {
    fn parse(text: &str) -> Result<Self, HashFormatError> {
        use HashFormatError::{AbsurdCost, Malformed};
        let read = phc::PasswordHash::new(text).map_err(|_| Malformed)?;
        let cost = |name: &str| read.params.get_decimal(name).ok_or(Malformed);
        let params = HashParams { memory_kib: cost("m")?, passes: cost("t")?, lanes: cost("p")? };
        // A parameter beside these three (a key id, associated data) would change the result in ways we do not know.
        if read.params.iter().count() != 3 || params.passes == 0 || params.lanes == 0 {
            return Err(Malformed);
        }
        if params.is_absurd() {
            return Err(AbsurdCost);
        }
        if params.memory_kib < 8 * params.lanes {
            return Err(Malformed);
        }
        // Without a version the string is from before version 1.3 of the algorithm.
        let version = Version::try_from(read.version.unwrap_or(0x10)).map_err(|_| Malformed)?;
        let output = read.hash.ok_or(Malformed)?;
        if output.len() < bounds::OUTPUT_MIN_BYTES {
            return Err(Malformed);
        }
        let salt = read.salt.ok_or(Malformed)?;
        Ok(Self { version, params, salt: salt.as_ref().into(), output: output.as_bytes().into() })
    }

    fn matches(&self, candidate: &[u8]) -> Result<bool, OutOfMemory> {
        let output = derive(self.version, &self.params, &self.salt, candidate, self.output.len())?;
        Ok(output.ct_eq(&self.output).into())
    }

    fn text(&self) -> String {
        let HashParams { memory_kib, passes, lanes } = self.params;
        let (salt, output) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.output));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }
}

impl From<Argon2idHash> for PasswordHash {
    fn from(hash: Argon2idHash) -> Self {
        Self { text: hash.text().into(), scheme: Scheme::Argon2id(hash) }
    }
}

/// The machine did not give the memory for one hash; nothing was derived and a retry is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for a password hash")]
pub struct OutOfMemory;

fn derive(
    version: Version,
    params: &HashParams,
    salt: &[u8],
    password: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, OutOfMemory> {
    #[cfg(test)]
    tests::DERIVED.set(tests::DERIVED.get() + u64::from(params.memory_kib) * u64::from(params.passes));
    let checked = Params::new(params.memory_kib, params.passes, params.lanes, Some(length));
    let argon2 = Argon2::new(Algorithm::Argon2id, version, checked.expect("parameters are checked when they are read"));
    let mut output = Zeroizing::new(vec![0; length]);
    match argon2.hash_password_into(password, salt, &mut output) {
        Ok(()) => Ok(output),
        Err(argon2::Error::OutOfMemory) => Err(OutOfMemory),
        Err(other) => unreachable!("lengths are checked when they are read: {other}"),
    }
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Whether the password is the one behind the hash.
    pub valid: bool,
    /// Whether the password is valid and its hash weaker than those made today: hash it again now that it is known.
    pub needs_rehash: bool,
}

/// Derives and verifies on the calling thread. A server goes through [`super::HashPool`], which bounds how many do so at once.
#[derive(Debug, Clone)]
pub struct Hasher {
    params: HashParams,
    stand_in: PasswordHash,
}

impl Hasher {
    /// A hasher that makes hashes of this cost.
    #[must_use]
    pub fn new(params: HashParams) -> Self {
        // Nobody knows a password behind a random output, and drawing one costs no derivation at start.
        let stand_in = Argon2idHash {
            version: Version::V0x13,
            params,
            salt: crate::id::random::<{ bounds::SALT_BYTES }>().into(),
            output: crate::id::random::<{ bounds::OUTPUT_BYTES }>().into(),
        };
        Self { params, stand_in: stand_in.into() }
    }

    /// The cost of new hashes.
    #[must_use]
    pub fn params(&self) -> &HashParams {
        &self.params
    }

    /// Hashes a password, in NFKC and under a fresh salt.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn hash(&self, password: &Password) -> Result<PasswordHash, OutOfMemory> {
        let salt = crate::id::random::<{ bounds::SALT_BYTES }>();
        let output = derive(Version::V0x13, &self.params, &salt, password.normalized().as_bytes(), bounds::OUTPUT_BYTES)?;
        let hash =
            Argon2idHash { version: Version::V0x13, params: self.params, salt: salt.into(), output: output.as_slice().into() };
        Ok(hash.into())
    }

    /// Verifies a password: first its bytes as typed, since an imported hash knows nothing of Unicode, then, where that differs,
    /// in NFKC. So a text that is not in NFKC costs twice when it is wrong.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<Verification, OutOfMemory> {
        let normalized = password.normalized();
        let mut valid = hash.scheme.matches(password.raw())?;
        if !valid && normalized.as_bytes() != password.raw() {
            valid = hash.scheme.matches(normalized.as_bytes())?;
        }
        Ok(Verification { valid, needs_rehash: valid && hash.scheme.needs_rehash(&self.params) })
    }

    /// Verifies, or, where there is no user and so no hash, does the same work against a stand-in of today's cost and says no:
    /// how long an answer takes does not tell who has an account.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn verify_or_burn(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verification, OutOfMemory> {
        let found = self.verify(password, hash.unwrap_or(&self.stand_in))?;
        Ok(if hash.is_some() { found } else { Verification { valid: false, needs_rehash: false } })
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(HashParams::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// KiB times passes derived by this thread.
        pub(super) static DERIVED: Cell<u64> = const { Cell::new(0) };
    }

    const VALID: Verification = Verification { valid: true, needs_rehash: false };
    const WRONG: Verification = Verification { valid: false, needs_rehash: false };

    fn password(text: &str) -> Password {
        Password::new(text).expect("at most 1,024 bytes")
    }

    fn cheap() -> Hasher {
        Hasher::new(HashParams::cheap())
    }

    fn verify(hasher: &Hasher, text: &str, hash: &PasswordHash) -> Verification {
        hasher.verify(&password(text), hash).expect("64 KiB")
    }

    // S78
    #[test]
    fn passwords_that_differ_only_behind_byte_72_do_not_match() {
        let hasher = cheap();
        for beginning in ["a".repeat(72), "ü".repeat(36), "x".repeat(1_000)] {
            let hash = hasher.hash(&password(&format!("{beginning}1"))).expect("64 KiB");
            assert_eq!(verify(&hasher, &format!("{beginning}1"), &hash), VALID);
            assert_eq!(verify(&hasher, &format!("{beginning}2"), &hash), WRONG);
            assert_eq!(verify(&hasher, &beginning, &hash), WRONG);
        }
        let hash = hasher.hash(&password("before\0behind")).expect("64 KiB");
        assert_eq!(verify(&hasher, "before\0other", &hash), WRONG);
    }

    // S81
    #[test]
    fn composed_and_decomposed_forms_of_one_password_verify() {
        let hasher = cheap();
        let forms =
            ["caf\u{e9} \u{fb01}n 5 \u{1f98a}", "cafe\u{301} \u{fb01}n 5 \u{1f98a}", "cafe\u{301} fin \u{ff15} \u{1f98a}"];
        for made in forms {
            let hash = hasher.hash(&password(made)).expect("64 KiB");
            for typed in forms {
                assert_eq!(verify(&hasher, typed, &hash), VALID, "{made:?} {typed:?}");
            }
            assert_eq!(verify(&hasher, "cafe fin 5 \u{1f98a}", &hash), WRONG);
        }
    }

    // S81
    #[test]
    fn a_hash_of_unnormalized_bytes_verifies_as_typed() {
        let hasher = cheap();
        let (typed, salt) = ("cafe\u{301}", [7; 16]);
        let output = derive(Version::V0x13, &hasher.params, &salt, typed.as_bytes(), 32).expect("64 KiB");
        let foreign = Argon2idHash {
            version: Version::V0x13,
            params: hasher.params,
            salt: salt.into(),
            output: output.as_slice().into(),
        };
        assert_eq!(verify(&hasher, typed, &foreign.clone().into()), VALID);
        assert_eq!(verify(&hasher, "caf\u{e9}", &foreign.into()), WRONG);
    }

    // S82
    #[test]
    fn a_stored_hash_is_a_phc_string_of_the_full_cost() {
        let hasher = Hasher::default();
        let made = hasher.hash(&password("correct horse battery staple")).expect("19 MiB");
        let read = phc::PasswordHash::new(made.as_str()).expect("a PHC string");
        assert!(made.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", made.as_str());
        assert_eq!(read.salt.map(|salt| salt.as_ref().len()), Some(16));
        assert_eq!(read.hash.map(|output| output.len()), Some(32));
        let stored = PasswordHash::parse(made.as_str()).expect("what we made");
        assert_eq!(verify(&hasher, "correct horse battery staple", &stored), VALID);
        assert_eq!(verify(&hasher, "correct horse battery stapler", &stored), WRONG);
        let again = hasher.hash(&password("correct horse battery staple")).expect("19 MiB");
        assert_ne!(again.as_str(), made.as_str());
        assert_eq!(format!("{made:?} {hasher:?}").matches("redacted").count(), 2);
    }

    // S82
    #[test]
    fn a_weaker_hash_asks_for_a_rehash_once_it_is_verified() {
        let (weak, strong) = (cheap(), Hasher::new(HashParams { memory_kib: 128, ..HashParams::cheap() }));
        let hash = weak.hash(&password("a password of old")).expect("64 KiB");
        assert_eq!(verify(&strong, "a password of old", &hash), Verification { valid: true, needs_rehash: true });
        assert_eq!(verify(&strong, "another password", &hash), WRONG);
        let hash = strong.hash(&password("a password of old")).expect("128 KiB");
        assert_eq!(verify(&weak, "a password of old", &hash), VALID, "a stronger hash is never weakened");
    }

    #[test]
    fn a_known_answer_of_another_implementation_verifies() {
        // The vector of the reference implementation's test suite: argon2id, version 1.3, "password", "somesalt".
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hash = PasswordHash::parse(text).expect("a PHC string");
        assert_eq!(
            verify(&cheap(), "password", &hash),
            Verification { valid: true, needs_rehash: true },
            "its salt has 8 bytes"
        );
        assert_eq!(verify(&cheap(), "differentpassword", &hash), WRONG);
    }

    #[test]
    fn unreadable_hashes_are_refused_without_work() {
        use HashFormatError::{AbsurdCost, Malformed, TooLong, UnknownFormat};
        let tail = "c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let cases = [
            (String::new(), UnknownFormat),
            ("plain".into(), UnknownFormat),
            ("$2b$12$abcdefghijklmnopqrstuv".into(), UnknownFormat),
            (format!("$argon2i$v=19$m=64,t=1,p=1${tail}"), UnknownFormat),
            (format!("$argon2id$v=19$m=64,t=1,p=1${}", "A".repeat(600)), TooLong),
            ("$argon2id$".into(), Malformed),
            ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA".into(), Malformed),
            ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/g".into(), Malformed),
            (format!("$argon2id$v=19$m=64,t=1${tail}"), Malformed),
            (format!("$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA${tail}"), Malformed),
            (format!("$argon2id$v=19$m=64,m=64,t=1,p=1${tail}"), Malformed),
            (format!("$argon2id$v=17$m=64,t=1,p=1${tail}"), Malformed),
            (format!("$argon2id$v=19$m=7,t=1,p=1${tail}"), Malformed),
            (format!("$argon2id$v=19$m=64,t=0,p=1${tail}"), Malformed),
            (format!("$argon2id$v=19$m=64,t=1,p=9${tail}"), Malformed),
            (format!("$argon2id$v=19$m=64,t=1,p=1${tail}$more"), Malformed),
            (format!("$argon2id$v=19$m=4194304,t=1,p=1${tail}"), AbsurdCost),
            (format!("$argon2id$v=19$m=64,t=4294967295,p=1${tail}"), AbsurdCost),
            (format!("$argon2id$v=19$m=262144,t=5,p=1${tail}"), AbsurdCost),
            (format!("$argon2id$v=19$m=4294967295,t=1,p=16777215${tail}"), AbsurdCost),
        ];
        let before = DERIVED.get();
        for (text, expected) in cases {
            assert_eq!(PasswordHash::parse(&text).err(), Some(expected), "{text}");
        }
        assert_eq!(DERIVED.get(), before);
        assert!(PasswordHash::parse(&format!("$argon2id$m=64,t=1,p=1${tail}")).is_ok(), "no version is version 1.0");
    }

    // S84
    #[test]
    fn an_unknown_user_costs_the_work_of_a_wrong_password() {
        let hasher = Hasher::new(HashParams { memory_kib: 96, passes: 3, lanes: 1 });
        let hash = hasher.hash(&password("the right password")).expect("96 KiB");
        let work = |text: &str, hash: Option<&PasswordHash>| {
            let before = DERIVED.get();
            let found = hasher.verify_or_burn(&password(text), hash).expect("96 KiB");
            (found, DERIVED.get() - before)
        };
        assert_eq!(work("a wrong password", Some(&hash)), (WRONG, 96 * 3));
        assert_eq!(work("a wrong password", None), (WRONG, 96 * 3));
        assert_eq!(work("cafe\u{301}", Some(&hash)), (WRONG, 2 * 96 * 3));
        assert_eq!(work("cafe\u{301}", None), (WRONG, 2 * 96 * 3));
        assert_eq!(work("the right password", Some(&hash)).0, VALID);
        assert_eq!(work("the right password", None).0, WRONG);
        assert_eq!(hasher.stand_in.as_str().len(), hash.as_str().len());
    }
}
