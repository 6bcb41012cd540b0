//! What hashing costs: enough to slow a guesser down, never so much that one hash takes the machine.

use super::bounds;

/// What argon2id costs: RFC 9106's parameters. The default is 19,456 KiB, 2 passes, 1 lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParams {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// Parameters that are refused for new hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashParamsError {
    /// Cheaper than every pair that counts as equal to 19,456 KiB and 2 passes.
    #[error("argon2id needs at least 19456 KiB and 2 passes, or an equal: 47104 and 1, 12288 and 3, 9216 and 4, 7168 and 5")]
    TooWeak,
    /// Beyond the bounds of memory, passes, lanes, or their product.
    #[error("argon2id is bounded by 262144 KiB, 64 passes, 16 lanes, and 1 GiB of memory times passes")]
    TooCostly,
}

/// Pairs of memory in KiB and passes that cost a guesser about the same (OWASP Password Storage Cheat Sheet).
const EQUALS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

impl HashParams {
    /// Checks parameters for new hashes: memory in KiB, passes over it, lanes.
    ///
    /// # Errors
    /// [`HashParamsError`] if they are weaker than the default or its equals, or beyond the bounds.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, HashParamsError> {
        let params = Self { memory_kib, passes, lanes };
        if !EQUALS.iter().any(|&(least, times)| memory_kib >= least && passes >= times) || lanes == 0 {
            Err(HashParamsError::TooWeak)
        } else if params.is_absurd() {
            Err(HashParamsError::TooCostly)
        } else {
            Ok(params)
        }
    }

    /// Memory of one hash in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub fn lanes(&self) -> u32 {
        self.lanes
    }

    /// Memory in KiB times passes over it, which is what a hash takes time for.
    pub(super) fn work_kib(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    pub(super) fn is_absurd(&self) -> bool {
        self.memory_kib > bounds::MEMORY_KIB
            || self.passes > bounds::PASSES
            || self.lanes > bounds::LANES
            || self.work_kib() > bounds::WORK_KIB
    }

    pub(super) fn is_weaker_than(&self, other: &Self) -> bool {
        self.memory_kib < other.memory_kib || self.passes < other.passes
    }

    /// Parameters for tests of everything but the cost.
    #[cfg(test)]
    pub(super) fn cheap() -> Self {
        Self { memory_kib: 64, passes: 1, lanes: 1 }
    }
}

impl Default for HashParams {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // S82
    #[test]
    fn weak_and_absurd_parameters_are_refused() {
        for (memory_kib, passes) in EQUALS {
            assert!(HashParams::new(memory_kib, passes, 1).is_ok());
            assert_eq!(HashParams::new(memory_kib - 1, passes, 1), Err(HashParamsError::TooWeak));
            assert_eq!(HashParams::new(memory_kib, passes, 0), Err(HashParamsError::TooWeak));
        }
        assert_eq!(HashParams::new(19_456, 2, 1), Ok(HashParams::default()));
        for (memory_kib, passes, lanes) in
            [(300_000, 1, 1), (262_144, 5, 1), (19_456, 65, 1), (19_456, 2, 17), (u32::MAX, u32::MAX, 1)]
        {
            assert_eq!(HashParams::new(memory_kib, passes, lanes), Err(HashParamsError::TooCostly));
        }
    }
}
