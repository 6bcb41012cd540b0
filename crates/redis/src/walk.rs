//! Walks over all users. Off the request path: they are the only ones that use SCAN, in bounded steps.

use crate::{
    RedisStore, bounds,
    connection::Master,
    fault::odd,
    key::{ALL_USERS, Key},
    link::{bytes, strings},
    user::{self, Header},
};
use redis::Value;
use std::collections::BTreeSet;
use vestibule_core::{
    fault::Fault,
    id::UserTag,
    session::{WalkPlace, WalkStep},
    time::Timestamp,
};

/// Where a walk stands: at a cursor of SCAN at one of the masters, which are walked one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    master: Master,
    cursor: u64,
}

impl Place {
    /// At the first of the masters that this place does not lie behind. A master that is gone is skipped: its users are elsewhere,
    /// and the next round meets them.
    fn among(self, masters: &[Master]) -> Option<Self> {
        let found = masters.iter().find(|master| **master >= self.master)?;
        if *found == self.master { Some(self) } else { Some(Self { master: found.clone(), cursor: 0 }) }
    }

    fn encode(&self) -> WalkPlace {
        let (cursor, port) = (self.cursor.to_le_bytes(), self.master.port.to_le_bytes());
        WalkPlace([&cursor[..], &port[..], self.master.host.as_bytes()].concat().into())
    }

    fn decode(place: &WalkPlace) -> Result<Self, Fault> {
        let read = || {
            let (cursor, rest) = place.0.split_first_chunk()?;
            let (port, host) = rest.split_first_chunk()?;
            let master = Master { host: std::str::from_utf8(host).ok()?.to_owned(), port: u16::from_le_bytes(*port) };
            Some(Self { master, cursor: u64::from_le_bytes(*cursor) })
        };
        read().ok_or_else(|| Fault::Corrupt("a walk goes on at a place of another store".into()))
    }

    /// After a step that gave this cursor; `None` at the end of the walk.
    fn after(&self, cursor: u64, masters: &[Master]) -> Option<Self> {
        if cursor != 0 {
            return Some(Self { cursor, ..self.clone() });
        }
        let next = masters.iter().find(|master| **master > self.master)?;
        Some(Self { master: next.clone(), cursor: 0 })
    }
}

impl RedisStore {
    /// One step from a place: the next place, `None` at the end of the walk, and users with their headers.
    async fn walk_step(&self, place: Place, count: usize) -> Result<(Option<Place>, Vec<(UserTag, Header)>), Fault> {
        let masters = self.link.within(self.link.masters()).await?;
        let Some(place) = place.among(&masters) else { return Ok((None, Vec::new())) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(place.cursor).arg("MATCH").arg(ALL_USERS).arg("COUNT").arg(count).arg("TYPE").arg("string");
        let (cursor, names) = scanned(self.link.within(self.link.read_at(&place.master, &scan)).await?)?;
        let next = place.after(cursor, &masters);
        let tags: Vec<UserTag> = names.iter().filter_map(|name| Key::tag_of(name)).collect();
        if tags.is_empty() {
            return Ok((next, Vec::new()));
        }
        let header = |tag: &UserTag| redis::cmd("GETRANGE").arg(Key::user(*tag)).arg(0).arg(user::HEADER - 1).take();
        let ask: Vec<_> = tags.iter().map(header).collect();
        let mut users = Vec::new();
        for (tag, value) in tags.iter().zip(self.link.within(self.link.read_all(&ask)).await?) {
            // Empty: the user ended between the two questions.
            let value = bytes(value)?.unwrap_or_default();
            if !value.is_empty() {
                users.push((*tag, user::header(&value)?));
            }
        }
        Ok((next, users))
    }

    /// Users with a session that time has ended. A bounded part of the walk; the next call goes on behind it.
    pub(crate) async fn due_users(&self, now: Timestamp, limit: usize) -> Result<Vec<UserTag>, Fault> {
        let mut due = BTreeSet::new();
        let mut place = self.hand.lock().clone();
        for _ in 0..bounds::WALK_STEPS {
            let (next, users) = self.walk_step(place.clone(), bounds::WALK_STEP).await?;
            due.extend(users.iter().filter(|(_, header)| header.live > 0 && header.wake <= now).map(|(tag, _)| *tag));
            if due.len() >= limit {
                // This step is walked again: those that do not fit would else wait a whole round.
                break;
            }
            let is_last = next.is_none();
            place = next.unwrap_or_default();
            if is_last {
                break;
            }
        }
        *self.hand.lock() = place;
        Ok(due.into_iter().take(limit).collect())
    }

    /// Users with live sessions, in the order in which SCAN meets them.
    pub(crate) async fn walk_on(&self, from: Option<WalkPlace>, limit: usize) -> Result<WalkStep, Fault> {
        let place = from.map_or_else(|| Ok(Place::default()), |place| Place::decode(&place))?;
        let (next, users) = self.walk_step(place, limit).await?;
        let users = users.into_iter().filter(|(_, header)| header.live > 0).map(|(tag, _)| tag).collect();
        Ok(WalkStep { users, next: next.map(|place| place.encode()) })
    }
}

/// A step of SCAN: the next cursor, and names.
pub(crate) fn scanned(value: Value) -> Result<(u64, Vec<String>), Fault> {
    let Value::Array(parts) = value else { return Err(odd("SCAN gave no list")) };
    let Ok([cursor, names]) = <[Value; 2]>::try_from(parts) else { return Err(odd("SCAN gave no pair")) };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| odd("SCAN gave no text"));
    let cursor = text(bytes(cursor)?.unwrap_or_default())?.parse().map_err(|_| odd("SCAN gave no cursor"))?;
    Ok((cursor, strings(names)?.into_iter().map(text).collect::<Result<_, _>>()?))
}
