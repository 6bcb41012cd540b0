//! The change log.

use super::{blob, fault::Trouble, int, limit, number, tag, time};
use rusqlite::{Row, Transaction, params, types::ValueRef};
use std::time::Duration;
use vestibule_core::{
    id::SessionId,
    record::Change,
    time::{Clock, millis},
    token::Denial,
};

pub(super) fn append(transaction: &Transaction<'_>, changes: &[Change]) -> Result<(), Trouble> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO change_log (sequence, tag, revision, at, ended_all, ended, denied) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for change in changes {
        let serials: Vec<u8> = change.ended.iter().flat_map(|id| *id.serial()).collect();
        statement.execute(params![
            int(change.sequence),
            change.tag.as_bytes(),
            int(change.revision),
            int(change.at.millis()),
            change.ended_all,
            (!serials.is_empty()).then_some(serials),
            (!change.denied.is_empty()).then(|| Denial::pack(&change.denied)),
        ])?;
    }
    Ok(())
}

/// Entries after `sequence`, in order.
pub(super) fn since(transaction: &Transaction<'_>, sequence: u64, count: usize) -> Result<Vec<Change>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT sequence, tag, revision, at, ended_all, ended, denied FROM change_log
         WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
    )?;
    let mut rows = statement.query(params![int(sequence), limit(count)])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(change(row)?);
    }
    Ok(changes)
}

/// The last entry that is older than this, by this machine's clock. Entries are in the order of their decisions, so the walk
/// from the end is as long as what it skips.
pub(super) fn position(transaction: &Transaction<'_>, age: Duration) -> Result<u64, Trouble> {
    let before = Clock::system().now().minus_ms(millis(age));
    let mut statement =
        transaction.prepare_cached("SELECT sequence FROM change_log WHERE at < ?1 ORDER BY sequence DESC LIMIT 1")?;
    let mut rows = statement.query([int(before.millis())])?;
    rows.next()?.map_or(Ok(0), |row| number(row, 0))
}

fn change(row: &Row<'_>) -> Result<Change, Trouble> {
    let tag = tag(row, 1)?;
    let serials = match row.get_ref(5)? {
        ValueRef::Null => &[],
        _ => blob(row, 5)?,
    };
    let (serials, []) = serials.as_chunks::<12>() else {
        return Err(Trouble::Unreadable("an entry of the change log"));
    };
    let denied = match row.get_ref(6)? {
        ValueRef::Null => Vec::new(),
        _ => Denial::unpack(blob(row, 6)?).ok_or(Trouble::Unreadable("a denial in the change log"))?,
    };
    Ok(Change {
        sequence: number(row, 0)?,
        home: tag.home(),
        tag,
        revision: number(row, 2)?,
        ended: serials.iter().map(|serial| SessionId::from_parts(tag, *serial)).collect(),
        ended_all: row.get(4)?,
        denied,
        at: time(row, 3)?,
    })
}
