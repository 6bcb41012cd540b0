//! What is denied of access tokens. They are written with the batch that denies them.

use super::{fault::Trouble, int, limit, time};
use sqlx::{PgPool, Row};
use vestibule_core::{time::Timestamp, token::Denial};

/// All that still matter.
pub(super) async fn at(pool: &PgPool, now: Timestamp) -> Result<Vec<Denial>, Trouble> {
    let rows = sqlx::query("SELECT body, until FROM vestibule_denials WHERE until > $1")
        .bind(int(now.millis()))
        .fetch_all(pool)
        .await?;
    let denial = |row| {
        let body: &[u8] = sqlx::postgres::PgRow::try_get(row, 0)?;
        Denial::from_bytes(body, time(row, 1)?).ok_or(Trouble::Unreadable("a denial"))
    };
    rows.iter().map(denial).collect()
}

/// Forgets at most `count` that were over before a time. Returns how many went.
pub(super) async fn forget(pool: &PgPool, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let gone = sqlx::query(
        "DELETE FROM vestibule_denials WHERE body IN
         (SELECT body FROM vestibule_denials WHERE until < $1 ORDER BY until LIMIT $2)",
    )
    .bind(int(before.millis()))
    .bind(limit(count))
    .execute(pool)
    .await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}
