//! scrypt (RFC 7914).

use super::{Derived, Legacy, LegacyScheme};
use crate::password::{HashFormatError, bounds};
use zeroize::Zeroizing;

#[derive(Clone)]
pub(in crate::password) struct Scrypt {
    pub(super) cost: Cost,
    pub(super) salt: Box<[u8]>,
    /// Bytes of output.
    pub(super) length: usize,
}

/// N, as its logarithm to base 2, r and p.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) log_n: u8,
    pub(super) block_size: u32,
    pub(super) parallelism: u32,
}

impl Cost {
    /// A cost that names N itself.
    pub(super) fn of_n(n: u64, block_size: u32, parallelism: u32) -> Result<Self, HashFormatError> {
        if !n.is_power_of_two() {
            return Err(HashFormatError::Malformed);
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| HashFormatError::AbsurdCost)?;
        Ok(Self { log_n, block_size, parallelism })
    }

    /// KiB of memory, and that times the runs over it: both without overflow.
    fn memory_and_work_kib(self) -> Option<(u64, u64)> {
        let memory = 1_u64.checked_shl(self.log_n.into())?.checked_mul(u64::from(self.block_size))? / 8;
        Some((memory, memory.checked_mul(u64::from(self.parallelism))?))
    }

    fn check(self) -> Result<(), HashFormatError> {
        if self.log_n == 0 || self.block_size == 0 || self.parallelism == 0 {
            return Err(HashFormatError::Malformed);
        }
        let (memory, work) = self.memory_and_work_kib().ok_or(HashFormatError::AbsurdCost)?;
        let is_absurd = self.parallelism > bounds::LANES || self.block_size > bounds::SCRYPT_BLOCK_SIZE;
        match is_absurd || memory > u64::from(bounds::MEMORY_KIB) || work > bounds::SCRYPT_WORK_KIB {
            true => Err(HashFormatError::AbsurdCost),
            false => Ok(()),
        }
    }
}

/// A hash of this cost.
pub(super) fn legacy(cost: Cost, salt: &[u8], output: Vec<u8>) -> Result<Legacy, HashFormatError> {
    Ok(Legacy::new(LegacyScheme::Scrypt(Scrypt::new(cost, super::salt(salt)?, output.len())?), output))
}

impl Scrypt {
    pub(super) fn new(cost: Cost, salt: Box<[u8]>, length: usize) -> Result<Self, HashFormatError> {
        cost.check()?;
        Ok(Self { cost, salt, length: super::length(length)? })
    }

    pub(super) fn memory_kib(&self) -> u32 {
        self.cost.memory_and_work_kib().and_then(|(memory, _)| u32::try_from(memory).ok()).unwrap_or(bounds::MEMORY_KIB)
    }

    pub(super) fn derive(&self, candidate: &[u8]) -> Derived {
        let Cost { log_n, block_size, parallelism } = self.cost;
        let params = ::scrypt::Params::new(log_n, block_size, parallelism).expect("the cost is checked when it is read");
        let mut output = Zeroizing::new(vec![0; self.length]);
        ::scrypt::scrypt(candidate, &self.salt, &params, &mut output).expect("the length is checked when it is read");
        output
    }
}
