//! [`EventChain`] in process: nothing is kept that anybody else could alter.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    event::chain::{Checkpoint, EventChain, Forgotten, Found, Links, Tally},
    id::EventId,
};

impl EventChain for MemoryStore {
    fn lanes(&self) -> u16 {
        0
    }

    fn ends(&self) -> Answer<'_, Vec<u64>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn links(&self, _: u16, _: u64, _: usize) -> Answer<'_, Links> {
        Box::pin(async { Ok(Links::default()) })
    }

    fn found(&self, _: u16, _: u64, _: usize) -> Answer<'_, Vec<Found>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn tally(&self, _: u16, _: u64) -> Answer<'_, Tally> {
        Box::pin(async { Ok(Tally::default()) })
    }

    fn forgotten(&self, _: u16) -> Answer<'_, Forgotten> {
        Box::pin(async { Ok(Forgotten::default()) })
    }

    fn checkpoints(&self, _: u16, _: u64, _: usize) -> Answer<'_, Vec<Checkpoint>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn last_checkpoint(&self, _: u16) -> Answer<'_, Option<Checkpoint>> {
        Box::pin(async { Ok(None) })
    }

    fn add_checkpoint(&self, _: u16, _: Checkpoint) -> Answer<'_, bool> {
        Box::pin(async { Ok(false) })
    }

    fn strays(&self, _: u16) -> Answer<'_, Vec<Option<EventId>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn has_unsealed(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(false) })
    }
}
