//! Management keys.

use super::{SqliteRecord, array, event, fault::Trouble, int, limit, time};
use rusqlite::{Row, Transaction, params};
use vestibule_core::{
    Answer,
    bounds::KEYS,
    event::Event,
    key::{InsertKeyOutcome, KeyRecord, KeyStore, Scope, Scopes},
    time::Timestamp,
};

fn key(row: &Row<'_>) -> Result<KeyRecord, Trouble> {
    let scopes: String = row.get(2)?;
    let scopes: Result<Vec<Scope>, _> = scopes.split_whitespace().map(str::parse).collect();
    Ok(KeyRecord {
        id: row.get::<_, String>(0)?.into(),
        name: row.get::<_, String>(1)?.into(),
        scopes: Scopes::new(scopes.map_err(|_| Trouble::Unreadable("an unknown scope"))?),
        created_at: time(row, 3)?,
        expires_at: row.get::<_, Option<i64>>(4)?.map(|ms| Timestamp::from_millis(ms.cast_unsigned())),
        digest: array(row, 5)?,
    })
}

fn insert(transaction: &Transaction<'_>, key: &KeyRecord) -> Result<InsertKeyOutcome, Trouble> {
    let held: i64 = transaction.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    if held >= limit(KEYS) {
        return Ok(InsertKeyOutcome::Full);
    }
    let mut statement = transaction.prepare_cached(
        "INSERT INTO keys (id, name, scopes, created_at, expires_at, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    statement.execute(params![
        &*key.id,
        &*key.name,
        key.scopes.names().collect::<Vec<_>>().join(" "),
        int(key.created_at.millis()),
        key.expires_at.map(|at| int(at.millis())),
        key.digest,
    ])?;
    Ok(InsertKeyOutcome::Inserted)
}

fn list(transaction: &Transaction<'_>) -> Result<Vec<KeyRecord>, Trouble> {
    let mut statement = transaction
        .prepare_cached("SELECT id, name, scopes, created_at, expires_at, digest FROM keys ORDER BY created_at, rowid")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(key(row)?);
    }
    Ok(keys)
}

impl KeyStore for SqliteRecord {
    fn insert(&self, key: KeyRecord, happened: Event) -> Answer<'_, InsertKeyOutcome> {
        self.writer.alone(move |writer| {
            let sealer = writer.sealer.clone();
            writer.transact(|transaction, counters| {
                let outcome = insert(transaction, &key)?;
                if outcome == InsertKeyOutcome::Inserted {
                    event::append_one(transaction, counters, sealer.as_ref(), happened)?;
                }
                Ok(outcome)
            })
        })
    }

    fn list(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.read(list)
    }

    fn delete(&self, id: Box<str>, happened: Event) -> Answer<'_, bool> {
        self.writer.alone(move |writer| {
            let sealer = writer.sealer.clone();
            writer.transact(|transaction, counters| {
                let deleted = transaction.execute("DELETE FROM keys WHERE id = ?1", [&*id])? > 0;
                if deleted {
                    event::append_one(transaction, counters, sealer.as_ref(), happened)?;
                }
                Ok(deleted)
            })
        })
    }
}
