//! Where the tokens of another system lead.

use super::{PostgresRecord, fault::Trouble, int, limit, tag};
use sqlx::PgPool;
use vestibule_core::{
    Answer,
    alias::{Alias, AliasStore},
    id::UserTag,
    session::TokenDigest,
    time::Timestamp,
};

async fn resolve(pool: &PgPool, digest: &TokenDigest, now: Timestamp) -> Result<Option<UserTag>, Trouble> {
    let found = sqlx::query("SELECT tag FROM vestibule_aliases WHERE digest = $1 AND expires_at > $2")
        .bind(&digest.as_bytes()[..])
        .bind(int(now.millis()))
        .fetch_optional(pool)
        .await?;
    found.map(|row| tag(&row, 0)).transpose()
}

async fn keep(pool: &PgPool, mut aliases: Vec<Alias>) -> Result<(), Trouble> {
    // In one order, so that two imports at once never wait for each other.
    aliases.sort_unstable_by_key(|alias| *alias.digest.as_bytes());
    let digests: Vec<&[u8]> = aliases.iter().map(|alias| &alias.digest.as_bytes()[..]).collect();
    let tags: Vec<&[u8]> = aliases.iter().map(|alias| &alias.tag.as_bytes()[..]).collect();
    let expiries: Vec<i64> = aliases.iter().map(|alias| int(alias.expires_at.millis())).collect();
    sqlx::query(
        "INSERT INTO vestibule_aliases (digest, tag, expires_at)
         SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) ON CONFLICT (digest) DO NOTHING",
    )
    .bind(digests)
    .bind(tags)
    .bind(expiries)
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets at most `count` that expired before a time. Returns how many went.
pub(super) async fn forget(pool: &PgPool, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let gone = sqlx::query(
        "DELETE FROM vestibule_aliases WHERE digest IN
         (SELECT digest FROM vestibule_aliases WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
    )
    .bind(int(before.millis()))
    .bind(limit(count))
    .execute(pool)
    .await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}

impl AliasStore for PostgresRecord {
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>> {
        self.read(async move { resolve(&self.pool, &digest, now).await })
    }

    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()> {
        self.owned(|pool| async move { keep(&pool, aliases).await })
    }
}
