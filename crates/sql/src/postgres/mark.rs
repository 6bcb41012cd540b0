//! Marks: many sessions that ended, or were erased, by one row. See the same module of SQLite for the why.
//!
//! Several nodes may settle at once: each takes a mark that no other has locked.

use super::{array, fault::Trouble, int, limit, load, time};
use crate::decide::without_payload;
use sqlx::{Acquire, PgConnection, Row, postgres::PgRow};
use vestibule_core::{
    id::UserTag,
    session::{EndReason, Ended},
};

/// When and why, from two columns; `None` is an erasure.
pub(super) fn ended(row: &PgRow, at: usize, reason: usize) -> Result<Option<Ended>, Trouble> {
    match row.try_get::<i16, _>(reason)? {
        0 => Ok(None),
        byte => {
            let reason = u8::try_from(byte).ok().and_then(EndReason::from_byte).ok_or(Trouble::Unreadable("a mark"))?;
            Ok(Some(Ended { at: time(row, at)?, reason }))
        }
    }
}

/// A mark at work.
struct Marked {
    user_row: i64,
    tag: UserTag,
    epoch: i64,
    ended: Option<Ended>,
}

/// Brings about `rows` rows in line with their marks, in a transaction of its own. Returns whether more is left for this node.
pub(super) async fn settle(connection: &mut PgConnection, mut rows: usize) -> Result<bool, Trouble> {
    let mut transaction = connection.begin().await?;
    while rows > 0 {
        let Some(mark) = first(&mut transaction).await? else {
            transaction.commit().await?;
            return Ok(false);
        };
        let done = match mark.ended {
            Some(ended) => settle_ended(&mut transaction, &mark, ended, rows).await?,
            None => settle_erased(&mut transaction, &mark, rows).await?,
        };
        if done < rows {
            sqlx::query("DELETE FROM vestibule_marks WHERE user_row = $1 AND epoch = $2")
                .bind(mark.user_row)
                .bind(mark.epoch)
                .execute(&mut *transaction)
                .await?;
        }
        rows -= done.min(rows).max(1);
    }
    transaction.commit().await?;
    Ok(true)
}

async fn first(connection: &mut PgConnection) -> Result<Option<Marked>, Trouble> {
    let row = sqlx::query(
        "SELECT m.user_row, u.tag, m.epoch, m.at, m.reason FROM vestibule_marks AS m
         JOIN vestibule_users AS u ON u.id = m.user_row ORDER BY m.user_row, m.epoch LIMIT 1 FOR UPDATE OF m SKIP LOCKED",
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let ended = ended(&row, 3, 4)?;
    Ok(Some(Marked { user_row: row.try_get(0)?, tag: UserTag::from_bytes(array(&row, 1)?), epoch: row.try_get(2)?, ended }))
}

async fn settle_ended(connection: &mut PgConnection, mark: &Marked, ended: Ended, rows: usize) -> Result<usize, Trouble> {
    let marked =
        sqlx::query("SELECT id, body FROM vestibule_sessions WHERE user_row = $1 AND epoch = $2 AND ended_at IS NULL LIMIT $3")
            .bind(mark.user_row)
            .bind(mark.epoch)
            .bind(limit(rows))
            .fetch_all(&mut *connection)
            .await?;
    let (mut ids, mut bodies) = (Vec::with_capacity(marked.len()), Vec::with_capacity(marked.len()));
    for row in &marked {
        let body: &[u8] = row.try_get(1)?;
        // One that cannot be read must not keep the others waiting. It has ended, and whoever asks for it is told.
        let session = load::session(body, mark.tag).map(|session| without_payload(&session.end(ended)));
        ids.push(row.try_get::<i64, _>(0)?);
        bodies.push(session.map_or_else(|_| body.to_vec(), |session| session.as_bytes().to_vec()));
    }
    sqlx::query(
        "UPDATE vestibule_sessions AS s SET ended_at = $3, body = v.body
         FROM unnest($1::bigint[], $2::bytea[]) AS v (id, body) WHERE s.id = v.id",
    )
    .bind(ids)
    .bind(bodies)
    .bind(int(ended.at.millis()))
    .execute(connection)
    .await?;
    Ok(marked.len())
}

async fn settle_erased(connection: &mut PgConnection, mark: &Marked, rows: usize) -> Result<usize, Trouble> {
    let gone = sqlx::query(
        "DELETE FROM vestibule_sessions WHERE id IN
         (SELECT id FROM vestibule_sessions WHERE user_row = $1 AND epoch <= $2 LIMIT $3)",
    )
    .bind(mark.user_row)
    .bind(mark.epoch)
    .bind(limit(rows))
    .execute(connection)
    .await?;
    Ok(usize::try_from(gone.rows_affected()).unwrap_or(usize::MAX))
}
