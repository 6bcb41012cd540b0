//! Observations: events that no command decides, written in the background and coalesced.
//!
//! A request never waits for one. Repetitions of the same observation within a minute are one event: the first is written
//! at once, and when the minute is over one more says how many there were in all.

use super::{Event, EventStore, EventType};
use crate::{bounds, time::Timestamp};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Length of the window in which repetitions are one observation, in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// Events written together at most.
const BATCH: usize = 256;

struct Window {
    opened_at: Timestamp,
    repeats: u64,
    event: Event,
}

/// Takes observations in. Cheap to clone; never blocks.
#[derive(Clone)]
pub struct Observer {
    queue: mpsc::Sender<Event>,
    windows: Arc<Mutex<HashMap<(EventType, u128), Window>>>,
    dropped: Arc<AtomicU64>,
}

/// The other end of an [`Observer`]: writes to an event store until all observers are gone.
pub struct Observations {
    queue: mpsc::Receiver<Event>,
    dropped: Arc<AtomicU64>,
}

impl Observer {
    /// An observer and its writer.
    #[must_use]
    pub fn new() -> (Self, Observations) {
        let (sender, receiver) = mpsc::channel(bounds::EVENT_QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let observer = Self { queue: sender, windows: Arc::default(), dropped: dropped.clone() };
        (observer, Observations { queue: receiver, dropped })
    }

    /// Notes an event. Where the queue is full it is counted, and a later `events.dropped` tells how many were lost.
    pub fn note(&self, event: Event) {
        if self.queue.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes an event unless the same one (type and `key`) was noted within the last minute; then it is only counted.
    pub fn note_once(&self, key: u128, event: Event) {
        let (now, index) = (event.time, (event.kind, key));
        let mut windows = self.windows.lock();
        if let Some(window) = windows.get_mut(&index) {
            if now.since_ms(window.opened_at) < WINDOW_MS {
                window.repeats += 1;
                return;
            }
        } else if windows.len() >= bounds::COALESCE_KEYS {
            // Under a flood of distinct keys single observations are given up, not memory.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let closed = windows.insert(index, Window { opened_at: now, repeats: 0, event: event.clone() });
        drop(windows);
        if let Some(summary) = closed.and_then(|window| window.summary(now)) {
            self.note(summary);
        }
        self.note(event);
    }

    /// Closes the windows that are over; called about once a second.
    pub fn close_windows(&self, now: Timestamp) {
        let mut over = Vec::new();
        self.windows.lock().retain(|_, window| {
            let open = now.since_ms(window.opened_at) < WINDOW_MS;
            if !open {
                over.extend(window.summary(now));
            }
            open
        });
        for summary in over {
            self.note(summary);
        }
    }

    /// How many observations were lost since the last report.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Window {
    fn summary(&self, now: Timestamp) -> Option<Event> {
        (self.repeats > 0).then(|| {
            let mut event = self.event.clone();
            event.id = crate::id::EventId::new(now.millis(), crate::id::random());
            event.time = now;
            event.count = Some(self.repeats + 1);
            event
        })
    }
}

impl Observations {
    /// Writes observations until every [`Observer`] is dropped. What a store refuses is counted as dropped and reported as
    /// `events.dropped` when it takes events again.
    pub async fn run(mut self, store: Arc<dyn EventStore>, clock: crate::time::Clock) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            let lost = self.dropped.swap(0, Ordering::Relaxed);
            if lost > 0 {
                batch.push(Event::new(EventType::EventsDropped, clock.now(), &super::Origin::system()).counting(lost));
            }
            let size = batch.len() as u64;
            if let Err(fault) = store.append(std::mem::take(&mut batch)).await {
                tracing::warn!(class = fault.class(), events = size, "observations were not written");
                self.dropped.fetch_add(size + lost, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Origin;

    fn garbage(at: u64) -> Event {
        Event::new(EventType::GarbageRefused, Timestamp::from_millis(at), &Origin::default())
    }

    // S26: a flood of garbage from one address is one event now and one with the count when the minute is over.
    #[test]
    fn repetitions_within_a_minute_are_one_event_with_a_count() {
        let (observer, mut observations) = Observer::new();
        for at in 0..1_000 {
            observer.note_once(7, garbage(1_000 + at));
        }
        observer.close_windows(Timestamp::from_millis(2_000));
        observer.close_windows(Timestamp::from_millis(61_000));
        let first = observations.queue.try_recv().expect("written at once");
        let last = observations.queue.try_recv().expect("written when the minute is over");
        assert_eq!((first.count, last.count), (None, Some(1_000)));
        assert!(observations.queue.try_recv().is_err() && first.id != last.id);
    }

    #[test]
    fn a_full_queue_loses_events_but_not_their_number() {
        let (observer, _observations) = Observer::new();
        for at in 0..bounds::EVENT_QUEUE as u64 + 3 {
            observer.note(garbage(at));
        }
        assert_eq!(observer.dropped(), 3);
    }
}
