//! Users: their rows, and the whole aggregate for a reader.

use super::{
    blob,
    fault::Trouble,
    int, limit,
    load::{counters, session},
    number, tag, time,
};
use crate::{
    decide::{Counters, Held},
    handoff,
};
use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};
use vestibule_core::{
    id::{UserId, UserTag},
    record::UserSnapshot,
    user::{Extras, UserAggregate},
};

/// Many users by `rarray` of their tags.
pub(super) const SELECT_MANY: &str =
    "SELECT id, tag, user_id, revision, disabled, created_total, ended_total, last_login_at, handoffs, epoch, erased, extras
     FROM rarray(?1) AS wanted CROSS JOIN users ON tag = wanted.value";

const SELECT_ONE: &str =
    "SELECT id, tag, user_id, revision, disabled, created_total, ended_total, last_login_at, handoffs, epoch, erased, extras
     FROM users WHERE tag = ?1";

/// A user's row, without sessions.
pub(super) fn held(row: &Row<'_>, tag: UserTag) -> Result<Held, Trouble> {
    let user_id: Option<String> = row.get(2)?;
    let user_id = user_id.map(UserId::new).transpose().map_err(|_| Trouble::Unreadable("a user id"))?;
    let handoffs = match row.get_ref(8)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(Box::new(handoff::unpack(blob(row, 8)?, tag).ok_or(Trouble::Unreadable("hand-off codes"))?)),
    };
    let extras = match row.get_ref(11)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(Box::new(Extras::unpack(tag, blob(row, 11)?).map_err(|_| Trouble::Unreadable("a user's extras"))?)),
    };
    let mut held = Held::new(tag);
    held.row = Some(row.get(0)?);
    held.epoch = row.get(9)?;
    held.erased = row.get(10)?;
    held.user = UserAggregate {
        disabled: row.get(4)?,
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

/// A user's row by tag, without sessions.
pub(super) fn find(transaction: &Transaction<'_>, tag: UserTag) -> Result<Option<Held>, Trouble> {
    let mut statement = transaction.prepare_cached(SELECT_ONE)?;
    let mut rows = statement.query([tag.as_bytes()])?;
    rows.next()?.map(|row| held(row, tag)).transpose()
}

/// A user with live sessions, as of the last entry of the change log that this transaction sees.
pub(super) fn load(transaction: &Transaction<'_>, tag: UserTag) -> Result<UserSnapshot, Trouble> {
    let sequence = counters(transaction)?.sequence;
    let Some(held) = find(transaction, tag)? else {
        return Ok(UserSnapshot { sequence, user: UserAggregate::new(tag) });
    };
    let mut user = held.user;
    let mut statement = transaction.prepare_cached(
        "SELECT body FROM sessions INDEXED BY sessions_live WHERE user = ?1 AND epoch = ?2 AND ended_at IS NULL ORDER BY id",
    )?;
    let mut rows = statement.query(params![held.row, held.epoch])?;
    while let Some(row) = rows.next()? {
        user.live.push(session(blob(row, 0)?, tag)?);
    }
    Ok(UserSnapshot { sequence, user })
}

/// Users after `after` with live sessions, in the order of their tags.
pub(super) fn with_live(transaction: &Transaction<'_>, after: Option<UserTag>, count: usize) -> Result<Vec<UserTag>, Trouble> {
    let mut statement = transaction.prepare_cached(
        "SELECT tag FROM users AS u WHERE tag > ?1 AND EXISTS
         (SELECT 1 FROM sessions INDEXED BY sessions_live WHERE user = u.id AND epoch = u.epoch AND ended_at IS NULL)
         ORDER BY tag LIMIT ?2",
    )?;
    let after = after.as_ref().map_or(&[][..], |tag| tag.as_bytes());
    let mut rows = statement.query(params![after, limit(count)])?;
    let mut tags = Vec::new();
    while let Some(row) = rows.next()? {
        tags.push(tag(row, 0)?);
    }
    Ok(tags)
}

/// Writes a user's row, if it changed or there is none. Returns its number.
pub(super) fn write(transaction: &Transaction<'_>, counters: &mut Counters, held: &mut Held) -> Result<i64, Trouble> {
    let row = match held.row {
        Some(row) if !held.changed => return Ok(row),
        Some(row) => {
            execute(transaction, UPDATE, row, held)?;
            row
        }
        None => {
            counters.last_user += 1;
            execute(transaction, INSERT, counters.last_user, held)?;
            counters.last_user
        }
    };
    held.row = Some(row);
    Ok(row)
}

const INSERT: &str = "INSERT INTO users
     (id, tag, user_id, revision, disabled, created_total, ended_total, last_login_at, handoffs, epoch, erased, extras)
     VALUES (:id, :tag, :user_id, :revision, :disabled, :created, :ended, :last_login, :handoffs, :epoch, :erased, :extras)";

/// The tag never changes; naming it costs nothing and shows a row that is not this user's.
const UPDATE: &str =
    "UPDATE users SET user_id = :user_id, revision = :revision, disabled = :disabled, created_total = :created,
     ended_total = :ended, last_login_at = :last_login, handoffs = :handoffs, epoch = :epoch, erased = :erased,
     extras = :extras
     WHERE id = :id AND tag = :tag";

fn execute(transaction: &Transaction<'_>, sql: &str, row: i64, held: &Held) -> Result<(), Trouble> {
    let user = &held.user;
    let written = transaction.prepare_cached(sql)?.execute(named_params! {
        ":id": row,
        ":tag": user.tag.as_bytes(),
        ":user_id": user.user_id.as_ref().map(UserId::as_str),
        ":revision": int(user.revision),
        ":disabled": user.disabled,
        ":created": int(user.created_total),
        ":ended": int(user.ended_total),
        ":last_login": int(user.last_login_at.millis()),
        ":handoffs": handoff::pack(user.handoffs.as_deref().map(Vec::as_slice)),
        ":extras": user.extras.as_ref().map(|extras| extras.pack()),
        ":epoch": held.epoch,
        ":erased": held.erased,
    })?;
    if written == 1 { Ok(()) } else { Err(Trouble::Unreadable("a user under another number")) }
}

/// The row of a user of whom only an event may be known so far; made where there is none.
pub(super) fn row_for(transaction: &Transaction<'_>, counters: &mut Counters, tag: UserTag) -> Result<i64, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT id FROM users WHERE tag = ?1")?;
    match statement.query_row([tag.as_bytes()], |row| row.get(0)).optional()? {
        Some(row) => Ok(row),
        None => write(transaction, counters, &mut Held::new(tag)),
    }
}
