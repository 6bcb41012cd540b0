//! PBKDF2 (RFC 8018).

use super::{Derived, Legacy, LegacyScheme, digest::Algorithm};
use crate::password::{HashFormatError, bounds};
use aws_lc_rs::pbkdf2;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

#[derive(Clone)]
pub(in crate::password) struct Pbkdf2 {
    pub(super) algorithm: Algorithm,
    pub(super) iterations: NonZeroU32,
    pub(super) salt: Box<[u8]>,
    /// Bytes of output.
    pub(super) length: usize,
}

/// A hash of so many iterations.
pub(super) fn legacy(algorithm: Algorithm, iterations: u32, salt: &[u8], output: Vec<u8>) -> Result<Legacy, HashFormatError> {
    let scheme = Pbkdf2::new(algorithm, iterations, super::salt(salt)?, output.len())?;
    Ok(Legacy::new(LegacyScheme::Pbkdf2(scheme), output))
}

impl Pbkdf2 {
    pub(super) fn new(algorithm: Algorithm, iterations: u32, salt: Box<[u8]>, length: usize) -> Result<Self, HashFormatError> {
        use HashFormatError::{AbsurdCost, Malformed};
        prf(algorithm).ok_or(HashFormatError::UnknownFormat)?;
        let iterations = NonZeroU32::new(iterations).ok_or(Malformed)?;
        let length = super::length(length)?;
        // Each block of output takes all iterations again.
        let blocks = u32::try_from(length.div_ceil(algorithm.output_bytes())).map_err(|_| Malformed)?;
        match iterations.get().checked_mul(blocks) {
            Some(rounds) if rounds <= bounds::PBKDF2_ROUNDS => Ok(Self { algorithm, iterations, salt, length }),
            _ => Err(AbsurdCost),
        }
    }

    pub(super) fn derive(&self, candidate: &[u8]) -> Derived {
        let prf = prf(self.algorithm).expect("the algorithm is checked when it is read");
        let mut output = Zeroizing::new(vec![0; self.length]);
        pbkdf2::derive(prf, self.iterations, &self.salt, candidate, &mut output);
        output
    }
}

fn prf(algorithm: Algorithm) -> Option<pbkdf2::Algorithm> {
    match algorithm {
        Algorithm::Md5 => None,
        Algorithm::Sha1 => Some(pbkdf2::PBKDF2_HMAC_SHA1),
        Algorithm::Sha256 => Some(pbkdf2::PBKDF2_HMAC_SHA256),
        Algorithm::Sha512 => Some(pbkdf2::PBKDF2_HMAC_SHA512),
    }
}
