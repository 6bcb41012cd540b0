//! [`EventStore`] in process: a timeline for each user and one for each home.

mod packed;
mod recent;

pub(crate) use packed::PackedEvent;
pub(crate) use recent::Recent;

use crate::{MemoryStore, store::HomeShard};
use std::collections::BTreeMap;
use vestibule_core::{
    Answer,
    bounds::{MEMORY_SYSTEM_EVENTS, STORE_PAGE},
    event::{Event, EventQuery, EventStore, Tail, TailFrom},
    id::{EventId, UserTag},
    time::Timestamp,
};

impl MemoryStore {
    /// Appends an event to its timeline, unless the timeline has it already.
    pub(crate) fn append_event(&self, event: &Event) {
        if self.append_new(event) {
            self.recent.note(std::slice::from_ref(event));
        }
    }

    /// Whether it was new.
    fn append_new(&self, event: &Event) -> bool {
        let packed = PackedEvent::pack(event);
        let Some(tag) = event.tag else {
            return self.append_system_event(packed);
        };
        let mut home = self.home(tag).write();
        let is_new = home.users.change(tag, |held| {
            let is_new = !held.beside.past().is_some_and(|past| past.events.iter().any(|held| held.id() == event.id));
            if is_new {
                held.beside.append(packed);
            }
            is_new
        });
        home.watch(tag, self.retention_ms());
        is_new
    }

    /// Nobody's events are spread over the homes by their random bytes.
    fn append_system_event(&self, event: PackedEvent) -> bool {
        let last = event.id().as_bytes()[15];
        let mut home = self.homes[usize::from(last)].write();
        if home.events.iter().any(|held| held.id() == event.id()) {
            return false;
        }
        if home.events.len() >= MEMORY_SYSTEM_EVENTS {
            home.events.pop_front();
        }
        home.events.push_back(event);
        true
    }

    /// The oldest events from behind an event on, by ids.
    fn since_event(&self, above: EventId, limit: usize) -> Tail {
        // Taken first: what happens meanwhile is found twice rather than never.
        let end = self.recent.end();
        let mut oldest = BTreeMap::new();
        let mut offer = |tag, event: &PackedEvent| {
            if event.id() > above {
                oldest.insert(event.id(), event.unpack(tag));
                if oldest.len() > limit {
                    oldest.pop_last();
                }
            }
        };
        for home in &self.homes {
            home.read().each_event(&mut offer);
        }
        let next = match oldest.last_key_value() {
            Some((last, _)) if oldest.len() >= limit => TailFrom::Event(*last),
            _ => end,
        };
        Tail { events: oldest.into_values().collect(), next, missed: 0 }
    }
}

impl HomeShard {
    fn each_event(&self, offer: &mut impl FnMut(Option<UserTag>, &PackedEvent)) {
        for event in &self.events {
            offer(None, event);
        }
        for held in self.users.iter() {
            for event in held.beside.past().into_iter().flat_map(|past| &past.events) {
                offer(Some(held.user.tag), event);
            }
        }
    }
}

/// The newest events that match, at most a page of them.
struct Page<'a> {
    query: &'a EventQuery,
    limit: usize,
    newest: BTreeMap<EventId, Event>,
}

impl Page<'_> {
    fn offer(&mut self, tag: Option<UserTag>, event: &PackedEvent) {
        let id = event.id();
        let full = self.newest.len() >= self.limit;
        let too_old = full && self.newest.first_key_value().is_none_or(|(oldest, _)| id < *oldest);
        if too_old || self.query.before.is_some_and(|before| id >= before) {
            return;
        }
        let event = event.unpack(tag);
        if self.query.matches(&event) {
            self.newest.insert(id, event);
            if self.newest.len() > self.limit {
                self.newest.pop_first();
            }
        }
    }
}

impl EventStore for MemoryStore {
    fn append(&self, events: Vec<Event>) -> Answer<'_, ()> {
        Box::pin(async move {
            for event in &events {
                self.append_event(event);
            }
            if self.budget.is_exceeded() {
                self.forget_resting();
            }
            Ok(())
        })
    }

    fn query(&self, query: EventQuery) -> Answer<'_, Vec<Event>> {
        Box::pin(async move {
            let limit = query.limit.min(STORE_PAGE);
            let mut page = Page { query: &query, limit, newest: BTreeMap::new() };
            if limit == 0 {
                return Ok(Vec::new());
            }
            match query.tag {
                None => self.homes.iter().for_each(|home| home.read().each_event(&mut |tag, event| page.offer(tag, event))),
                Some(tag) => {
                    let home = self.home(tag).read();
                    let past = home.users.get(tag).and_then(|held| held.beside.past());
                    past.into_iter().flat_map(|past| &past.events).for_each(|event| page.offer(Some(tag), event));
                }
            }
            Ok(page.newest.into_values().rev().collect())
        })
    }

    fn tail(&self, from: TailFrom, limit: usize) -> Answer<'_, Tail> {
        Box::pin(async move {
            Ok(match from {
                TailFrom::Now => Tail { events: Vec::new(), next: self.recent.end(), missed: 0 },
                TailFrom::Event(id) => self.since_event(id, limit),
                TailFrom::Place(place) => self.recent.after(&place, limit),
            })
        })
    }

    fn forget(&self, before: Timestamp, limit: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut left = limit;
            let mut keep = |event: &PackedEvent| {
                let keep = left == 0 || event.time() >= before;
                left -= usize::from(!keep);
                keep
            };
            for home in &self.homes {
                let mut home = home.write();
                home.events.retain(&mut keep);
                home.users.change_all(|held| {
                    held.beside.retain_events(&mut keep);
                });
            }
            Ok(limit - left)
        })
    }
}
