//! Notations that begin with `$`: bcrypt's, passlib's, and the PHC string format.

use super::{
    Legacy, base64,
    bcrypt::{self, Input},
    decimal,
    digest::Algorithm,
    pbkdf2,
    scrypt::{self, Cost},
};
use crate::password::HashFormatError::{self, Malformed, UnknownFormat};

/// Reads what follows the first `$`.
pub(super) fn parse(text: &str) -> Result<Legacy, HashFormatError> {
    let (name, rest) = text.split_once('$').ok_or(UnknownFormat)?;
    match name {
        "2a" | "2b" | "2y" => bcrypt::parse(Input::Password, text),
        "scrypt" => parse_scrypt(rest),
        "pbkdf2" | "pbkdf2-sha1" => parse_pbkdf2(Algorithm::Sha1, rest),
        "pbkdf2-sha256" => parse_pbkdf2(Algorithm::Sha256, rest),
        "pbkdf2-sha512" => parse_pbkdf2(Algorithm::Sha512, rest),
        _ => Err(UnknownFormat),
    }
}

/// Exactly three parts between `$`.
fn three(text: &str) -> Result<[&str; 3], HashFormatError> {
    let mut parts = text.split('$');
    let mut next = || parts.next().ok_or(Malformed);
    let found = [next()?, next()?, next()?];
    if parts.next().is_none() { Ok(found) } else { Err(Malformed) }
}

/// The value of `name=value`.
fn value<'a>(name: &str, part: Option<&'a str>) -> Result<&'a str, HashFormatError> {
    part.and_then(|part| part.strip_prefix(name)?.strip_prefix('=')).ok_or(Malformed)
}

/// `ln=16,r=8,p=1$salt$output`, which is PHC and passlib's alike.
fn parse_scrypt(text: &str) -> Result<Legacy, HashFormatError> {
    let [params, salt, output] = three(text)?;
    let mut params = params.split(',');
    let log_n = decimal(value("ln", params.next())?)?;
    let block_size = decimal(value("r", params.next())?)?;
    let parallelism = decimal(value("p", params.next())?)?;
    if params.next().is_some() {
        return Err(Malformed);
    }
    scrypt::legacy(Cost { log_n, block_size, parallelism }, &base64(salt)?, base64(output)?)
}

/// `29000$salt$output` of passlib, which writes `.` for `+`, or PHC's `i=29000,l=32$salt$output`.
fn parse_pbkdf2(algorithm: Algorithm, text: &str) -> Result<Legacy, HashFormatError> {
    let [params, salt, output] = three(text)?;
    let plus = |text: &str| base64(&text.replace('.', "+"));
    let (salt, output) = (plus(salt)?, plus(output)?);
    let mut params = params.split(',');
    let first = params.next();
    let iterations = value("i", first).or_else(|_| first.ok_or(Malformed))?;
    let announced = match params.next() {
        Some(part) => decimal(value("l", Some(part))?)?,
        None => output.len(),
    };
    if params.next().is_some() || announced != output.len() {
        return Err(Malformed);
    }
    pbkdf2::legacy(algorithm, decimal(iterations)?, &salt, output)
}
