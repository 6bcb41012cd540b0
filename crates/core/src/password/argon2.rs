//! argon2: what every new hash is made with, and what others made with their own parameters.

use super::{HashFormatError, HashParams, bounds, memory::Memory};
use ::argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The machine did not give the memory for one hash; nothing was derived and a retry is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no memory for a password hash")]
pub struct OutOfMemory;

/// Everything that decides what comes out, but for the password.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) params: HashParams,
    pub(super) salt: Box<[u8]>,
    /// Bytes of output.
    pub(super) length: usize,
}

impl Setting {
    /// argon2id under a fresh salt, as new hashes are made.
    pub(super) fn fresh(params: HashParams) -> Self {
        let salt = crate::id::random::<{ bounds::SALT_BYTES }>().into();
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt, length: bounds::OUTPUT_BYTES }
    }

    /// Refuses what is derived by nobody, and what costs too much.
    ///
    /// # Errors
    /// [`HashFormatError::Malformed`] or [`HashFormatError::AbsurdCost`].
    pub(super) fn check(&self) -> Result<(), HashFormatError> {
        let HashParams { memory_kib, passes, lanes } = self.params;
        if passes == 0 || lanes == 0 {
            return Err(HashFormatError::Malformed);
        }
        if self.params.is_absurd() {
            return Err(HashFormatError::AbsurdCost);
        }
        let fits = (bounds::OUTPUT_MIN_BYTES..=bounds::OUTPUT_MAX_BYTES).contains(&self.length)
            && (::argon2::MIN_SALT_LEN..=bounds::LEGACY_SALT_BYTES).contains(&self.salt.len());
        if memory_kib < 8 * lanes || !fits { Err(HashFormatError::Malformed) } else { Ok(()) }
    }

    pub(super) fn derive(&self, input: &[u8], memory: &Memory) -> Result<Zeroizing<Vec<u8>>, OutOfMemory> {
        let HashParams { memory_kib, passes, lanes } = self.params;
        #[cfg(test)]
        tests::DERIVED.set(tests::DERIVED.get() + self.params.work_kib());
        let params = Params::new(memory_kib, passes, lanes, Some(self.length));
        let params = params.expect("parameters are checked when they are read");
        let blocks = params.block_count();
        let argon2 = Argon2::new(self.algorithm, self.version, params);
        let mut output = Zeroizing::new(vec![0; self.length]);
        let derived =
            memory.lend(blocks, |blocks| argon2.hash_password_into_with_memory(input, &self.salt, &mut output, blocks))?;
        derived.expect("lengths are checked when they are read");
        Ok(output)
    }

    /// Whether nothing in it is weaker than in a new hash of this cost.
    pub(super) fn is_as_strong_as(&self, params: &HashParams) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && !self.params.is_weaker_than(params)
            && self.length >= bounds::OUTPUT_BYTES
            && self.salt.len() >= bounds::SALT_BYTES
    }
}

/// A setting and what came out.
#[derive(Clone)]
pub(super) struct Argon2Hash {
    pub(super) setting: Setting,
    output: Box<[u8]>,
}

impl Argon2Hash {
    /// Derives a hash.
    pub(super) fn make(setting: Setting, input: &[u8], memory: &Memory) -> Result<Self, OutOfMemory> {
        let output = setting.derive(input, memory)?;
        Ok(Self { output: output.as_slice().into(), setting })
    }

    /// A hash that nobody knows a password of; it costs no derivation.
    pub(super) fn of_nothing(params: HashParams) -> Self {
        Self { setting: Setting::fresh(params), output: crate::id::random::<{ bounds::OUTPUT_BYTES }>().into() }
    }

    /// Reads a PHC string.
    pub(super) fn parse(text: &str) -> Result<Self, HashFormatError> {
        use HashFormatError::Malformed;
        let read = phc::PasswordHash::new(text).map_err(|_| Malformed)?;
        let algorithm = Algorithm::new(read.algorithm.as_str()).map_err(|_| HashFormatError::UnknownFormat)?;
        let cost = |name: &str| read.params.get_decimal(name).ok_or(Malformed);
        let params = HashParams { memory_kib: cost("m")?, passes: cost("t")?, lanes: cost("p")? };
        // A parameter beside these three (a key id, associated data) would change the result in ways we do not know.
        if read.params.iter().count() != 3 {
            return Err(Malformed);
        }
        // Without a version the string is from before version 1.3 of the algorithm.
        let version = Version::try_from(read.version.unwrap_or(0x10)).map_err(|_| Malformed)?;
        let (salt, output) = (read.salt.ok_or(Malformed)?, read.hash.ok_or(Malformed)?);
        let setting = Setting { algorithm, version, params, salt: salt.as_ref().into(), length: output.len() };
        setting.check()?;
        Ok(Self { setting, output: output.as_bytes().into() })
    }

    pub(super) fn matches(&self, input: &[u8], memory: &Memory) -> Result<bool, OutOfMemory> {
        Ok(self.setting.derive(input, memory)?.ct_eq(&self.output).into())
    }

    /// The output, which is the password to a hash around this one.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// The PHC string.
    pub(super) fn text(&self) -> String {
        let Setting { algorithm, version, params: HashParams { memory_kib, passes, lanes }, salt, .. } = &self.setting;
        let (name, version) = (algorithm.as_str(), u32::from(*version));
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(&self.output));
        format!("${name}$v={version}$m={memory_kib},t={passes},p={lanes}${salt}${output}")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    thread_local! {
        /// KiB times passes derived by this thread.
        pub(in super::super) static DERIVED: Cell<u64> = const { Cell::new(0) };
    }
}
