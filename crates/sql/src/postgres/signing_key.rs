//! The keys behind access tokens.

use super::{PostgresRecord, fault::Trouble, int};
use sqlx::{PgPool, Row as _};
use vestibule_core::{
    Answer,
    token::signing::{KeyDocument, ReplaceKeysOutcome, SigningKeyStore},
};

async fn load(pool: &PgPool) -> Result<Option<KeyDocument>, Trouble> {
    let stored = sqlx::query("SELECT version, document FROM vestibule_signing_keys").fetch_optional(pool).await?;
    let Some(row) = stored else { return Ok(None) };
    Ok(Some(KeyDocument { version: row.try_get::<i64, _>(0)?.cast_unsigned(), bytes: row.try_get(1)? }))
}

async fn replace(pool: &PgPool, document: KeyDocument) -> Result<ReplaceKeysOutcome, Trouble> {
    let replaced = sqlx::query(
        "INSERT INTO vestibule_signing_keys (id, version, document) SELECT 1, 1, $2 WHERE $1 = 1
         ON CONFLICT (id) DO NOTHING",
    );
    let updated = sqlx::query("UPDATE vestibule_signing_keys SET version = $1, document = $2 WHERE version = $1 - 1");
    let statement = if document.version == 1 { replaced } else { updated };
    let done = statement.bind(int(document.version)).bind(document.bytes).execute(pool).await?;
    Ok(if done.rows_affected() == 0 { ReplaceKeysOutcome::Conflict } else { ReplaceKeysOutcome::Replaced })
}

impl SigningKeyStore for PostgresRecord {
    fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>> {
        self.read(async move { load(&self.pool).await })
    }

    fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome> {
        self.owned(|pool| async move { replace(&pool, document).await })
    }
}
