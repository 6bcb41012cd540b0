//! [`EventStore`] on Redis: a bounded timeline for each user, and one for each home with the latest of everybody.
//!
//! An event is a line of JSON with short names, so that an operator can read it and a script can compare its time.

use crate::{
    RedisStore, bounds,
    fault::odd,
    key::Key,
    link::{integer, strings},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vestibule_core::{
    Answer,
    bounds::{MEMORY_EVENTS, STORE_PAGE},
    event::{Event, EventQuery, EventStore},
    fault::Fault,
    id::{EventId, Home, SessionId, UserId, UserTag},
    time::Timestamp,
};

#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    /// Type.
    k: String,
    /// Time, in milliseconds.
    t: u64,
    /// Tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// Actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    a: Option<Box<str>>,
    /// Subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    u: Option<String>,
    /// Session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s: Option<String>,
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// Agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    g: Option<Box<str>>,
    /// Request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<Box<str>>,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    w: Option<Box<str>>,
    /// Count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
}

/// The stored form of an event. The same event always gives the same bytes.
pub(crate) fn pack(event: &Event) -> Vec<u8> {
    let line = Line {
        id: event.id.to_string(),
        k: event.kind.as_str().to_owned(),
        t: event.time.millis(),
        x: event.tag.map(|tag| URL_SAFE_NO_PAD.encode(tag.as_bytes())),
        a: event.actor.clone(),
        u: event.subject.as_ref().map(|id| id.as_str().to_owned()),
        s: event.session_id.map(|id| id.to_string()),
        ip: event.ip.map(|ip| ip.to_string()),
        g: event.user_agent.clone(),
        r: event.request_id.clone(),
        w: event.reason.clone(),
        n: event.count,
    };
    serde_json::to_vec(&line).expect("texts and numbers always serialise")
}

fn unpack(bytes: &[u8]) -> Result<Event, Fault> {
    read(bytes).ok_or_else(|| odd("a stored event cannot be read"))
}

fn read(bytes: &[u8]) -> Option<Event> {
    let line: Line = serde_json::from_slice(bytes).ok()?;
    let tag = |text: String| Some(UserTag::from_bytes(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?));
    Some(Event {
        id: line.id.parse().ok()?,
        kind: line.k.parse().ok()?,
        time: Timestamp::from_millis(line.t),
        actor: line.a,
        subject: line.u.map(UserId::new).transpose().ok()?,
        session_id: line.s.map(|text| text.parse::<SessionId>()).transpose().ok()?,
        ip: line.ip.map(|text| text.parse()).transpose().ok()?,
        user_agent: line.g,
        request_id: line.r,
        reason: line.w,
        count: line.n,
        tag: match line.x {
            None => None,
            Some(text) => Some(tag(text)?),
        },
    })
}

/// Where an event belongs; nobody's are spread over the homes by their random bytes.
fn home_of(event: &Event) -> Home {
    event.tag.map_or(Home(event.id.as_bytes()[15]), |tag| tag.home())
}

/// The newest events that match, at most a page of them.
struct Page<'a> {
    query: &'a EventQuery,
    limit: usize,
    newest: BTreeMap<EventId, Event>,
}

impl Page<'_> {
    fn offer(&mut self, lines: &[Vec<u8>]) -> Result<(), Fault> {
        for line in lines {
            let event = unpack(line)?;
            if self.query.matches(&event) {
                self.newest.insert(event.id, event);
                if self.newest.len() > self.limit {
                    self.newest.pop_first();
                }
            }
        }
        Ok(())
    }
}

impl RedisStore {
    async fn append_to(&self, home: Home, events: &[&Event]) -> Result<(), Fault> {
        let number = |number: u64| number.to_string().into_bytes();
        let mut keys = vec![Key::home_timeline(home)];
        keys.extend(events.iter().map(|event| event.tag.map_or_else(|| Key::home_timeline(home), Key::timeline)));
        let mut arguments = vec![
            number(self.retention_ms),
            number(bounds::HOME_RETENTION_MS),
            number(MEMORY_EVENTS as u64),
            number(bounds::HOME_EVENTS as u64),
        ];
        arguments.extend(events.iter().map(|event| pack(event)));
        self.link.at(home, self.link.run(&self.scripts.append, &keys, &arguments)).await?;
        Ok(())
    }

    async fn newest(&self, query: &EventQuery) -> Result<Vec<Event>, Fault> {
        let limit = query.limit.min(STORE_PAGE);
        let mut page = Page { query, limit, newest: BTreeMap::new() };
        if limit == 0 {
            return Ok(Vec::new());
        }
        if let Some(tag) = query.tag {
            let ask = self.link.at(tag.home(), async { self.link.read(&range(&Key::timeline(tag))).await });
            page.offer(&strings(ask.await?)?)?;
        } else {
            for first in (0..Home::COUNT).step_by(bounds::HOMES_AT_ONCE) {
                let homes = first..first + bounds::HOMES_AT_ONCE;
                let ask: Vec<_> = homes.map(|home| range(&Key::home_timeline(Home(home as u8)))).collect();
                for lines in self.link.within(self.link.read_all(&ask)).await? {
                    page.offer(&strings(lines)?)?;
                }
            }
        }
        Ok(page.newest.into_values().rev().collect())
    }
}

fn range(key: &Key) -> redis::Cmd {
    let mut command = redis::cmd("LRANGE");
    command.arg(key).arg(0).arg(-1);
    command
}

impl EventStore for RedisStore {
    fn append(&self, events: Vec<Event>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut homes: BTreeMap<Home, Vec<&Event>> = BTreeMap::new();
            for event in &events {
                homes.entry(home_of(event)).or_default().push(event);
            }
            for (home, events) in homes {
                for part in events.chunks(MEMORY_EVENTS) {
                    self.append_to(home, part).await?;
                }
            }
            Ok(())
        })
    }

    fn query(&self, query: EventQuery) -> Answer<'_, Vec<Event>> {
        Box::pin(async move { self.newest(&query).await })
    }

    /// The timelines of homes only: those of users are bounded and end by their TTL.
    fn forget(&self, before: Timestamp, limit: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut forgotten = 0;
            for home in (0..Home::COUNT).map(|home| Home(home as u8)) {
                if forgotten >= limit {
                    break;
                }
                let keys = [Key::home_timeline(home)];
                let arguments = [before.millis().to_string().into_bytes(), (limit - forgotten).to_string().into_bytes()];
                let answer = self.link.at(home, self.link.run(&self.scripts.forget, &keys, &arguments)).await?;
                forgotten += usize::try_from(integer(&answer)?).map_err(|_| odd("a negative count"))?;
            }
            Ok(forgotten)
        })
    }
}
