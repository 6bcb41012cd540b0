//! Notations of Django: a name, `$`, and what the hasher of that name keeps. Salts are text and taken as such.

use super::{
    Legacy, base64,
    bcrypt::{self, Input},
    decimal,
    digest::{self, Algorithm, SaltPlace},
    hex, pbkdf2,
    scrypt::{self, Cost},
};
use crate::password::HashFormatError::{self, Malformed, UnknownFormat};

/// Reads the hash of the hasher `name`.
pub(super) fn parse(name: &str, text: &str) -> Result<Legacy, HashFormatError> {
    match name {
        "pbkdf2_sha256" => parse_pbkdf2(Algorithm::Sha256, text),
        "pbkdf2_sha1" => parse_pbkdf2(Algorithm::Sha1, text),
        "scrypt" => parse_scrypt(text),
        "bcrypt" => bcrypt::parse(Input::Password, text.strip_prefix('$').ok_or(Malformed)?),
        "bcrypt_sha256" => bcrypt::parse(Input::Sha256, text.strip_prefix('$').ok_or(Malformed)?),
        "md5" => parse_digest(Algorithm::Md5, SaltPlace::Before, text),
        "sha1" => parse_digest(Algorithm::Sha1, SaltPlace::Before, text),
        // No hasher of Django: werkzeug before version 3 wrote these, and made an HMAC of them.
        "sha256" => parse_digest(Algorithm::Sha256, SaltPlace::Key, text),
        "sha512" => parse_digest(Algorithm::Sha512, SaltPlace::Key, text),
        _ => Err(UnknownFormat),
    }
}

/// `iterations$salt$output`
fn parse_pbkdf2(algorithm: Algorithm, text: &str) -> Result<Legacy, HashFormatError> {
    let (iterations, rest) = text.split_once('$').ok_or(Malformed)?;
    let (salt, output) = rest.split_once('$').ok_or(Malformed)?;
    pbkdf2::legacy(algorithm, decimal(iterations)?, salt.as_bytes(), base64(output)?)
}

/// `N$salt$r$p$output`
fn parse_scrypt(text: &str) -> Result<Legacy, HashFormatError> {
    let parts: Vec<&str> = text.splitn(6, '$').collect();
    let [n, salt, block_size, parallelism, output] = parts[..] else { return Err(Malformed) };
    let cost = Cost::of_n(decimal(n)?, decimal(block_size)?, decimal(parallelism)?)?;
    scrypt::legacy(cost, salt.as_bytes(), base64(output)?)
}

/// `salt$output`; the salt may be empty.
fn parse_digest(algorithm: Algorithm, place: SaltPlace, text: &str) -> Result<Legacy, HashFormatError> {
    let (salt, output) = text.split_once('$').ok_or(Malformed)?;
    digest::legacy(algorithm, place, salt.as_bytes(), hex(output)?)
}
