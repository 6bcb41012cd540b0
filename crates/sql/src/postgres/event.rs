//! Events.

mod tail;

use super::{PostgresRecord, array, chain, fault::Trouble, int, limit, time};
use crate::{
    batch::{Input, ReplyTo},
    bounds,
};
use sqlx::{PgPool, Row, postgres::PgRow};
use vestibule_core::{
    Answer,
    bounds::STORE_PAGE,
    event::{Event, EventQuery, EventStore, Sealer, Tail, TailFrom},
    id::{EventId, SessionId, UserId, UserTag},
    time::Timestamp,
};

/// A text of a client as Postgres takes it: it has no NUL.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn event(row: &PgRow) -> Result<Event, Trouble> {
    let text = |column| Ok::<_, Trouble>(row.try_get::<Option<String>, _>(column)?.map(String::into_boxed_str));
    let null = |column| Ok::<_, Trouble>(row.try_get::<Option<&[u8]>, _>(column)?.is_none());
    let ip = text(6)?.map(|ip| ip.parse().map_err(|_| Trouble::Unreadable("an address"))).transpose()?;
    Ok(Event {
        id: EventId::from_bytes(array(row, 0)?),
        time: time(row, 1)?,
        kind: row.try_get::<&str, _>(2)?.parse().map_err(|_| Trouble::Unreadable("an event of an unknown type"))?,
        actor: text(3)?,
        subject: text(4)?.map(UserId::new).transpose().map_err(|_| Trouble::Unreadable("a user id"))?,
        session_id: if null(5)? { None } else { Some(SessionId::from_bytes(&array(row, 5)?)) },
        ip,
        user_agent: text(7)?,
        request_id: text(8)?,
        reason: text(9)?,
        count: row.try_get::<Option<i64>, _>(10)?.map(i64::cast_unsigned),
        tag: if null(11)? { None } else { Some(super::tag(row, 11)?) },
        device_id: text(12)?,
    })
}

/// The ids between two bounds are walked; the exact times and types are compared on the way.
macro_rules! select {
    ($whose:literal) => {
        concat!(
            "SELECT id, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count, tag, device ",
            "FROM vestibule_events WHERE ",
            $whose,
            " AND id < $2 AND id >= $3 AND time >= $4 AND time < $5 AND ($6 OR kind = ANY($7)) ORDER BY id DESC LIMIT $8"
        )
    };
}

async fn query(pool: &PgPool, query: &EventQuery) -> Result<Vec<Event>, Trouble> {
    let sql = if query.tag.is_some() { select!("tag = $1") } else { select!("$1::bytea IS NULL") };
    let since = query.since.unwrap_or_default();
    let until = query.until.unwrap_or(Timestamp::from_millis(u64::MAX));
    let below = EventId::new(until.plus_ms(bounds::EVENT_SKEW_MS).millis(), [0xff; 10]);
    let from = EventId::new(since.minus_ms(bounds::EVENT_SKEW_MS).millis(), [0; 10]);
    let rows = sqlx::query(sql)
        .bind(query.tag.map(|tag: UserTag| tag.as_bytes().to_vec()))
        .bind(query.before.map_or(below, |before| before.min(below)).as_bytes().to_vec())
        .bind(from.as_bytes().to_vec())
        .bind(int(since.millis()))
        .bind(int(until.millis()))
        .bind(query.kinds.is_empty())
        .bind(query.kinds.iter().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>())
        .bind(limit(query.limit.min(STORE_PAGE)))
        .fetch_all(pool)
        .await?;
    rows.iter().map(event).collect()
}

async fn forget(pool: &PgPool, sealer: Option<&Sealer>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    let below = EventId::new(before.millis(), [0; 10]);
    let mut transaction = pool.begin().await?;
    let row = sqlx::query(
        "WITH gone AS (DELETE FROM vestibule_events WHERE id IN
          (SELECT id FROM vestibule_events WHERE id < $1 AND time < $2 ORDER BY id LIMIT $3) RETURNING position)
         SELECT count(*), max(position) FROM gone",
    )
    .bind(below.as_bytes().to_vec())
    .bind(int(before.millis()))
    .bind(limit(count))
    .fetch_one(&mut *transaction)
    .await?;
    let (gone, through): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    if let Some(through) = through {
        chain::forget(&mut transaction, sealer, through.cast_unsigned()).await?;
    }
    transaction.commit().await?;
    Ok(usize::try_from(gone).unwrap_or(usize::MAX))
}

impl EventStore for PostgresRecord {
    fn append(&self, events: Vec<Event>) -> Answer<'_, ()> {
        self.writers.ask(Input::Append(events), None, ReplyTo::Done)
    }

    fn query(&self, asked: EventQuery) -> Answer<'_, Vec<Event>> {
        self.read(async move { query(&self.pool, &asked).await })
    }

    fn tail(&self, from: TailFrom, count: usize) -> Answer<'_, Tail> {
        self.read(async move { tail::tail(&self.pool, &from, count).await })
    }

    fn forget(&self, before: Timestamp, count: usize) -> Answer<'_, usize> {
        let sealer = self.sealer.clone();
        self.owned(move |pool| async move { forget(&pool, sealer.as_ref(), before, count).await })
    }
}
