//! Where the tokens of another system lead.

use super::{SqliteRecord, fault::Trouble, int, limit};
use rusqlite::{OptionalExtension as _, Transaction, params};
use vestibule_core::{
    Answer,
    alias::{Alias, AliasStore},
    id::UserTag,
    session::TokenDigest,
    time::Timestamp,
};

fn resolve(transaction: &Transaction<'_>, digest: &TokenDigest, now: Timestamp) -> Result<Option<UserTag>, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT tag FROM aliases WHERE digest = ?1 AND expires_at > ?2")?;
    let tag = statement.query_row(params![digest.as_bytes(), int(now.millis())], |row| row.get(0)).optional()?;
    Ok(tag.map(UserTag::from_bytes))
}

fn keep(transaction: &Transaction<'_>, aliases: &[Alias]) -> Result<(), Trouble> {
    let mut statement =
        transaction.prepare_cached("INSERT OR IGNORE INTO aliases (digest, tag, expires_at) VALUES (?1, ?2, ?3)")?;
    for alias in aliases {
        statement.execute(params![alias.digest.as_bytes(), alias.tag.as_bytes(), int(alias.expires_at.millis())])?;
    }
    Ok(())
}

/// Forgets at most `count` that expired before a time. Returns how many went.
pub(super) fn forget(transaction: &Transaction<'_>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let mut statement = transaction.prepare_cached(
        "DELETE FROM aliases WHERE digest IN (SELECT digest FROM aliases WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    Ok(statement.execute(params![int(before.millis()), limit(count)])?)
}

impl AliasStore for SqliteRecord {
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>> {
        self.read(move |transaction| resolve(transaction, &digest, now))
    }

    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()> {
        self.writer.alone(move |writer| writer.transact(|transaction, _| keep(transaction, &aliases)))
    }
}
