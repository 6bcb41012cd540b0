//! Reads what a batch is about: one set-based query for each table.

use super::{account, blob, fault::Trouble, number, tag, user};
use crate::{
    batch::{Loaded, Wanted},
    decide::Counters,
};
use rusqlite::{Connection, Transaction, types::Value, vtab::array::Array};
use std::{collections::HashMap, rc::Rc};
use vestibule_core::{id::UserTag, session::PackedSession, stats::Stats};

/// Values for `rarray`.
pub(super) fn values<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Array {
    Rc::new(items.into_iter().map(Into::into).collect())
}

pub(super) fn batch(transaction: &Transaction<'_>, wanted: &Wanted) -> Result<Loaded, Trouble> {
    let mut loaded = Loaded::default();
    if !wanted.users.is_empty() {
        load_users(transaction, wanted, &mut loaded)?;
        load_sessions(transaction, &mut loaded)?;
        loaded.complete(wanted);
    }
    let with_account = wanted.users.iter().filter(|(_, needs)| **needs).map(|(tag, _)| *tag);
    for tag in with_account {
        if let Some(held) = loaded.get_mut(tag)
            && let Some(row) = held.row
        {
            held.user.account = account::of_user(transaction, row)?.map(Box::new);
        }
    }
    for address in &wanted.addresses {
        if account::exists(transaction, address)? {
            loaded.taken.insert(address.clone());
        }
    }
    Ok(loaded)
}

fn load_users(transaction: &Transaction<'_>, wanted: &Wanted, loaded: &mut Loaded) -> Result<(), Trouble> {
    let tags = values(wanted.users.keys().map(|tag| tag.as_bytes().to_vec()));
    let mut statement = transaction.prepare_cached(user::SELECT_MANY)?;
    let mut rows = statement.query([tags])?;
    while let Some(row) = rows.next()? {
        let tag = tag(row, 1)?;
        match user::held(row, tag) {
            Ok(held) => loaded.add(held),
            Err(trouble) => loaded.note_damage(tag, trouble.into_fault()),
        }
    }
    Ok(())
}

fn load_sessions(transaction: &Transaction<'_>, loaded: &mut Loaded) -> Result<(), Trouble> {
    let by_row: HashMap<i64, usize> =
        loaded.held.iter().enumerate().filter_map(|(place, held)| Some((held.row?, place))).collect();
    if by_row.is_empty() {
        return Ok(());
    }
    // Nested loops from left to right: sessions come by user and, as the index ends in the row's number, in the order of
    // their creation.
    let mut statement = transaction.prepare_cached(
        "SELECT s.user, s.id, s.body FROM rarray(?1) AS wanted CROSS JOIN users AS u ON u.id = wanted.value
         CROSS JOIN sessions AS s INDEXED BY sessions_live ON s.user = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL",
    )?;
    let mut rows = statement.query([values(by_row.keys().copied())])?;
    while let Some(row) = rows.next()? {
        let held = &mut loaded.held[by_row[&row.get::<_, i64>(0)?]];
        match session(blob(row, 2)?, held.user.tag) {
            Ok(session) => {
                held.rows.insert(*session.id().serial(), row.get(1)?);
                held.user.live.push(session);
            }
            Err(trouble) => {
                let tag = held.user.tag;
                loaded.note_damage(tag, trouble.into_fault());
            }
        }
    }
    Ok(())
}

/// A stored session, which must belong to the user whose row names it.
pub(super) fn session(body: &[u8], tag: UserTag) -> Result<PackedSession, Trouble> {
    let session = PackedSession::from_bytes(body).map_err(|_| Trouble::Unreadable("a session"))?;
    if session.id().tag() == tag { Ok(session) } else { Err(Trouble::Unreadable("a session of another user")) }
}

/// The one row of figures.
pub(super) fn counters(connection: &Connection) -> Result<Counters, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, last_user, last_session, sessions, users, created_total, revoked_total, expired_total,
         events FROM counters",
    )?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(Trouble::Unreadable("no counters"))?;
    Ok(Counters {
        sequence: number(row, 0)?,
        last_user: row.get(1)?,
        last_session: row.get(2)?,
        last_event: number(row, 8)?,
        stats: Stats {
            sessions: number(row, 3)?,
            users: number(row, 4)?,
            created_total: number(row, 5)?,
            revoked_total: number(row, 6)?,
            expired_total: number(row, 7)?,
        },
    })
}
