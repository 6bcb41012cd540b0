//! Events in the order in which they became visible: what streams, webhooks and the chain read.

use super::{Event, EventId};

/// How far somebody has read: a position in each part of a store that counts for itself, or what else a store needs to go on. Opaque, and good for one store only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Box<[u64]>);

impl Place {
    /// A place from its positions.
    #[must_use]
    pub fn new(positions: impl Into<Box<[u64]>>) -> Self {
        Self(positions.into())
    }

    /// The positions.
    #[must_use]
    pub fn positions(&self) -> &[u64] {
        &self.0
    }

    /// The position in the one part of a store that counts in one; zero where it is another store's.
    #[must_use]
    pub fn only(&self) -> u64 {
        self.0.first().copied().unwrap_or_default()
    }
}

/// Where a tail begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TailFrom {
    /// Behind everything that is there now: gives no event, but the place.
    Now,
    /// Behind this event; where the store does not hold it any more, behind its id.
    Event(EventId),
    /// Behind what was read before.
    Place(Place),
}

/// Part of the events behind a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The events, in the order in which they became visible, or by their ids as far as that is not known any more.
    pub events: Vec<Event>,
    /// Where the next tail begins. Where this one began behind an event, it may lie before some of `events`, which are then told again:
    /// nothing is left out, and readers know an event by its id.
    pub next: TailFrom,
    /// Events that are gone although nobody read them here: a bounded list dropped them, or they cannot be read any more. One damaged row
    /// must not hold up what comes after it; [`super::chain`] finds it.
    pub missed: u64,
}
