//! Sessions that have ended, and those that should.

use super::{fault::Trouble, int, limit, load, mark, tag};
use crate::{bounds, decide::without_payload};
use sqlx::{PgPool, Row};
use vestibule_core::{
    id::{SessionId, UserTag},
    session::{PackedSession, TokenDigest},
    time::Timestamp,
};

/// How much of a digest a query compares (it stands at byte 41 of a packed session, as SQL counts): enough to single one out.
/// The whole is compared in constant time.
const DIGEST_PREFIX: usize = 8;

/// Ended sessions, those under a mark that is not settled yet among them, newest end first; those that ended at the same
/// time, by serial.
pub(super) async fn history(
    pool: &PgPool,
    tag: UserTag,
    before: Option<(Timestamp, SessionId)>,
    count: usize,
) -> Result<Vec<PackedSession>, Trouble> {
    let at = before.map_or(i64::MAX, |(at, _)| int(at.millis()));
    let serial = before.map_or([0; 12], |(_, id)| *id.serial());
    let rows = sqlx::query(
        "WITH u AS (SELECT id, erased FROM vestibule_users WHERE tag = $1)
         (SELECT s.body, s.ended_at AS at, 0::smallint AS reason, s.serial FROM u JOIN vestibule_sessions AS s ON s.user_row = u.id
          WHERE s.ended_at IS NOT NULL AND s.epoch > u.erased AND (s.ended_at, s.serial) < ($2, $3)
          ORDER BY s.ended_at DESC, s.serial DESC LIMIT $4)
         UNION ALL
         (SELECT s.body, m.at, m.reason, s.serial FROM u JOIN vestibule_marks AS m ON m.user_row = u.id
          JOIN vestibule_sessions AS s ON s.user_row = u.id AND s.epoch = m.epoch AND s.ended_at IS NULL
          WHERE m.epoch > u.erased AND m.reason > 0 AND (m.at, s.serial) < ($2, $3)
          ORDER BY m.at DESC, s.serial DESC LIMIT $4)
         ORDER BY at DESC, serial DESC LIMIT $4",
    )
    .bind(&tag.as_bytes()[..])
    .bind(at)
    .bind(&serial[..])
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| ended(row, tag)).collect()
}

/// A session that ended, by itself or under a mark, from the columns body, at and reason.
fn ended(row: &sqlx::postgres::PgRow, tag: UserTag) -> Result<PackedSession, Trouble> {
    let session = load::session(row.try_get(0)?, tag)?;
    let marked = mark::ended(row, 1, 2)?;
    Ok(marked.map_or_else(|| session.clone(), |ended| without_payload(&session.end(ended))))
}

/// An ended session by the digest of its token, among the newest [`bounds::ENDED_SEARCH`].
pub(super) async fn find_ended(pool: &PgPool, tag: UserTag, digest: &TokenDigest) -> Result<Option<PackedSession>, Trouble> {
    let rows = sqlx::query(
        "WITH u AS (SELECT id, erased FROM vestibule_users WHERE tag = $1)
         SELECT body, 0::bigint AS at, 0::smallint AS reason FROM
          (SELECT s.body FROM u JOIN vestibule_sessions AS s ON s.user_row = u.id
           WHERE s.ended_at IS NOT NULL AND s.epoch > u.erased ORDER BY s.ended_at DESC, s.serial DESC LIMIT $3) AS newest
         WHERE substring(body FROM 41 FOR length($2)) = $2
         UNION ALL
         SELECT s.body, m.at, m.reason FROM u JOIN vestibule_marks AS m ON m.user_row = u.id
          JOIN vestibule_sessions AS s ON s.user_row = u.id AND s.epoch = m.epoch AND s.ended_at IS NULL
         WHERE m.epoch > u.erased AND m.reason > 0 AND substring(s.body FROM 41 FOR length($2)) = $2",
    )
    .bind(&tag.as_bytes()[..])
    .bind(&digest.as_bytes()[..DIGEST_PREFIX])
    .bind(limit(bounds::ENDED_SEARCH))
    .fetch_all(pool)
    .await?;
    for row in &rows {
        let session = ended(row, tag)?;
        if digest.matches(session.digest().as_bytes()) {
            return Ok(Some(session));
        }
    }
    Ok(None)
}

/// Users with a live session whose time has come, earliest first.
pub(super) async fn due(pool: &PgPool, now: Timestamp, count: usize) -> Result<Vec<UserTag>, Trouble> {
    let rows = sqlx::query(
        "SELECT u.tag, min(s.deadline) AS earliest FROM
          (SELECT user_row, epoch, deadline FROM vestibule_sessions WHERE ended_at IS NULL AND deadline <= $1
           ORDER BY deadline LIMIT $3) AS s
         JOIN vestibule_users AS u ON u.id = s.user_row AND u.epoch = s.epoch GROUP BY u.tag ORDER BY earliest LIMIT $2",
    )
    .bind(int(now.millis()))
    .bind(limit(count))
    .bind(limit(count.saturating_mul(bounds::DUE_PER_USER)))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| tag(row, 0)).collect()
}
