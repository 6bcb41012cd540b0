//! The deployment's salt and fingerprint.

use super::{SqliteRecord, array, fault::Trouble};
use rusqlite::{Transaction, params};
use vestibule_core::{
    Answer,
    deployment::{DeploymentRecord, DeploymentStore},
};

fn init(transaction: &Transaction<'_>, fresh: &DeploymentRecord) -> Result<DeploymentRecord, Trouble> {
    transaction.execute(
        "INSERT OR IGNORE INTO meta (id, salt, fingerprint) VALUES (1, ?1, ?2)",
        params![fresh.salt, fresh.fingerprint],
    )?;
    let mut statement = transaction.prepare("SELECT salt, fingerprint FROM meta")?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(Trouble::Unreadable("no salt"))?;
    Ok(DeploymentRecord { salt: array(row, 0)?, fingerprint: array(row, 1)? })
}

impl DeploymentStore for SqliteRecord {
    fn init(&self, fresh: DeploymentRecord) -> Answer<'_, DeploymentRecord> {
        self.writer.alone(move |writer| writer.transact(|transaction, _| init(transaction, &fresh)))
    }

    fn replace_fingerprint(&self, from: [u8; 16], to: [u8; 16]) -> Answer<'_, bool> {
        self.writer.alone(move |writer| {
            writer.transact(|transaction, _| {
                let sql = "UPDATE meta SET fingerprint = ?2 WHERE fingerprint = ?1";
                Ok(transaction.execute(sql, params![from, to])? > 0)
            })
        })
    }
}
