//! bcrypt.

use super::{Derived, Legacy, LegacyScheme, digest::Algorithm};
use crate::password::{HashFormatError, bounds};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Bytes of a password that bcrypt reads.
const READ_BYTES: usize = 72;
/// Characters of the salt in front of the output.
const SALT_CHARACTERS: usize = 22;
/// Bytes of output that are kept: the algorithm's last byte never was.
const OUTPUT_BYTES: usize = 23;

/// What of the password is given to bcrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// The password.
    Password,
    /// Its SHA-256 in hexadecimal digits, as Django's `bcrypt_sha256` does.
    Sha256,
}

#[derive(Clone)]
pub(in crate::password) struct Bcrypt {
    pub(super) input: Input,
    pub(super) cost: u32,
    pub(super) salt: [u8; 16],
}

/// Reads what follows the first `$`: `2b$12$` with 22 characters of salt and 31 of output. The versions a, b and y differ in
/// faults of old implementations, none of which concerns passwords of up to 72 bytes; x had a fault that does, and is unknown.
pub(super) fn parse(input: Input, text: &str) -> Result<Legacy, HashFormatError> {
    use HashFormatError::{Malformed, UnknownFormat};
    let (version, rest) = text.split_once('$').ok_or(Malformed)?;
    if !matches!(version, "2a" | "2b" | "2y") {
        return Err(UnknownFormat);
    }
    let (cost, rest) = rest.split_once('$').ok_or(Malformed)?;
    let (salt, output) = rest.split_at_checked(SALT_CHARACTERS).ok_or(Malformed)?;
    let salt = decode(salt)?.try_into().map_err(|_| Malformed)?;
    let scheme = Bcrypt::new(input, super::decimal(cost)?, salt)?;
    let output = decode(output)?;
    if output.len() != OUTPUT_BYTES {
        return Err(Malformed);
    }
    Ok(Legacy::new(LegacyScheme::Bcrypt(scheme), output))
}

/// bcrypt's own alphabet. Some libraries left what is beyond the last byte to chance.
fn decode(text: &str) -> Result<Vec<u8>, HashFormatError> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::BCRYPT, LENIENT).decode(text).map_err(|_| HashFormatError::Malformed)
}

impl Bcrypt {
    pub(super) fn new(input: Input, cost: u32, salt: [u8; 16]) -> Result<Self, HashFormatError> {
        match cost {
            0..4 => Err(HashFormatError::Malformed),
            4..=bounds::BCRYPT_COST => Ok(Self { input, cost, salt }),
            _ => Err(HashFormatError::AbsurdCost),
        }
    }

    /// `None` for a password of more than 72 bytes, of which bcrypt reads the first 72: whoever knew those would be let in.
    pub(super) fn derive(&self, candidate: &[u8]) -> Option<Derived> {
        match self.input {
            Input::Password => {
                let read = &candidate[..candidate.len().min(READ_BYTES)];
                Some(self.derive_from(read)).filter(|_| read.len() == candidate.len())
            }
            Input::Sha256 => {
                let digest = Algorithm::Sha256.digest(&[candidate]);
                let digits = digest.iter().fold(Zeroizing::new(String::with_capacity(64)), |mut digits, byte| {
                    digits.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
                    digits.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
                    digits
                });
                Some(self.derive_from(digits.as_bytes()))
            }
        }
    }

    fn derive_from(&self, read: &[u8]) -> Derived {
        // A NUL ends what is shorter than all of it.
        let mut key = Zeroizing::new([0; READ_BYTES]);
        key[..read.len()].copy_from_slice(read);
        let length = (read.len() + 1).min(READ_BYTES);
        let output = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, &key[..length]));
        Zeroizing::new(output[..OUTPUT_BYTES].to_vec())
    }
}
