//! The keys behind access tokens.

use super::{SqliteRecord, fault::Trouble, int};
use rusqlite::{OptionalExtension as _, Transaction, params};
use vestibule_core::{
    Answer,
    token::signing::{KeyDocument, ReplaceKeysOutcome, SigningKeyStore},
};

fn load(transaction: &Transaction<'_>) -> Result<Option<KeyDocument>, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT version, document FROM signing_keys")?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
    let stored = statement.query_row([], read).optional()?;
    Ok(stored.map(|(version, bytes)| KeyDocument { version: version.cast_unsigned(), bytes }))
}

fn replace(transaction: &Transaction<'_>, document: &KeyDocument) -> Result<ReplaceKeysOutcome, Trouble> {
    let stored = load(transaction)?.map_or(0, |stored| stored.version);
    if stored + 1 != document.version {
        return Ok(ReplaceKeysOutcome::Conflict);
    }
    transaction.execute(
        "INSERT OR REPLACE INTO signing_keys (id, version, document) VALUES (1, ?1, ?2)",
        params![int(document.version), document.bytes],
    )?;
    Ok(ReplaceKeysOutcome::Replaced)
}

impl SigningKeyStore for SqliteRecord {
    fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>> {
        self.read(load)
    }

    fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome> {
        self.writer.alone(move |writer| writer.transact(|transaction, _| replace(transaction, &document)))
    }
}
