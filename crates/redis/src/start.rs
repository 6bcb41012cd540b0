//! Which start of which server answers for a home.

use std::sync::atomic::{AtomicU32, Ordering};
use vestibule_core::{fault::Fault, id::Home};

/// For each home the first four bytes of the run id of the server that answers for it, which every value of a state carries as
/// the first half of its stamp. A server that comes back with its data from yesterday has a new run id, so nothing of that
/// data is believed; the record is asked instead. Zero while it is not known.
#[derive(Debug)]
pub(crate) struct Starts(Box<[AtomicU32]>);

impl Default for Starts {
    fn default() -> Self {
        Self((0..Home::COUNT).map(|_| AtomicU32::default()).collect())
    }
}

impl Starts {
    pub(crate) fn of(&self, home: Home) -> Result<[u8; 4], Fault> {
        match self.0[usize::from(home.0)].load(Ordering::Acquire) {
            0 => Err(Fault::Unavailable("it is not known yet which Redis answers".into())),
            start => Ok(start.to_le_bytes()),
        }
    }

    pub(crate) fn set(&self, home: usize, start: u32) {
        self.0[home].store(start, Ordering::Release);
    }

    pub(crate) fn set_all(&self, start: u32) {
        (0..Home::COUNT).for_each(|home| self.set(home, start));
    }
}

/// Reads the start of a server from what it says of itself.
pub(crate) fn start_in(info: &[u8]) -> Option<u32> {
    let info = std::str::from_utf8(info).ok()?;
    let id = info.lines().find_map(|line| line.strip_prefix("run_id:")).and_then(|id| id.get(..8))?;
    u32::from_str_radix(id, 16).ok().map(|start| start.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_from_the_run_id_and_is_never_zero() {
        assert_eq!(start_in(b"redis_version:7.0.15\r\nrun_id:0102030405\r\n"), Some(0x0102_0304));
        assert_eq!(start_in(b"run_id:00000000ff\r\n"), Some(1));
        assert_eq!(start_in(b"redis_version:7.0.15\r\n"), None);
    }
}
