//! The latest events in the order in which they happened, kept once somebody has asked for them.

use crate::bounds;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};
use vestibule_core::event::{Event, Place, Tail, TailFrom};

/// The latest [`bounds::RECENT_EVENTS`]. Costs one load an event until the first tail.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    is_asked_for: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// How many there ever were.
    total: u64,
    events: VecDeque<Event>,
}

impl Recent {
    pub(crate) fn note(&self, events: &[Event]) {
        if events.is_empty() || !self.is_asked_for.load(Ordering::Acquire) {
            return;
        }
        let mut list = self.list.lock();
        list.total += events.len() as u64;
        list.events.extend(events.iter().cloned());
        let over = list.events.len().saturating_sub(bounds::RECENT_EVENTS);
        list.events.drain(..over);
    }

    /// Behind all that is there.
    pub(crate) fn end(&self) -> TailFrom {
        self.is_asked_for.store(true, Ordering::Release);
        TailFrom::Place(Place::new([self.list.lock().total]))
    }

    pub(crate) fn after(&self, place: &Place, limit: usize) -> Tail {
        let list = self.list.lock();
        let first = list.total - list.events.len() as u64;
        let from = place.only().clamp(first, list.total);
        let missed = from.saturating_sub(place.only());
        let skip = usize::try_from(from - first).unwrap_or(usize::MAX);
        let events: Vec<_> = list.events.iter().skip(skip).take(limit).cloned().collect();
        let next = TailFrom::Place(Place::new([from + events.len() as u64]));
        Tail { events, next, missed }
    }
}
