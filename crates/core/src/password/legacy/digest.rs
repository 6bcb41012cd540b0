//! One digest of the password and perhaps a salt: fast, and therefore weak.

use super::{Derived, Legacy, LegacyScheme};
use crate::password::HashFormatError;
use aws_lc_rs::{digest, hmac};
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    pub(super) const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(super) fn output_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The digest of the parts, one behind the other.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Derived {
        let of = |algorithm| {
            let mut context = digest::Context::new(algorithm);
            parts.iter().for_each(|part| context.update(part));
            Zeroizing::new(context.finish().as_ref().to_vec())
        };
        match self {
            Self::Md5 => {
                let mut context = Md5::new();
                parts.iter().for_each(|part| context.update(part));
                Zeroizing::new(context.finalize().to_vec())
            }
            Self::Sha1 => of(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha256 => of(&digest::SHA256),
            Self::Sha512 => of(&digest::SHA512),
        }
    }

    /// The HMAC under a key; of the two functions that are used in this way.
    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::Md5 | Self::Sha1 => None,
            Self::Sha256 => Some(hmac::HMAC_SHA256),
            Self::Sha512 => Some(hmac::HMAC_SHA512),
        }
    }
}

/// Where the salt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SaltPlace {
    Before,
    After,
    /// It is the key of an HMAC of the password.
    Key,
}

#[derive(Clone)]
pub(in crate::password) struct SaltedDigest {
    pub(super) algorithm: Algorithm,
    pub(super) place: SaltPlace,
    pub(super) salt: Box<[u8]>,
}

/// Hexadecimal digits and nothing else: the function is known by their number.
pub(super) fn parse_bare(text: &str) -> Result<Legacy, HashFormatError> {
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| 2 * algorithm.output_bytes() == text.len());
    let algorithm = algorithm.ok_or(HashFormatError::UnknownFormat)?;
    let output = super::hex(text).map_err(|_| HashFormatError::UnknownFormat)?;
    legacy(algorithm, SaltPlace::Before, &[], output)
}

/// A hash of this function.
pub(super) fn legacy(algorithm: Algorithm, place: SaltPlace, salt: &[u8], output: Vec<u8>) -> Result<Legacy, HashFormatError> {
    if output.len() != algorithm.output_bytes() {
        return Err(HashFormatError::Malformed);
    }
    Ok(Legacy::new(LegacyScheme::Digest(SaltedDigest::new(algorithm, place, super::salt(salt)?)?), output))
}

impl SaltedDigest {
    pub(super) fn new(algorithm: Algorithm, place: SaltPlace, salt: Box<[u8]>) -> Result<Self, HashFormatError> {
        if place == SaltPlace::Key && algorithm.hmac().is_none() {
            return Err(HashFormatError::UnknownFormat);
        }
        Ok(Self { algorithm, place, salt })
    }

    pub(super) fn derive(&self, candidate: &[u8]) -> Derived {
        match (self.place, self.algorithm.hmac()) {
            (SaltPlace::Key, Some(algorithm)) => {
                let key = hmac::Key::new(algorithm, &self.salt);
                Zeroizing::new(hmac::sign(&key, candidate).as_ref().to_vec())
            }
            (SaltPlace::After, _) => self.algorithm.digest(&[candidate, &self.salt]),
            (SaltPlace::Before | SaltPlace::Key, _) => self.algorithm.digest(&[&self.salt, candidate]),
        }
    }
}
