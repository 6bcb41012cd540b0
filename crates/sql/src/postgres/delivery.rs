//! How far deliveries have come.

use super::{PostgresRecord, fault::Trouble, int, number};
use sqlx::{PgPool, Row as _};
use vestibule_core::{
    Answer,
    event::{DeliveryDocument, DeliveryStore},
};

async fn load(pool: &PgPool, name: &str) -> Result<Option<DeliveryDocument>, Trouble> {
    let query = sqlx::query("SELECT version, document FROM vestibule_deliveries WHERE name = $1").bind(name);
    let Some(row) = query.fetch_optional(pool).await? else { return Ok(None) };
    Ok(Some(DeliveryDocument { version: number(&row, 0)?, bytes: row.try_get(1)? }))
}

async fn replace(pool: &PgPool, name: &str, document: DeliveryDocument) -> Result<bool, Trouble> {
    let statement = match document.version {
        1 => "INSERT INTO vestibule_deliveries (name, version, document) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        _ => "UPDATE vestibule_deliveries SET version = $2, document = $3 WHERE name = $1 AND version = $2 - 1",
    };
    let query = sqlx::query(statement).bind(name).bind(int(document.version)).bind(document.bytes);
    Ok(query.execute(pool).await?.rows_affected() > 0)
}

impl DeliveryStore for PostgresRecord {
    fn delivery(&self, name: &str) -> Answer<'_, Option<DeliveryDocument>> {
        let name = name.to_owned();
        self.read(async move { load(&self.pool, &name).await })
    }

    fn replace_delivery(&self, name: &str, document: DeliveryDocument) -> Answer<'_, bool> {
        let name = name.to_owned();
        self.owned(|pool| async move { replace(&pool, &name, document).await })
    }
}
