//! Forgets what nobody will ask for any more: old ended sessions, old entries of the change log, aliases and denials, users without anything.

use super::{alias, denial, fault::Trouble, int, limit, writer::Writer};
use crate::bounds;
use rusqlite::{Transaction, params};
use vestibule_core::{fault::Fault, time::Timestamp};

/// Forgets at most `count` ended sessions, as many entries of the change log, aliases and denials from before a time. Returns how
/// many rows of these went.
pub(super) fn ended(writer: &mut Writer, before: Timestamp, count: usize) -> Result<usize, Fault> {
    // What ended under a mark is old only once it is settled.
    writer.settle_all(1 + count / bounds::MARK_STEP);
    let after = writer.forget_users_after;
    let (gone, next) = writer.transact(|transaction, _| {
        let gone = sessions(transaction, before, count)? + changes(transaction, before, count)?;
        let gone = gone + alias::forget(transaction, before, count)? + denial::forget(transaction, before, count)?;
        Ok((gone, users(transaction, after)?))
    })?;
    writer.forget_users_after = next;
    Ok(gone)
}

fn sessions(transaction: &Transaction<'_>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions INDEXED BY sessions_old
         WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2)",
    )?;
    Ok(statement.execute(params![int(before.millis()), limit(count)])?)
}

/// The oldest entries, as far as they are from before. There is no index by time, and entries are in the order of their
/// decisions: where the oldest are too young, so are the others.
fn changes(transaction: &Transaction<'_>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM change_log WHERE sequence IN
         (SELECT sequence FROM (SELECT sequence, at FROM change_log ORDER BY sequence LIMIT ?2) WHERE at < ?1)",
    )?;
    Ok(statement.execute(params![int(before.millis()), limit(count)])?)
}

/// Looks at the next few users and drops the rows of those of whom nothing is left and nothing can come back: anonymous ones,
/// whose tag is random, and tags of which only an event was known. Users who were known by id keep their revision for ever,
/// deleted or not, so that nothing from before can be taken for newer than what comes after. Returns where to go on.
fn users(transaction: &Transaction<'_>, after: i64) -> Result<i64, Trouble> {
    let window = "SELECT id FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";
    let last: Option<i64> = transaction
        .prepare_cached(&format!("SELECT max(id) FROM ({window})"))?
        .query_row(params![after, limit(bounds::FORGET_USERS)], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let mut statement = transaction.prepare_cached(
        "DELETE FROM users WHERE id > ?1 AND id <= ?2 AND user_id IS NULL AND NOT disabled AND (created_total > 0 OR revision = 0)
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE user = users.id AND ended_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE user = users.id AND ended_at IS NOT NULL)
         AND NOT EXISTS (SELECT 1 FROM events WHERE user = users.id)
         AND NOT EXISTS (SELECT 1 FROM marks WHERE user = users.id)
         AND NOT EXISTS (SELECT 1 FROM accounts WHERE user = users.id)",
    )?;
    statement.execute(params![after, last])?;
    Ok(last)
}
