//! [`EventStore`] on Redis: a bounded timeline for each user, and one for each home with the latest of everybody.
//!
//! An event is a line of JSON with short names, so that an operator can read it and a script can compare its time.

use crate::{
    RedisStore, bounds,
    fault::odd,
    key::Key,
    link::{bytes, integer, strings},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vestibule_core::{
    Answer,
    bounds::{MEMORY_EVENTS, STORE_PAGE},
    event::{Event, EventQuery, EventStore, Place, Sealed, Sealer, Tail, TailFrom},
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
    /// Device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Box<str>>,
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
    /// Seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    m: Option<String>,
}

/// The stored form of an event. The same event always gives the same bytes.
fn pack(event: &Event, sealer: Option<&Sealer>) -> Vec<u8> {
    let line = Line {
        id: event.id.to_string(),
        k: event.kind.as_str().to_owned(),
        t: event.time.millis(),
        x: event.tag.map(|tag| URL_SAFE_NO_PAD.encode(tag.as_bytes())),
        a: event.actor.clone(),
        u: event.subject.as_ref().map(|id| id.as_str().to_owned()),
        s: event.session_id.map(|id| id.to_string()),
        d: event.device_id.clone(),
        ip: event.ip.map(|ip| ip.to_string()),
        g: event.user_agent.clone(),
        r: event.request_id.clone(),
        w: event.reason.clone(),
        n: event.count,
        m: sealer.map(|sealer| URL_SAFE_NO_PAD.encode(sealer.seal(event))),
    };
    serde_json::to_vec(&line).expect("texts and numbers always serialise")
}

/// A stored event, and its seal.
pub(crate) fn found(bytes: &[u8]) -> (Option<Event>, Box<[u8]>) {
    let seal = serde_json::from_slice::<Line>(bytes).ok().and_then(|line| URL_SAFE_NO_PAD.decode(line.m?).ok());
    (read(bytes), seal.unwrap_or_default().into())
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
        device_id: line.d,
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
    /// The stored form of an event.
    pub(crate) fn pack_event(&self, event: &Event) -> Vec<u8> {
        pack(event, self.sealer.as_ref())
    }

    /// Whether a stored event is as it was written, as far as this process has the secret that tells.
    pub(crate) fn is_proven(&self, line: &[u8]) -> bool {
        match (&self.sealer, found(line)) {
            (Some(sealer), (Some(event), seal)) => sealer.check(&event, &seal) != Sealed::Altered,
            (_, (event, _)) => event.is_some(),
        }
    }

    async fn append_to(&self, home: Home, events: &[&Event]) -> Result<(), Fault> {
        let number = |number: u64| number.to_string().into_bytes();
        let mut keys = vec![Key::home_timeline(home), Key::figures(home)];
        keys.extend(events.iter().map(|event| event.tag.map_or_else(|| Key::home_timeline(home), Key::timeline)));
        let mut arguments = vec![
            number(self.retention_ms),
            number(bounds::HOME_RETENTION_MS),
            number(MEMORY_EVENTS as u64),
            number(bounds::HOME_EVENTS as u64),
        ];
        arguments.extend(events.iter().map(|event| self.pack_event(event)));
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
            let lines = strings(ask.await?)?;
            // What users are shown is a copy, so it proves itself.
            if !lines.iter().all(|line| self.is_proven(line)) {
                return Err(odd("an event in the timeline of a user is not as it was written"));
            }
            page.offer(&lines)?;
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

/// Reading in the order in which events were appended: each home counts its events, and its timeline holds the last ones.
impl RedisStore {
    async fn tail_from(&self, from: TailFrom, limit: usize) -> Result<Tail, Fault> {
        match from {
            TailFrom::Place(place) => self.tail_behind(place.positions(), limit).await,
            TailFrom::Now => Ok(Tail { events: Vec::new(), next: placed(self.totals().await?), missed: 0 }),
            TailFrom::Event(id) => self.tail_above(id, limit).await,
        }
    }

    /// How many events each home ever had.
    pub(crate) async fn totals(&self) -> Result<Vec<u64>, Fault> {
        let ask: Vec<_> = (0..Home::COUNT).map(|home| total(Home(home as u8))).collect();
        self.link.read_all(&ask).await?.into_iter().map(as_total).collect()
    }

    async fn tail_behind(&self, places: &[u64], limit: usize) -> Result<Tail, Fault> {
        let mut totals = self.totals().await?;
        let (mut events, mut missed) = (Vec::new(), 0);
        let place = |home: usize| places.get(home).copied().unwrap_or_default();
        let changed: Vec<usize> = (0..Home::COUNT).filter(|home| totals[*home] != place(*home)).collect();
        for homes in changed.chunks(bounds::HOMES_AT_ONCE) {
            if events.len() >= limit {
                homes.iter().for_each(|home| totals[*home] = place(*home));
                continue;
            }
            for (home, news) in homes.iter().zip(self.news(homes).await?) {
                // Somebody wrote in between: the next look finds it.
                let Some((total, lines)) = news else {
                    totals[*home] = place(*home);
                    continue;
                };
                totals[*home] = total;
                // A server that came back with less, or empty, counts from where it is.
                let new = usize::try_from(total.saturating_sub(place(*home))).unwrap_or(usize::MAX);
                missed += new.saturating_sub(lines.len()) as u64;
                for line in &lines[lines.len().saturating_sub(new)..] {
                    match read(line) {
                        Some(event) => events.push(event),
                        None => missed += 1,
                    }
                }
            }
        }
        events.sort_unstable_by_key(|event| event.id);
        Ok(Tail { events, next: placed(totals), missed })
    }

    /// The timelines of homes, each with its count; `None` where they do not belong together.
    pub(crate) async fn news(&self, homes: &[usize]) -> Result<Vec<Option<(u64, Vec<Vec<u8>>)>>, Fault> {
        let three = |home: &usize| {
            let home = Home(*home as u8);
            [total(home), range(&Key::home_timeline(home)), total(home)]
        };
        let answers = self.link.read_all(&homes.iter().flat_map(three).collect::<Vec<_>>()).await?;
        let mut answers = answers.into_iter();
        let mut news = Vec::with_capacity(homes.len());
        while let (Some(before), Some(lines), Some(after)) = (answers.next(), answers.next(), answers.next()) {
            let (before, after) = (as_total(before)?, as_total(after)?);
            let lines = strings(lines)?;
            news.push((before == after).then_some((after, lines)));
        }
        Ok(news)
    }

    /// The oldest events with a greater id.
    async fn tail_above(&self, id: EventId, limit: usize) -> Result<Tail, Fault> {
        // Taken first: what happens meanwhile is found twice rather than never.
        let end = self.totals().await?;
        let mut oldest = BTreeMap::new();
        for first in (0..Home::COUNT).step_by(bounds::HOMES_AT_ONCE) {
            let ask: Vec<_> =
                (first..first + bounds::HOMES_AT_ONCE).map(|home| range(&Key::home_timeline(Home(home as u8)))).collect();
            for lines in self.link.read_all(&ask).await? {
                for line in strings(lines)? {
                    if let Some(event) = read(&line).filter(|event| event.id > id) {
                        oldest.insert(event.id, event);
                    }
                }
                while oldest.len() > limit {
                    oldest.pop_last();
                }
            }
        }
        let next = match oldest.last_key_value() {
            Some((last, _)) if oldest.len() >= limit => TailFrom::Event(*last),
            _ => placed(end),
        };
        Ok(Tail { events: oldest.into_values().collect(), next, missed: 0 })
    }
}

fn placed(totals: Vec<u64>) -> TailFrom {
    TailFrom::Place(Place::new(totals))
}

fn total(home: Home) -> redis::Cmd {
    redis::cmd("HGET").arg(Key::figures(home)).arg("events").take()
}

fn as_total(value: redis::Value) -> Result<u64, Fault> {
    let Some(text) = bytes(value)? else { return Ok(0) };
    let total = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    total.ok_or_else(|| odd("a count of events is no number"))
}

pub(crate) fn range(key: &Key) -> redis::Cmd {
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

    fn tail(&self, from: TailFrom, limit: usize) -> Answer<'_, Tail> {
        Box::pin(self.link.within(self.tail_from(from, limit)))
    }

    /// The timelines of homes only: those of users are bounded and end by their TTL.
    fn forget(&self, before: Timestamp, limit: usize) -> Answer<'_, usize> {
        Box::pin(async move {
            let mut forgotten = 0;
            for home in (0..Home::COUNT).map(|home| Home(home as u8)) {
                if forgotten >= limit {
                    break;
                }
                let keys = [Key::home_timeline(home), Key::figures(home)];
                let arguments = [before.millis().to_string().into_bytes(), (limit - forgotten).to_string().into_bytes()];
                let answer = self.link.at(home, self.link.run(&self.scripts.forget, &keys, &arguments)).await?;
                forgotten += usize::try_from(integer(&answer)?).map_err(|_| odd("a negative count"))?;
            }
            Ok(forgotten)
        })
    }
}
