//! [`EventStore`] in process: a timeline for each user and one for each home.

mod packed;

pub(crate) use packed::PackedEvent;

use crate::{MemoryStore, store::HomeShard};
use std::collections::BTreeMap;
use vestibule_core::{
    Answer,
    bounds::{MEMORY_SYSTEM_EVENTS, STORE_PAGE},
    event::{Event, EventQuery, EventStore},
    id::{EventId, UserTag},
    time::Timestamp,
};

impl MemoryStore {
    /// Appends an event to its timeline, unless the timeline has it already.
    pub(crate) fn append_event(&self, event: &Event) {
        let packed = PackedEvent::pack(event);
        let Some(tag) = event.tag else {
            return self.append_system_event(packed);
        };
        let mut home = self.home(tag).write();
        home.users.change(tag, |held| {
            if !held.beside.past().is_some_and(|past| past.events.iter().any(|held| held.id() == event.id)) {
                held.beside.append(packed);
            }
        });
        home.watch(tag, self.retention_ms());
    }

    /// Nobody's events are spread over the homes by their random bytes.
    fn append_system_event(&self, event: PackedEvent) {
        let last = event.id().as_bytes()[15];
        let mut home = self.homes[usize::from(last)].write();
        if home.events.iter().any(|held| held.id() == event.id()) {
            return;
        }
        if home.events.len() >= MEMORY_SYSTEM_EVENTS {
            home.events.pop_front();
        }
        home.events.push_back(event);
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

    fn offer_all(&mut self, home: &HomeShard) {
        for event in &home.events {
            self.offer(None, event);
        }
        for held in home.users.iter() {
            for event in held.beside.past().into_iter().flat_map(|past| &past.events) {
                self.offer(Some(held.user.tag), event);
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
                None => self.homes.iter().for_each(|home| page.offer_all(&home.read())),
                Some(tag) => {
                    let home = self.home(tag).read();
                    let past = home.users.get(tag).and_then(|held| held.beside.past());
                    past.into_iter().flat_map(|past| &past.events).for_each(|event| page.offer(Some(tag), event));
                }
            }
            Ok(page.newest.into_values().rev().collect())
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
