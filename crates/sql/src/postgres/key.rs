//! Management keys.

use super::{PostgresRecord, array, fault::Trouble, int, limit, time, write};
use sqlx::{PgPool, Row, postgres::PgRow};
use vestibule_core::{
    Answer,
    bounds::KEYS,
    event::{Event, Sealer},
    key::{InsertKeyOutcome, KeyRecord, KeyStore, Scope, Scopes},
    time::Timestamp,
};

fn key(row: &PgRow) -> Result<KeyRecord, Trouble> {
    let scopes: Result<Vec<Scope>, _> = row.try_get::<&str, _>(2)?.split_whitespace().map(str::parse).collect();
    Ok(KeyRecord {
        id: row.try_get::<String, _>(0)?.into(),
        name: row.try_get::<String, _>(1)?.into(),
        scopes: Scopes::new(scopes.map_err(|_| Trouble::Unreadable("an unknown scope"))?),
        created_at: time(row, 3)?,
        expires_at: row.try_get::<Option<i64>, _>(4)?.map(|ms| Timestamp::from_millis(ms.cast_unsigned())),
        digest: array(row, 5)?,
    })
}

async fn insert(pool: &PgPool, sealer: Option<&Sealer>, key: &KeyRecord, happened: Event) -> Result<InsertKeyOutcome, Trouble> {
    let mut transaction = pool.begin().await?;
    // Who counts must not be overtaken by who inserts.
    sqlx::query("LOCK TABLE vestibule_keys IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let inserted = sqlx::query(
        "INSERT INTO vestibule_keys (id, name, scopes, created_at, expires_at, digest)
         SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM vestibule_keys) < $7",
    )
    .bind(&*key.id)
    .bind(&*key.name)
    .bind(key.scopes.names().collect::<Vec<_>>().join(" "))
    .bind(int(key.created_at.millis()))
    .bind(key.expires_at.map(|at| int(at.millis())))
    .bind(&key.digest[..])
    .bind(limit(KEYS))
    .execute(&mut *transaction)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(InsertKeyOutcome::Full);
    }
    write::events(&mut transaction, sealer, &[happened]).await?;
    transaction.commit().await?;
    Ok(InsertKeyOutcome::Inserted)
}

async fn list(pool: &PgPool) -> Result<Vec<KeyRecord>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, name, scopes, created_at, expires_at, digest FROM vestibule_keys ORDER BY created_at, number LIMIT $1",
    )
    .bind(limit(KEYS))
    .fetch_all(pool)
    .await?;
    rows.iter().map(key).collect()
}

async fn delete(pool: &PgPool, sealer: Option<&Sealer>, id: &str, happened: Event) -> Result<bool, Trouble> {
    let mut transaction = pool.begin().await?;
    let deleted = sqlx::query("DELETE FROM vestibule_keys WHERE id = $1").bind(id).execute(&mut *transaction).await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    write::events(&mut transaction, sealer, &[happened]).await?;
    transaction.commit().await?;
    Ok(true)
}

impl KeyStore for PostgresRecord {
    fn insert(&self, key: KeyRecord, happened: Event) -> Answer<'_, InsertKeyOutcome> {
        let sealer = self.sealer.clone();
        self.owned(|pool| async move { insert(&pool, sealer.as_ref(), &key, happened).await })
    }

    fn list(&self) -> Answer<'_, Vec<KeyRecord>> {
        self.read(async move { list(&self.pool).await })
    }

    fn delete(&self, id: Box<str>, happened: Event) -> Answer<'_, bool> {
        let sealer = self.sealer.clone();
        self.owned(|pool| async move { delete(&pool, sealer.as_ref(), &id, happened).await })
    }
}
