//! Writes what a batch decided: one prepared statement for each kind of row, run for all rows of the batch.

use super::{account, change, denial, event, fault::Trouble, int, user};
use crate::decide::{Counters, Held, Journal, without_payload};
use rusqlite::{Transaction, named_params, params};
use std::collections::HashMap;
use vestibule_core::{event::Sealer, id::UserTag, session::PackedSession};

/// Rows of users, as far as a batch knows them.
pub(super) type UserRows = HashMap<UserTag, i64>;

pub(super) fn batch(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    mut users: Vec<Held>,
    journal: Journal,
    sealer: Option<&Sealer>,
) -> Result<(), Trouble> {
    let mut known = UserRows::new();
    users.retain(|held| held.changed || !held.put.is_empty() || held.row.is_some());
    for held in &mut users {
        known.insert(held.user.tag, user::write(transaction, counters, held)?);
    }
    accounts(transaction, &users)?;
    for held in &users {
        sessions(transaction, counters, held)?;
        marks(transaction, held)?;
    }
    change::append(transaction, &journal.changes)?;
    denial::put(transaction, &journal.denied)?;
    event::append(transaction, counters, &mut known, sealer, journal.events)?;
    write_counters(transaction, counters)
}

/// Deleted accounts go first: their addresses may be claimed again in the same batch.
fn accounts(transaction: &Transaction<'_>, users: &[Held]) -> Result<(), Trouble> {
    let changed = || users.iter().filter(|held| held.account_changed).filter_map(|held| Some((held, held.row?)));
    for (_, row) in changed().filter(|(held, _)| held.user.account.is_none()) {
        account::delete(transaction, row)?;
    }
    for (held, row) in changed() {
        if let Some(account) = &held.user.account {
            account::put(transaction, row, account)?;
        }
    }
    Ok(())
}

fn sessions(transaction: &Transaction<'_>, counters: &mut Counters, held: &Held) -> Result<(), Trouble> {
    let Some(user) = held.row else { return Ok(()) };
    let to_write = |session: &&PackedSession| held.put.contains(session.id().serial());
    for session in held.user.live.iter().filter(to_write) {
        match row_of(held, session) {
            None => insert(transaction, counters, user, held.epoch, session)?,
            Some(row) if held.marks.is_empty() => {
                let mut statement = transaction.prepare_cached("UPDATE sessions SET deadline = ?2, body = ?3 WHERE id = ?1")?;
                statement.execute(params![row, int(session.deadline().millis()), session.as_bytes()])?;
            }
            Some(row) => {
                let mut statement =
                    transaction.prepare_cached("UPDATE sessions SET epoch = ?2, deadline = ?3, body = ?4 WHERE id = ?1")?;
                statement.execute(params![row, held.epoch, int(session.deadline().millis()), session.as_bytes()])?;
            }
        }
    }
    for session in &held.ended {
        let session = without_payload(session);
        match row_of(held, &session) {
            None => insert(transaction, counters, user, held.epoch, &session)?,
            Some(row) => end(transaction, row, held.epoch, &session)?,
        }
    }
    Ok(())
}

fn row_of(held: &Held, session: &PackedSession) -> Option<i64> {
    held.rows.get(session.id().serial()).copied()
}

fn insert(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    user: i64,
    epoch: i64,
    session: &PackedSession,
) -> Result<(), Trouble> {
    counters.last_session += 1;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO sessions (id, user, epoch, serial, deadline, ended_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    statement.execute(params![
        counters.last_session,
        user,
        epoch,
        session.id().serial(),
        int(session.deadline().millis()),
        session.ended().map(|ended| int(ended.at.millis())),
        session.as_bytes(),
    ])?;
    Ok(())
}

/// Ends one row. The epoch is moved along, so that a mark or an erasure of before does not count for it twice.
pub(super) fn end(transaction: &Transaction<'_>, row: i64, epoch: i64, session: &PackedSession) -> Result<(), Trouble> {
    let ended_at = session.ended().map(|ended| int(ended.at.millis()));
    let mut statement = transaction.prepare_cached("UPDATE sessions SET epoch = ?2, ended_at = ?3, body = ?4 WHERE id = ?1")?;
    statement.execute(params![row, epoch, ended_at, session.as_bytes()])?;
    Ok(())
}

fn marks(transaction: &Transaction<'_>, held: &Held) -> Result<(), Trouble> {
    for mark in &held.marks {
        let mut statement =
            transaction.prepare_cached("INSERT INTO marks (user, epoch, at, reason) VALUES (?1, ?2, ?3, ?4)")?;
        let (at, reason) = mark.ended.map_or((0, 0), |ended| (int(ended.at.millis()), ended.reason as u8));
        statement.execute(params![held.row, mark.epoch, at, reason])?;
    }
    Ok(())
}

pub(super) fn write_counters(transaction: &Transaction<'_>, counters: &Counters) -> Result<(), Trouble> {
    let mut statement = transaction.prepare_cached(
        "UPDATE counters SET sequence = :sequence, last_user = :last_user, last_session = :last_session, events = :events,
         sessions = :sessions, users = :users, created_total = :created, revoked_total = :revoked, expired_total = :expired",
    )?;
    let stats = &counters.stats;
    statement.execute(named_params! {
        ":sequence": int(counters.sequence),
        ":last_user": counters.last_user,
        ":last_session": counters.last_session,
        ":events": int(counters.last_event),
        ":sessions": int(stats.sessions),
        ":users": int(stats.users),
        ":created": int(stats.created_total),
        ":revoked": int(stats.revoked_total),
        ":expired": int(stats.expired_total),
    })?;
    Ok(())
}
