//! What is denied of access tokens.

use super::{blob, fault::Trouble, int, limit, time};
use rusqlite::{Transaction, params};
use vestibule_core::{time::Timestamp, token::Denial};

pub(super) fn put(transaction: &Transaction<'_>, denials: &[Denial]) -> Result<(), Trouble> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO denials (body, until) VALUES (?1, ?2) ON CONFLICT (body) DO UPDATE SET until = max(until, excluded.until)",
    )?;
    for denial in denials {
        statement.execute(params![denial.to_bytes(), int(denial.until.millis())])?;
    }
    Ok(())
}

/// Those that still matter, by their ends, behind one of them.
pub(super) fn at(
    transaction: &Transaction<'_>,
    now: Timestamp,
    after: Option<Denial>,
    count: usize,
) -> Result<Vec<Denial>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT body, until FROM denials WHERE until > ?1 AND (until, body) > (?2, ?3) ORDER BY until, body LIMIT ?4",
    )?;
    let (until, body) = after.map_or((0, Vec::new()), |after| (int(after.until.millis()), after.to_bytes()));
    let mut rows = statement.query(params![int(now.millis()), until, body, limit(count)])?;
    let mut denials = Vec::new();
    while let Some(row) = rows.next()? {
        denials.push(Denial::from_bytes(blob(row, 0)?, time(row, 1)?).ok_or(Trouble::Unreadable("a denial"))?);
    }
    Ok(denials)
}

/// Forgets at most `count` that were over before a time. Returns how many went.
pub(super) fn forget(transaction: &Transaction<'_>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM denials WHERE body IN (SELECT body FROM denials WHERE until < ?1 ORDER BY until LIMIT ?2)",
    )?;
    Ok(statement.execute(params![int(before.millis()), limit(count)])?)
}
