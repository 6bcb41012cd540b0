//! Marks: many sessions that ended, or were erased, by one row.
//!
//! A live session counts only with its user's epoch. Ending all of a user raises the epoch and leaves a mark with the old one,
//! so its cost does not depend on how many there are. The rows are brought in line afterwards, in bounded steps; until then
//! readers look the end up in the mark.

use super::{array, blob, fault::Trouble, int, limit, load, time, write};
use crate::decide::{Mark, without_payload};
use rusqlite::{Connection, Row, Transaction, params};
use vestibule_core::{
    id::UserTag,
    session::{EndReason, Ended, PackedSession},
};

/// Whether there is anything to settle.
pub(super) fn any(connection: &Connection) -> Result<bool, Trouble> {
    Ok(connection.prepare_cached("SELECT 1 FROM marks LIMIT 1")?.exists([])?)
}

/// When and why, from two columns; `None` is an erasure.
pub(super) fn ended(row: &Row<'_>, at: usize, reason: usize) -> Result<Option<Ended>, Trouble> {
    match row.get::<_, u8>(reason)? {
        0 => Ok(None),
        byte => {
            let reason = EndReason::from_byte(byte).ok_or(Trouble::Unreadable("a mark"))?;
            Ok(Some(Ended { at: time(row, at)?, reason }))
        }
    }
}

/// Brings about `rows` rows in line with their marks. Returns whether more is left.
pub(super) fn settle(transaction: &Transaction<'_>, mut rows: usize) -> Result<bool, Trouble> {
    while rows > 0 {
        let Some((user, tag, mark)) = first(transaction)? else { return Ok(false) };
        let done = match mark.ended {
            Some(ended) => settle_ended(transaction, user, tag, mark.epoch, ended, rows)?,
            None => settle_erased(transaction, user, mark.epoch, rows)?,
        };
        if done < rows {
            transaction.prepare_cached("DELETE FROM marks WHERE user = ?1 AND epoch = ?2")?.execute([user, mark.epoch])?;
        }
        rows -= done.min(rows).max(1);
    }
    any(transaction)
}

fn first(transaction: &Transaction<'_>) -> Result<Option<(i64, UserTag, Mark)>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT m.user, u.tag, m.epoch, m.at, m.reason FROM marks AS m JOIN users AS u ON u.id = m.user LIMIT 1",
    )?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mark = Mark { epoch: row.get(2)?, ended: ended(row, 3, 4)? };
    Ok(Some((row.get(0)?, UserTag::from_bytes(array(row, 1)?), mark)))
}

fn settle_ended(
    transaction: &Transaction<'_>,
    user: i64,
    tag: UserTag,
    epoch: i64,
    ended: Ended,
    rows: usize,
) -> Result<usize, Trouble> {
    let marked = marked(transaction, user, tag, epoch, rows)?;
    for (row, session) in &marked {
        match session {
            Some(session) => write::end(transaction, *row, epoch, &without_payload(&session.end(ended)))?,
            // One that cannot be read must not keep the others waiting. It has ended, and whoever asks for it is told.
            None => {
                let mut statement = transaction.prepare_cached("UPDATE sessions SET ended_at = ?2 WHERE id = ?1")?;
                statement.execute(params![row, int(ended.at.millis())])?;
            }
        }
    }
    Ok(marked.len())
}

/// Sessions under a mark: their rows, and what is in them, where it can be read.
fn marked(
    transaction: &Transaction<'_>,
    user: i64,
    tag: UserTag,
    epoch: i64,
    count: usize,
) -> Result<Vec<(i64, Option<PackedSession>)>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT id, body FROM sessions INDEXED BY sessions_live WHERE user = ?1 AND epoch = ?2 AND ended_at IS NULL LIMIT ?3",
    )?;
    let mut rows = statement.query(params![user, epoch, limit(count)])?;
    let mut marked = Vec::new();
    while let Some(row) = rows.next()? {
        marked.push((row.get(0)?, load::session(blob(row, 1)?, tag).ok()));
    }
    Ok(marked)
}

fn settle_erased(transaction: &Transaction<'_>, user: i64, epoch: i64, rows: usize) -> Result<usize, Trouble> {
    let mut live = transaction.prepare_cached(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions INDEXED BY sessions_live
         WHERE user = ?1 AND epoch <= ?2 AND ended_at IS NULL LIMIT ?3)",
    )?;
    let mut ended = transaction.prepare_cached(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions INDEXED BY sessions_ended
         WHERE user = ?1 AND epoch <= ?2 AND ended_at IS NOT NULL LIMIT ?3)",
    )?;
    let gone = live.execute(params![user, epoch, limit(rows)])?;
    Ok(gone + ended.execute(params![user, epoch, limit(rows - gone)])?)
}
