//! The deployment's salt and fingerprint.

use super::{PostgresRecord, array, fault::Trouble};
use sqlx::PgPool;
use vestibule_core::{
    Answer,
    deployment::{DeploymentRecord, DeploymentStore},
};

async fn init(pool: &PgPool, fresh: &DeploymentRecord) -> Result<DeploymentRecord, Trouble> {
    // An update in any case: it waits for a node that founds the deployment at the same time, and sees what that one wrote.
    let row = sqlx::query(
        "UPDATE vestibule_meta SET salt = coalesce(salt, $1), fingerprint = coalesce(fingerprint, $2)
         RETURNING salt, fingerprint",
    )
    .bind(&fresh.salt[..])
    .bind(&fresh.fingerprint[..])
    .fetch_one(pool)
    .await?;
    Ok(DeploymentRecord { salt: array(&row, 0)?, fingerprint: array(&row, 1)? })
}

async fn replace(pool: &PgPool, from: [u8; 16], to: [u8; 16]) -> Result<bool, Trouble> {
    let replaced = sqlx::query("UPDATE vestibule_meta SET fingerprint = $2 WHERE fingerprint = $1")
        .bind(&from[..])
        .bind(&to[..])
        .execute(pool)
        .await?;
    Ok(replaced.rows_affected() > 0)
}

impl DeploymentStore for PostgresRecord {
    fn init(&self, fresh: DeploymentRecord) -> Answer<'_, DeploymentRecord> {
        self.owned(|pool| async move { init(&pool, &fresh).await })
    }

    fn replace_fingerprint(&self, from: [u8; 16], to: [u8; 16]) -> Answer<'_, bool> {
        self.owned(move |pool| async move { replace(&pool, from, to).await })
    }
}
