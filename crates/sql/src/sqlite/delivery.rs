//! How far deliveries have come.

use super::{SqliteRecord, fault::Trouble, int, number};
use rusqlite::{Transaction, params};
use vestibule_core::{
    Answer,
    event::{DeliveryDocument, DeliveryStore},
};

fn load(transaction: &Transaction<'_>, name: &str) -> Result<Option<DeliveryDocument>, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT version, document FROM deliveries WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(DeliveryDocument { version: number(row, 0)?, bytes: row.get(1)? }))
}

fn replace(transaction: &Transaction<'_>, name: &str, document: &DeliveryDocument) -> Result<bool, Trouble> {
    let stored = load(transaction, name)?.map_or(0, |stored| stored.version);
    if stored + 1 != document.version {
        return Ok(false);
    }
    transaction
        .prepare_cached("INSERT OR REPLACE INTO deliveries (name, version, document) VALUES (?1, ?2, ?3)")?
        .execute(params![name, int(document.version), document.bytes])?;
    Ok(true)
}

impl DeliveryStore for SqliteRecord {
    fn delivery(&self, name: &str) -> Answer<'_, Option<DeliveryDocument>> {
        let name = name.to_owned();
        self.read(move |transaction| load(transaction, &name))
    }

    fn replace_delivery(&self, name: &str, document: DeliveryDocument) -> Answer<'_, bool> {
        let name = name.to_owned();
        self.writer.alone(move |writer| writer.transact(|transaction, _| replace(transaction, &name, &document)))
    }
}
