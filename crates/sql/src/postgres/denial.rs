//! What is denied of access tokens. They are written with the batch that denies them.

use super::{fault::Trouble, int, limit, time};
use sqlx::{PgPool, Row};
use vestibule_core::{time::Timestamp, token::Denial};

/// Those that still matter, by their ends, behind one of them.
pub(super) async fn at(pool: &PgPool, now: Timestamp, after: Option<Denial>, count: usize) -> Result<Vec<Denial>, Trouble> {
    let (until, body) = after.map_or((0, Vec::new()), |after| (int(after.until.millis()), after.to_bytes()));
    let rows = sqlx::query(
        "SELECT body, until FROM vestibule_denials WHERE until > $1 AND (until, body) > ($2, $3) ORDER BY until, body LIMIT $4",
    )
    .bind(int(now.millis()))
    .bind(until)
    .bind(body)
    .bind(limit(count))
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
