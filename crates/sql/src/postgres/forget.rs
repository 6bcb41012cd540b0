//! Forgets what nobody will ask for any more: old ended sessions, old entries of the change log, aliases and denials, users without anything.

use super::{alias, denial, fault::Trouble, int, limit, mark};
use crate::bounds;
use sqlx::{PgPool, Postgres, query::Query};
use vestibule_core::time::Timestamp;

/// Forgets at most `count` ended sessions, as many entries of the change log, aliases and denials from before a time. Returns how
/// many rows of these went.
pub(super) async fn ended(pool: &PgPool, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    // What ended under a mark is old only once it is settled.
    let mut connection = pool.acquire().await?;
    for _ in 0..=count / bounds::MARK_STEP {
        if !mark::settle(&mut connection, bounds::MARK_STEP).await? {
            break;
        }
    }
    drop(connection);
    let sessions = sqlx::query(
        "DELETE FROM vestibule_sessions WHERE id IN (SELECT id FROM vestibule_sessions
         WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2)",
    );
    let changes = sqlx::query(
        "DELETE FROM vestibule_change_log WHERE sequence IN
         (SELECT sequence FROM (SELECT sequence, at FROM vestibule_change_log ORDER BY sequence LIMIT $2) AS oldest WHERE at < $1)",
    );
    let gone = run(pool, sessions, before, count).await? + run(pool, changes, before, count).await?;
    let gone = gone + alias::forget(pool, before, count).await?;
    Ok(gone + denial::forget(pool, before, count).await?)
}

async fn run(
    pool: &PgPool,
    delete: Query<'static, Postgres, sqlx::postgres::PgArguments>,
    before: Timestamp,
    count: usize,
) -> Result<usize, Trouble> {
    let gone = delete.bind(int(before.millis())).bind(limit(count)).execute(pool).await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}

/// Looks at the next few users and drops the rows of those of whom nothing is left and nothing can come back: anonymous ones,
/// whose tag is random, and rows that were made for a command that then did nothing. Users who were known by id keep their
/// revision for ever. A row that a command holds is left alone. Returns where to go on.
pub(super) async fn users(pool: &PgPool, after: i64) -> Result<i64, Trouble> {
    let last: Option<i64> = sqlx::query_scalar(
        "SELECT max(id) FROM (SELECT id FROM vestibule_users WHERE id > $1 ORDER BY id LIMIT $2) AS window_",
    )
    .bind(after)
    .bind(limit(bounds::FORGET_USERS))
    .fetch_one(pool)
    .await?;
    let Some(last) = last else { return Ok(0) };
    sqlx::query(
        "DELETE FROM vestibule_users WHERE id IN (
          SELECT id FROM vestibule_users AS u WHERE id > $1 AND id <= $2 AND user_id IS NULL AND NOT disabled
          AND NOT EXISTS (SELECT 1 FROM vestibule_sessions WHERE user_row = u.id)
          AND NOT EXISTS (SELECT 1 FROM vestibule_marks WHERE user_row = u.id)
          AND NOT EXISTS (SELECT 1 FROM vestibule_accounts WHERE user_row = u.id)
          FOR UPDATE SKIP LOCKED)",
    )
    .bind(after)
    .bind(last)
    .execute(pool)
    .await?;
    Ok(last)
}
