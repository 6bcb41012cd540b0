//! The memory that argon2 works in, kept from one hash to the next.
//!
//! Given back after each hash it would not be gone: allocators keep such pieces for each thread, and the threads of a runtime come
//! and go. Two hundred logins through two workers then take ten times the memory of two hashes. Kept here, it is as much as so
//! many hashes at once ever took, and no hash waits for pages of the operating system.

use super::OutOfMemory;
use ::argon2::Block;
use parking_lot::Mutex;
use std::fmt;

/// Pieces of memory of one size.
pub(super) struct Memory {
    /// Blocks of a piece.
    size: usize,
    free: Mutex<Vec<Vec<Block>>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} free pieces of {} KiB)", self.free.lock().len(), self.size)
    }
}

impl Memory {
    /// Pieces of so many blocks of a KiB. None is made before it is needed.
    pub(super) fn new(size: usize) -> Self {
        Self { size, free: Mutex::default() }
    }

    /// Lends so many blocks, with whatever is in them. More than a piece has are made for this once.
    pub(super) fn lend<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> Result<T, OutOfMemory> {
        if blocks > self.size {
            return Ok(work(&mut piece(blocks)?));
        }
        let free = self.free.lock().pop();
        let mut lent = match free {
            Some(free) => free,
            None => piece(self.size)?,
        };
        let done = work(&mut lent[..blocks]);
        self.free.lock().push(lent);
        Ok(done)
    }
}

fn piece(blocks: usize) -> Result<Vec<Block>, OutOfMemory> {
    let mut piece = Vec::new();
    piece.try_reserve_exact(blocks).map_err(|_| OutOfMemory)?;
    piece.resize(blocks, Block::default());
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    // S85
    #[test]
    fn there_are_as_many_pieces_as_were_lent_at_once() {
        let memory = Memory::new(8);
        for _ in 0..10 {
            memory.lend(8, |_| memory.lend(4, |blocks| assert_eq!(blocks.len(), 4)).expect("4 KiB")).expect("8 KiB");
        }
        assert_eq!(format!("{memory:?}"), "Memory(2 free pieces of 8 KiB)");
        memory.lend(9, |blocks| assert_eq!(blocks.len(), 9)).expect("9 KiB");
        assert_eq!(memory.free.lock().len(), 2, "a larger one is not kept");
    }
}
