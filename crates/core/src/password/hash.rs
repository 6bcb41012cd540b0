//! Stored hashes: reading, verifying and making them, and wrapping those that are too weak to be kept.

use super::{
    HashParams, OutOfMemory, Password,
    argon2::{Argon2Hash, Setting},
    bounds,
    legacy::{Legacy, LegacyScheme},
    memory::Memory,
};
use std::{fmt, sync::Arc};

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

impl HashFormatError {
    /// The stable word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::UnknownFormat => "unknown_format",
            Self::Malformed => "malformed",
            Self::AbsurdCost => "absurd_cost",
        }
    }
}

impl PasswordHash {
    /// Reads a hash: argon2 in the PHC string format, a wrapped hash, or one of the formats of other systems that
    /// `docs/passwords.md` lists. Derives nothing, so that a hostile one costs nothing.
    ///
    /// # Errors
    /// [`HashFormatError`]. What reads without error verifies within the bounds of memory and time.
    pub fn parse(text: &str) -> Result<Self, HashFormatError> {
        if text.len() > bounds::HASH_BYTES {
            return Err(HashFormatError::TooLong);
        }
        // Django writes its word in front of the string.
        let text = text.strip_prefix("argon2").filter(|rest| rest.starts_with("$argon2")).unwrap_or(text);
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
            Scheme::Argon2(hash) => hash.setting.params.memory_kib,
            Scheme::Wrapped(Wrapped { outer, inner }) => outer.setting.params.memory_kib.max(inner.memory_kib()),
            Scheme::Legacy(legacy) => legacy.scheme.memory_kib(),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// How a stored hash was made.
#[derive(Clone)]
enum Scheme {
    Argon2(Argon2Hash),
    Wrapped(Wrapped),
    Legacy(Legacy),
}

/// argon2id of what another scheme makes of the password: nothing at rest is weaker than argon2id, though nobody knows the
/// password. Its text is the PHC string of the outer hash, and behind one more `$` the inner scheme without its output.
#[derive(Clone)]
struct Wrapped {
    outer: Argon2Hash,
    inner: LegacyScheme,
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, HashFormatError> {
        if !text.starts_with("$argon2") {
            return Legacy::parse(text).map(Self::Legacy);
        }
        // `$argon2id$v=19$m=...$salt$output`, and perhaps one part more.
        match text.match_indices('$').nth(5) {
            Some((end, _)) => Wrapped::parse(&text[..end], &text[end + 1..]).map(Self::Wrapped),
            None => Argon2Hash::parse(text).map(Self::Argon2),
        }
    }

    fn matches(&self, candidate: &[u8], memory: &Memory) -> Result<bool, OutOfMemory> {
        match self {
            Self::Argon2(hash) => hash.matches(candidate, memory),
            Self::Wrapped(wrapped) => wrapped.matches(candidate, memory),
            Self::Legacy(legacy) => legacy.matches(candidate, memory),
        }
    }

    fn needs_rehash(&self, params: &HashParams) -> bool {
        match self {
            Self::Argon2(hash) => !hash.setting.is_as_strong_as(params),
            Self::Wrapped(_) | Self::Legacy(_) => true,
        }
    }

    /// The work of a verification in KiB times passes, where it is argon2's.
    fn work_kib(&self) -> u64 {
        match self {
            Self::Argon2(hash) | Self::Wrapped(Wrapped { outer: hash, .. }) => hash.setting.params.work_kib(),
            Self::Legacy(_) => 0,
        }
    }
}

impl Wrapped {
    fn parse(outer: &str, inner: &str) -> Result<Self, HashFormatError> {
        Ok(Self { outer: Argon2Hash::parse(outer)?, inner: LegacyScheme::parse(inner)? })
    }

    fn matches(&self, candidate: &[u8], memory: &Memory) -> Result<bool, OutOfMemory> {
        match self.inner.derive(candidate, memory)? {
            Some(output) => self.outer.matches(&output, memory),
            // The same work for a password that the inner scheme does not take.
            None => self.outer.matches(&[], memory).map(|_| false),
        }
    }
}

impl From<Argon2Hash> for PasswordHash {
    fn from(hash: Argon2Hash) -> Self {
        Self { text: hash.text().into(), scheme: Scheme::Argon2(hash) }
    }
}

impl From<Wrapped> for PasswordHash {
    fn from(wrapped: Wrapped) -> Self {
        Self { text: format!("{}${}", wrapped.outer.text(), wrapped.inner).into(), scheme: Scheme::Wrapped(wrapped) }
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

/// Derives and verifies on the calling thread, in memory that it keeps for the next hash; a clone has the same. A server goes through [`super::HashPool`], which bounds how many do so at once.
#[derive(Debug, Clone)]
pub struct Hasher {
    params: HashParams,
    stand_in: PasswordHash,
    memory: Arc<Memory>,
}

impl Hasher {
    /// A hasher that makes hashes of this cost.
    #[must_use]
    pub fn new(params: HashParams) -> Self {
        let memory = Arc::new(Memory::new(params.memory_kib as usize));
        Self { params, stand_in: Argon2Hash::of_nothing(params).into(), memory }
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
        Ok(self.make(password.normalized().as_bytes())?.into())
    }

    /// Makes a hash fit to be kept without knowing its password: what is weaker than argon2id as it is made today becomes the
    /// input of such a hash. It verifies the same password, and a login can then replace it by a plain one.
    ///
    /// What is strong enough, or wrapped already, comes back as it is.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn wrap(&self, hash: &PasswordHash) -> Result<PasswordHash, OutOfMemory> {
        let (inner, output) = match &hash.scheme {
            Scheme::Wrapped(_) => return Ok(hash.clone()),
            Scheme::Argon2(strong) if strong.setting.is_as_strong_as(&self.params) => return Ok(hash.clone()),
            Scheme::Argon2(weak) => (LegacyScheme::Argon2(weak.setting.clone()), weak.output()),
            Scheme::Legacy(legacy) => (legacy.scheme.clone(), legacy.output()),
        };
        Ok(Wrapped { outer: self.make(output)?, inner }.into())
    }

    fn make(&self, input: &[u8]) -> Result<Argon2Hash, OutOfMemory> {
        Argon2Hash::make(Setting::fresh(self.params), input, &self.memory)
    }

    /// Verifies a password: first its bytes as typed, since an imported hash knows nothing of Unicode, then, where that differs,
    /// in NFKC. So a text that is not in NFKC costs twice when it is wrong.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn verify(&self, password: &Password, hash: &PasswordHash) -> Result<Verification, OutOfMemory> {
        let normalized = password.normalized();
        let mut valid = hash.scheme.matches(password.raw(), &self.memory)?;
        if !valid && normalized.as_bytes() != password.raw() {
            valid = hash.scheme.matches(normalized.as_bytes(), &self.memory)?;
        }
        Ok(Verification { valid, needs_rehash: valid && hash.scheme.needs_rehash(&self.params) })
    }

    /// Verifies, or, where there is no user and so no hash, does the same work against a stand-in of today's cost and says no:
    /// how long an answer takes does not tell who has an account. A hash from when hashing cost less is made up for too; one that
    /// costs more, because it wraps another, shows until its owner logs in.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn verify_or_burn(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verification, OutOfMemory> {
        let Some(hash) = hash else {
            self.verify(password, &self.stand_in)?;
            return Ok(Verification { valid: false, needs_rehash: false });
        };
        let found = self.verify(password, hash)?;
        if !found.valid {
            self.burn(self.params.work_kib().saturating_sub(hash.scheme.work_kib()))?;
        }
        Ok(found)
    }

    /// Works as long as argon2 does for so many KiB times passes, at most as long as for one hash.
    fn burn(&self, work_kib: u64) -> Result<(), OutOfMemory> {
        let memory_kib = work_kib / u64::from(self.params.passes);
        let Ok(memory_kib @ 1..) = u32::try_from(memory_kib) else { return Ok(()) };
        let params = HashParams { memory_kib: memory_kib.max(8 * self.params.lanes), ..self.params };
        Setting::fresh(params).derive(&[], &self.memory).map(drop)
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(HashParams::default())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::argon2::tests::DERIVED, *};
    use ::argon2::password_hash::phc;

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
        let typed = "cafe\u{301}";
        let foreign = hasher.make(typed.as_bytes()).expect("64 KiB");
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
            (format!("$argon2x$v=19$m=64,t=1,p=1${tail}"), UnknownFormat),
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
