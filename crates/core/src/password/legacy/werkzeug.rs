//! Notations of werkzeug, and so of most Flask applications: a method with its parameters, `$`, a salt as text, `$`, hexadecimal
//! digits.

use super::{
    Legacy, decimal,
    digest::Algorithm,
    hex, pbkdf2,
    scrypt::{self, Cost},
};
use crate::password::HashFormatError::{self, Malformed, UnknownFormat};

/// Reads a hash of `method`, such as `pbkdf2:sha256:600000` or `scrypt:32768:8:1`.
pub(super) fn parse(method: &str, text: &str) -> Result<Legacy, HashFormatError> {
    let (salt, output) = text.split_once('$').ok_or(Malformed)?;
    let salt = salt.as_bytes();
    let parts: Vec<&str> = method.splitn(5, ':').collect();
    match parts[..] {
        ["pbkdf2", algorithm, iterations] => {
            let algorithm = Algorithm::by_name(algorithm).ok_or(UnknownFormat)?;
            pbkdf2::legacy(algorithm, decimal(iterations)?, salt, hex(output)?)
        }
        ["scrypt", n, block_size, parallelism] => {
            let cost = Cost::of_n(decimal(n)?, decimal(block_size)?, decimal(parallelism)?)?;
            scrypt::legacy(cost, salt, hex(output)?)
        }
        ["pbkdf2" | "scrypt", ..] => Err(Malformed),
        _ => Err(UnknownFormat),
    }
}
