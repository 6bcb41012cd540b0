//! Hashes that other systems made. They are read, verified and wrapped, and never made here.
//!
//! A file for each way of deriving ([`bcrypt`], [`scrypt`], [`pbkdf2`], [`digest`]) and one for each family of notations
//! ([`modular`], [`django`], [`werkzeug`], [`ldap`]); [`segment`] is how a wrapped hash names what it wraps.
//!
//! Deliberately absent: DES crypt, `$1$`, `$5$` and `$6$` of Unix, and everything that needs a key beside the hash.

mod bcrypt;
mod digest;
mod django;
mod ldap;
mod modular;
mod pbkdf2;
mod scrypt;
mod segment;
mod werkzeug;

#[cfg(test)]
mod tests;

use self::{bcrypt::Bcrypt, digest::SaltedDigest, pbkdf2::Pbkdf2, scrypt::Scrypt};
use super::{
    HashFormatError,
    argon2::{OutOfMemory, Setting},
    bounds,
    memory::Memory,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What a derivation gives. It stands for the password, so it is wiped.
pub(super) type Derived = Zeroizing<Vec<u8>>;

/// A hash of another system: how it was made, and what came out.
#[derive(Clone)]
pub(super) struct Legacy {
    pub(super) scheme: LegacyScheme,
    output: Derived,
}

/// Everything that decides what comes out, but for the password.
#[derive(Clone)]
pub(super) enum LegacyScheme {
    Argon2(Setting),
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
    Digest(SaltedDigest),
    /// The password itself.
    Plain,
}

impl Legacy {
    /// Reads a hash, by how it begins. Derives nothing.
    pub(super) fn parse(text: &str) -> Result<Self, HashFormatError> {
        if let Some(rest) = text.strip_prefix('$') {
            return modular::parse(rest);
        }
        if let Some((scheme, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            return ldap::parse(scheme, rest);
        }
        match text.split_once('$') {
            Some((head, rest)) if head.contains(':') => werkzeug::parse(head, rest),
            Some((head, rest)) => django::parse(head, rest),
            None => digest::parse_bare(text),
        }
    }

    fn new(scheme: LegacyScheme, output: impl Into<Vec<u8>>) -> Self {
        Self { scheme, output: Zeroizing::new(output.into()) }
    }

    pub(super) fn matches(&self, candidate: &[u8], memory: &Memory) -> Result<bool, OutOfMemory> {
        Ok(self.scheme.derive(candidate, memory)?.is_some_and(|output| output.ct_eq(&self.output).into()))
    }

    /// What came out, which is the password to a hash around this one.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }
}

impl LegacyScheme {
    /// `None`, after the same work, for a password that the scheme cannot tell from another.
    pub(super) fn derive(&self, candidate: &[u8], memory: &Memory) -> Result<Option<Derived>, OutOfMemory> {
        Ok(match self {
            Self::Argon2(setting) => Some(setting.derive(candidate, memory)?),
            Self::Bcrypt(bcrypt) => bcrypt.derive(candidate),
            Self::Scrypt(scrypt) => Some(scrypt.derive(candidate)),
            Self::Pbkdf2(pbkdf2) => Some(pbkdf2.derive(candidate)),
            Self::Digest(digest) => Some(digest.derive(candidate)),
            Self::Plain => Some(Zeroizing::new(candidate.to_vec())),
        })
    }

    /// Memory of one derivation in KiB, in whole ones; next to nothing counts as nothing.
    pub(super) fn memory_kib(&self) -> u32 {
        match self {
            Self::Argon2(setting) => setting.params.memory_kib,
            Self::Scrypt(scrypt) => scrypt.memory_kib(),
            Self::Bcrypt(_) | Self::Pbkdf2(_) | Self::Digest(_) | Self::Plain => 0,
        }
    }
}

/// A number in decimal digits and nothing else: `FromStr` would take a sign too.
fn decimal<T: std::str::FromStr>(text: &str) -> Result<T, HashFormatError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HashFormatError::Malformed);
    }
    // Digits that do not fit any more are a number that nobody means.
    text.parse().map_err(|_| HashFormatError::AbsurdCost)
}

/// Base64 of the standard alphabet, padded or not.
fn base64(text: &str) -> Result<Vec<u8>, HashFormatError> {
    const EITHER: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, EITHER).decode(text).map_err(|_| HashFormatError::Malformed)
}

/// Hexadecimal digits of either case.
fn hex(text: &str) -> Result<Vec<u8>, HashFormatError> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<u8>>>();
    bytes.filter(|_| rest.is_empty()).ok_or(HashFormatError::Malformed)
}

/// A salt within its bound.
fn salt(bytes: impl Into<Box<[u8]>>) -> Result<Box<[u8]>, HashFormatError> {
    let bytes = bytes.into();
    if bytes.len() > bounds::LEGACY_SALT_BYTES { Err(HashFormatError::Malformed) } else { Ok(bytes) }
}

/// The length of an output within its bounds: a shorter one collides by chance.
fn length(bytes: usize) -> Result<usize, HashFormatError> {
    let allowed = bounds::OUTPUT_MIN_BYTES..=bounds::OUTPUT_MAX_BYTES;
    if allowed.contains(&bytes) { Ok(bytes) } else { Err(HashFormatError::Malformed) }
}
