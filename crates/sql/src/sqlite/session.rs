//! Sessions that have ended, and those that should.

use super::{blob, fault::Trouble, int, limit, load, mark, tag, user};
use crate::{bounds, decide::Held, decide::without_payload};
use rusqlite::{Transaction, params};
use std::cmp::Reverse;
use vestibule_core::{
    id::{SessionId, UserTag},
    session::{PackedSession, TokenDigest},
    time::Timestamp,
};

/// Where the digest stands in a packed session, as SQLite counts, and how much of it a query compares: enough to single one
/// out. The whole is compared in constant time.
const DIGEST_AT: i64 = 41;
const DIGEST_PREFIX: usize = 8;

/// Ended sessions, newest end first; those that ended at the same time, by serial.
pub(super) fn history(
    transaction: &Transaction<'_>,
    tag: UserTag,
    before: Option<(Timestamp, SessionId)>,
    count: usize,
) -> Result<Vec<PackedSession>, Trouble> {
    let Some(held) = user::find(transaction, tag)? else { return Ok(Vec::new()) };
    let at = before.map_or(i64::MAX, |(at, _)| int(at.millis()));
    let serial = before.map_or([0; 12], |(_, id)| *id.serial());
    let mut page = ended(transaction, &held, (at, serial), count)?;
    page.extend(marked(transaction, &held, (at, serial), count)?);
    page.sort_unstable_by_key(|session| Reverse((session.ended().map(|ended| ended.at), *session.id().serial())));
    page.truncate(count);
    Ok(page)
}

fn ended(
    transaction: &Transaction<'_>,
    held: &Held,
    (at, serial): (i64, [u8; 12]),
    count: usize,
) -> Result<Vec<PackedSession>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT body FROM sessions INDEXED BY sessions_ended WHERE user = ?1 AND ended_at IS NOT NULL AND epoch > ?2
         AND (ended_at, serial) < (?3, ?4) ORDER BY ended_at DESC, serial DESC LIMIT ?5",
    )?;
    let mut rows = statement.query(params![held.row, held.erased, at, serial, limit(count)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(load::session(blob(row, 0)?, held.user.tag)?);
    }
    Ok(page)
}

/// Those that ended under a mark and have not been settled yet.
fn marked(
    transaction: &Transaction<'_>,
    held: &Held,
    (at, serial): (i64, [u8; 12]),
    count: usize,
) -> Result<Vec<PackedSession>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT s.body, m.at, m.reason FROM marks AS m CROSS JOIN sessions AS s INDEXED BY sessions_live
         ON s.user = m.user AND s.epoch = m.epoch AND s.ended_at IS NULL
         WHERE m.user = ?1 AND m.epoch > ?2 AND m.reason > 0 AND (m.at, s.serial) < (?3, ?4)
         ORDER BY m.at DESC, s.serial DESC LIMIT ?5",
    )?;
    let mut rows = statement.query(params![held.row, held.erased, at, serial, limit(count)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(ended) = mark::ended(row, 1, 2)? {
            page.push(without_payload(&load::session(blob(row, 0)?, held.user.tag)?.end(ended)));
        }
    }
    Ok(page)
}

/// An ended session by the digest of its token, among the newest [`bounds::ENDED_SEARCH`].
pub(super) fn find_ended(
    transaction: &Transaction<'_>,
    tag: UserTag,
    digest: &TokenDigest,
) -> Result<Option<PackedSession>, Trouble> {
    let Some(held) = user::find(transaction, tag)? else { return Ok(None) };
    let prefix = &digest.as_bytes()[..DIGEST_PREFIX];
    let mut statement = transaction.prepare_cached(
        "SELECT body, NULL, 0 FROM (SELECT body FROM sessions INDEXED BY sessions_ended
             WHERE user = ?1 AND ended_at IS NOT NULL AND epoch > ?2 ORDER BY ended_at DESC, serial DESC LIMIT ?5)
         WHERE substr(body, ?3, length(?4)) = ?4
         UNION ALL
         SELECT s.body, m.at, m.reason FROM marks AS m CROSS JOIN sessions AS s INDEXED BY sessions_live
             ON s.user = m.user AND s.epoch = m.epoch AND s.ended_at IS NULL
         WHERE m.user = ?1 AND m.epoch > ?2 AND m.reason > 0 AND substr(s.body, ?3, length(?4)) = ?4",
    )?;
    let mut rows = statement.query(params![held.row, held.erased, DIGEST_AT, prefix, limit(bounds::ENDED_SEARCH)])?;
    while let Some(row) = rows.next()? {
        let session = load::session(blob(row, 0)?, tag)?;
        if digest.matches(session.digest().as_bytes()) {
            let marked = mark::ended(row, 1, 2)?;
            return Ok(Some(marked.map_or(session.clone(), |ended| without_payload(&session.end(ended)))));
        }
    }
    Ok(None)
}

/// Users with a live session whose time has come, earliest first.
pub(super) fn due(transaction: &Transaction<'_>, now: Timestamp, count: usize) -> Result<Vec<UserTag>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT DISTINCT u.tag FROM sessions AS s INDEXED BY sessions_due CROSS JOIN users AS u
         ON u.id = s.user AND u.epoch = s.epoch WHERE s.ended_at IS NULL AND s.deadline <= ?1 LIMIT ?2",
    )?;
    let mut rows = statement.query(params![int(now.millis()), limit(count)])?;
    let mut tags = Vec::new();
    while let Some(row) = rows.next()? {
        tags.push(tag(row, 0)?);
    }
    Ok(tags)
}
