//! Walks over all users. Off the request path: they are the only ones that use SCAN, in bounded steps.

use crate::{
    RedisStore, bounds,
    key::{ALL_USERS, Key},
    link::{bytes, odd, strings},
    user::{self, Header},
};
use redis::{Pipeline, Value};
use std::{collections::BTreeSet, sync::atomic::Ordering};
use vestibule_core::{fault::Fault, id::UserTag, time::Timestamp};

impl RedisStore {
    /// One step from a cursor: the next cursor, and users with their headers.
    async fn walk_step(&self, cursor: u64) -> Result<(u64, Vec<(UserTag, Header)>), Fault> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(ALL_USERS).arg("COUNT").arg(bounds::WALK_STEP).arg("TYPE").arg("string");
        let (next, names) = scanned(self.link.within(self.link.read(&scan)).await?)?;
        let tags: Vec<UserTag> = names.iter().filter_map(|name| Key::tag_of(name)).collect();
        if tags.is_empty() {
            return Ok((next, Vec::new()));
        }
        let mut ask = Pipeline::new();
        for tag in &tags {
            ask.cmd("GETRANGE").arg(Key::user(*tag)).arg(0).arg(user::HEADER - 1);
        }
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
        let mut cursor = self.hand.load(Ordering::Relaxed);
        for _ in 0..bounds::WALK_STEPS {
            let (next, users) = self.walk_step(cursor).await?;
            due.extend(users.iter().filter(|(_, header)| header.live > 0 && header.wake <= now).map(|(tag, _)| *tag));
            if due.len() >= limit {
                // This step is walked again: those that do not fit would else wait a whole round.
                break;
            }
            cursor = next;
            if next == 0 {
                break;
            }
        }
        self.hand.store(cursor, Ordering::Relaxed);
        Ok(due.into_iter().take(limit).collect())
    }

    /// Users with live sessions in the order of their tags. Walks everybody for each page.
    pub(crate) async fn users_after(&self, after: Option<UserTag>, limit: usize) -> Result<Vec<UserTag>, Fault> {
        let mut page = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let (next, users) = self.walk_step(cursor).await?;
            for (tag, header) in users {
                if header.live > 0 && after.is_none_or(|after| tag > after) {
                    page.insert(tag);
                }
                if page.len() > limit {
                    page.pop_last();
                }
            }
            if next == 0 {
                return Ok(page.into_iter().collect());
            }
            cursor = next;
        }
    }
}

fn scanned(value: Value) -> Result<(u64, Vec<String>), Fault> {
    let Value::Array(parts) = value else { return Err(odd("SCAN gave no list")) };
    let Ok([cursor, names]) = <[Value; 2]>::try_from(parts) else { return Err(odd("SCAN gave no pair")) };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| odd("SCAN gave no text"));
    let cursor = text(bytes(cursor)?.unwrap_or_default())?.parse().map_err(|_| odd("SCAN gave no cursor"))?;
    Ok((cursor, strings(names)?.into_iter().map(text).collect::<Result<_, _>>()?))
}
