//! How a wrapped hash names what it wraps: the scheme's word, its parameters and its salt, as in `bcrypt,c=12,s=...`.
//!
//! The words and parameters are a stored format: they are added to, and never change their meaning.

use super::{
    LegacyScheme, base64,
    bcrypt::{Bcrypt, Input},
    decimal,
    digest::{Algorithm, SaltPlace, SaltedDigest},
    pbkdf2::Pbkdf2,
    scrypt::{Cost, Scrypt},
};
use crate::password::{
    HashFormatError::{self, Malformed},
    HashParams,
    argon2::Setting,
};
use ::argon2::Version;
use ::base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use std::fmt;

impl fmt::Display for LegacyScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let salt = match self {
            Self::Argon2(Setting { algorithm, version, params, salt, length }) => {
                let HashParams { memory_kib, passes, lanes } = params;
                let (name, version) = (algorithm.as_str(), u32::from(*version));
                write!(f, "{name},v={version},m={memory_kib},t={passes},p={lanes},l={length}")?;
                &salt[..]
            }
            Self::Bcrypt(Bcrypt { input, cost, salt }) => {
                let name = if *input == Input::Sha256 { "bcrypt-sha256" } else { "bcrypt" };
                write!(f, "{name},c={cost}")?;
                &salt[..]
            }
            Self::Scrypt(Scrypt { cost: Cost { log_n, block_size, parallelism }, salt, length }) => {
                write!(f, "scrypt,ln={log_n},r={block_size},p={parallelism},l={length}")?;
                &salt[..]
            }
            Self::Pbkdf2(Pbkdf2 { algorithm, iterations, salt, length }) => {
                write!(f, "pbkdf2-{},i={iterations},l={length}", algorithm.name())?;
                &salt[..]
            }
            Self::Digest(SaltedDigest { algorithm, place, salt }) => {
                f.write_str(algorithm.name())?;
                match place {
                    SaltPlace::Key => f.write_str(",at=key")?,
                    SaltPlace::After if !salt.is_empty() => f.write_str(",at=end")?,
                    SaltPlace::After | SaltPlace::Before => {}
                }
                &salt[..]
            }
            Self::Plain => return f.write_str("plain"),
        };
        if salt.is_empty() { Ok(()) } else { write!(f, ",s={}", STANDARD_NO_PAD.encode(salt)) }
    }
}

impl LegacyScheme {
    /// Reads what [`fmt::Display`] wrote. Derives nothing.
    pub(in crate::password) fn parse(text: &str) -> Result<Self, HashFormatError> {
        let mut fields = Fields::read(text)?;
        let scheme = match fields.name {
            "argon2id" | "argon2i" | "argon2d" => Self::Argon2(read_argon2(&mut fields)?),
            "bcrypt" => Self::Bcrypt(read_bcrypt(Input::Password, &mut fields)?),
            "bcrypt-sha256" => Self::Bcrypt(read_bcrypt(Input::Sha256, &mut fields)?),
            "scrypt" => Self::Scrypt(read_scrypt(&mut fields)?),
            "plain" => Self::Plain,
            name => match (name.strip_prefix("pbkdf2-"), Algorithm::by_name(name)) {
                (Some(algorithm), _) => Self::Pbkdf2(read_pbkdf2(algorithm, &mut fields)?),
                (None, Some(algorithm)) => Self::Digest(read_digest(algorithm, &mut fields)?),
                (None, None) => return Err(Malformed),
            },
        };
        if fields.rest.is_empty() { Ok(scheme) } else { Err(Malformed) }
    }
}

fn read_argon2(fields: &mut Fields<'_>) -> Result<Setting, HashFormatError> {
    let setting = Setting {
        algorithm: ::argon2::Algorithm::new(fields.name).map_err(|_| Malformed)?,
        version: Version::try_from(fields.number::<u32>("v")?).map_err(|_| Malformed)?,
        params: HashParams { memory_kib: fields.number("m")?, passes: fields.number("t")?, lanes: fields.number("p")? },
        length: fields.number("l")?,
        salt: fields.salt()?,
    };
    setting.check().map(|()| setting)
}

fn read_bcrypt(input: Input, fields: &mut Fields<'_>) -> Result<Bcrypt, HashFormatError> {
    Bcrypt::new(input, fields.number("c")?, fields.salt()?.as_ref().try_into().map_err(|_| Malformed)?)
}

fn read_scrypt(fields: &mut Fields<'_>) -> Result<Scrypt, HashFormatError> {
    let cost = Cost { log_n: fields.number("ln")?, block_size: fields.number("r")?, parallelism: fields.number("p")? };
    Scrypt::new(cost, fields.salt()?, fields.number("l")?)
}

fn read_pbkdf2(algorithm: &str, fields: &mut Fields<'_>) -> Result<Pbkdf2, HashFormatError> {
    let algorithm = Algorithm::by_name(algorithm).ok_or(Malformed)?;
    Pbkdf2::new(algorithm, fields.number("i")?, fields.salt()?, fields.number("l")?)
}

fn read_digest(algorithm: Algorithm, fields: &mut Fields<'_>) -> Result<SaltedDigest, HashFormatError> {
    let place = match fields.take("at") {
        None => SaltPlace::Before,
        Some("end") => SaltPlace::After,
        Some("key") => SaltPlace::Key,
        Some(_) => return Err(Malformed),
    };
    SaltedDigest::new(algorithm, place, fields.salt()?)
}

/// A word and its fields, each of which is taken once.
struct Fields<'a> {
    name: &'a str,
    rest: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, HashFormatError> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let rest = parts.map(|part| part.split_once('=').ok_or(Malformed)).collect::<Result<_, _>>()?;
        Ok(Self { name, rest })
    }

    fn take(&mut self, name: &str) -> Option<&'a str> {
        let position = self.rest.iter().position(|(known, _)| *known == name)?;
        Some(self.rest.remove(position).1)
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<T, HashFormatError> {
        decimal(self.take(name).ok_or(Malformed)?)
    }

    /// Empty where there is none.
    fn salt(&mut self) -> Result<Box<[u8]>, HashFormatError> {
        super::salt(base64(self.take("s").unwrap_or_default())?)
    }
}
