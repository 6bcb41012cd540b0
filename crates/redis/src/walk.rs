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
use vestibule_core::{fault::Fault, id::UserTag, time::Timestamp};

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
    async fn walk_step(&self, place: Place) -> Result<(Option<Place>, Vec<(UserTag, Header)>), Fault> {
        let masters = self.link.within(self.link.masters()).await?;
        let Some(place) = place.among(&masters) else { return Ok((None, Vec::new())) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(place.cursor).arg("MATCH").arg(ALL_USERS).arg("COUNT").arg(bounds::WALK_STEP).arg("TYPE").arg("string");
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
            let (next, users) = self.walk_step(place.clone()).await?;
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

    /// Users with live sessions in the order of their tags. Walks everybody for each page.
    pub(crate) async fn users_after(&self, after: Option<UserTag>, limit: usize) -> Result<Vec<UserTag>, Fault> {
        let mut page = BTreeSet::new();
        let mut place = Some(Place::default());
        while let Some(here) = place {
            let (next, users) = self.walk_step(here).await?;
            for (tag, header) in users {
                if header.live > 0 && after.is_none_or(|after| tag > after) {
                    page.insert(tag);
                }
                if page.len() > limit {
                    page.pop_last();
                }
            }
            place = next;
        }
        Ok(page.into_iter().collect())
    }
}

fn scanned(value: Value) -> Result<(u64, Vec<String>), Fault> {
    let Value::Array(parts) = value else { return Err(odd("SCAN gave no list")) };
    let Ok([cursor, names]) = <[Value; 2]>::try_from(parts) else { return Err(odd("SCAN gave no pair")) };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| odd("SCAN gave no text"));
    let cursor = text(bytes(cursor)?.unwrap_or_default())?.parse().map_err(|_| odd("SCAN gave no cursor"))?;
    Ok((cursor, strings(names)?.into_iter().map(text).collect::<Result<_, _>>()?))
}
