//! Notations of LDAP directories (RFC 2307): a scheme in braces, of either case.

use super::{
    Legacy, LegacyScheme, base64,
    digest::{self, Algorithm, SaltPlace},
    modular,
};
use crate::password::HashFormatError::{self, Malformed, UnknownFormat};

/// Reads a hash of `scheme`.
pub(super) fn parse(scheme: &str, text: &str) -> Result<Legacy, HashFormatError> {
    match scheme.to_ascii_uppercase().as_str() {
        "MD5" => unsalted(Algorithm::Md5, text),
        "SHA" => unsalted(Algorithm::Sha1, text),
        "SHA256" => unsalted(Algorithm::Sha256, text),
        "SHA512" => unsalted(Algorithm::Sha512, text),
        "SMD5" => salted(Algorithm::Md5, text),
        "SSHA" => salted(Algorithm::Sha1, text),
        "SSHA256" => salted(Algorithm::Sha256, text),
        "SSHA512" => salted(Algorithm::Sha512, text),
        "PLAIN" | "PLAINTEXT" | "CLEARTEXT" => Ok(Legacy::new(LegacyScheme::Plain, text)),
        "CRYPT" | "BCRYPT" => modular::parse(text.strip_prefix('$').ok_or(UnknownFormat)?),
        _ => Err(UnknownFormat),
    }
}

fn unsalted(algorithm: Algorithm, text: &str) -> Result<Legacy, HashFormatError> {
    digest::legacy(algorithm, SaltPlace::After, &[], base64(text)?)
}

/// The salt stands behind the output.
fn salted(algorithm: Algorithm, text: &str) -> Result<Legacy, HashFormatError> {
    let mut output = base64(text)?;
    let length = algorithm.output_bytes();
    if output.len() <= length {
        return Err(Malformed);
    }
    let salt = output.split_off(length);
    digest::legacy(algorithm, SaltPlace::After, &salt, output)
}
