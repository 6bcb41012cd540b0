//! Users: their rows, and the whole aggregate for a reader.

use super::{fault::Trouble, limit, load::session, number, tag, time};
use crate::{decide::Held, handoff};
use sqlx::{PgPool, Row, postgres::PgRow};
use vestibule_core::{
    id::{UserId, UserTag},
    record::UserSnapshot,
    user::{Extras, UserAggregate},
};

/// Many users by their tags, locked until the end of the transaction in the order of the tags, so that no two transactions wait
/// for each other.
pub(super) const LOCK_MANY: &str =
    "SELECT id, tag, user_id, revision, disabled, created_total, ended_total, last_login_at, handoffs, epoch, erased, extras
     FROM vestibule_users WHERE tag = ANY($1) ORDER BY tag FOR UPDATE";

/// One user with live sessions, in one statement and so of one moment; and how far the change log is surely in it.
const LOAD: &str =
    "SELECT u.id, u.tag, u.user_id, u.revision, u.disabled, u.created_total, u.ended_total, u.last_login_at, u.handoffs, u.epoch,
     u.erased, u.extras, ((m.base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) << 16) - 1,
     ARRAY(SELECT s.body FROM vestibule_sessions AS s
           WHERE s.user_row = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL ORDER BY s.id)
     FROM vestibule_meta AS m LEFT JOIN vestibule_users AS u ON u.tag = $1";

/// A user's row, without sessions.
pub(super) fn held(row: &PgRow, tag: UserTag) -> Result<Held, Trouble> {
    let user_id: Option<String> = row.try_get(2)?;
    let user_id = user_id.map(UserId::new).transpose().map_err(|_| Trouble::Unreadable("a user id"))?;
    let handoffs: Option<&[u8]> = row.try_get(8)?;
    let handoffs = match handoffs {
        None => None,
        Some(bytes) => Some(Box::new(handoff::unpack(bytes, tag).ok_or(Trouble::Unreadable("hand-off codes"))?)),
    };
    let extras: Option<&[u8]> = row.try_get(11)?;
    let extras = match extras {
        None => None,
        Some(bytes) => Some(Box::new(Extras::unpack(tag, bytes).map_err(|_| Trouble::Unreadable("a user's extras"))?)),
    };
    let mut held = Held::new(tag);
    held.row = Some(row.try_get(0)?);
    held.epoch = row.try_get(9)?;
    held.erased = row.try_get(10)?;
    held.user = UserAggregate {
        disabled: row.try_get(4)?,
        user_id,
        revision: number(row, 3)?,
        created_total: number(row, 5)?,
        ended_total: number(row, 6)?,
        last_login_at: time(row, 7)?,
        handoffs,
        extras,
        ..UserAggregate::new(tag)
    };
    Ok(held)
}

/// A user with live sessions.
pub(super) async fn load(pool: &PgPool, tag: UserTag) -> Result<UserSnapshot, Trouble> {
    let row = sqlx::query(LOAD).bind(&tag.as_bytes()[..]).fetch_one(pool).await?;
    let sequence = number(&row, 12)?;
    if row.try_get::<Option<i64>, _>(0)?.is_none() {
        return Ok(UserSnapshot { sequence, user: UserAggregate::new(tag) });
    }
    let mut user = held(&row, tag)?.user;
    let bodies: Vec<Vec<u8>> = row.try_get(13)?;
    user.live = bodies.iter().map(|body| session(body, tag)).collect::<Result<_, _>>()?;
    Ok(UserSnapshot { sequence, user })
}

/// Users after `after` with live sessions, in the order of their tags.
pub(super) async fn with_live(pool: &PgPool, after: Option<UserTag>, count: usize) -> Result<Vec<UserTag>, Trouble> {
    let after = after.map_or_else(Vec::new, |tag| tag.as_bytes().to_vec());
    let rows = sqlx::query(
        "SELECT tag FROM vestibule_users AS u WHERE tag > $1 AND EXISTS
         (SELECT 1 FROM vestibule_sessions WHERE user_row = u.id AND epoch = u.epoch AND ended_at IS NULL)
         ORDER BY tag LIMIT $2",
    )
    .bind(after)
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| tag(row, 0)).collect()
}
