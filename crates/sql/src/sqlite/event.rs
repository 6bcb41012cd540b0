//! Events.

use super::{
    SqliteRecord, array, blob, chain,
    fault::Trouble,
    int, limit, load, number, tag, time, user,
    write::{UserRows, write_counters},
    writer::Job,
};
use crate::{bounds, decide::Counters};
use rusqlite::{Row, Transaction, named_params, params, types::ValueRef};
use std::net::IpAddr;
use vestibule_core::{
    Answer,
    bounds::STORE_PAGE,
    event::{Event, EventQuery, EventStore, Place, Seal, Sealer, Tail, TailFrom},
    id::{EventId, SessionId, UserId, UserTag},
    time::Timestamp,
};

/// Appends events; what is there already stays as it is.
pub(super) fn append(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    known: &mut UserRows,
    sealer: Option<&Sealer>,
    mut events: Vec<Event>,
) -> Result<(), Trouble> {
    // In the order of the table: neighbours land on one page.
    events.sort_unstable_by_key(|event| event.id);
    for event in &events {
        let user = event.tag.map(|tag| row_of(transaction, counters, known, tag)).transpose()?;
        let seal = sealer.map(|sealer| sealer.seal(event));
        insert(transaction, counters, user, event, seal)?;
    }
    Ok(())
}

fn row_of(transaction: &Transaction<'_>, counters: &mut Counters, known: &mut UserRows, tag: UserTag) -> Result<i64, Trouble> {
    if let Some(row) = known.get(&tag) {
        return Ok(*row);
    }
    let row = user::row_for(transaction, counters, tag)?;
    known.insert(tag, row);
    Ok(row)
}

/// One event outside a batch.
pub(super) fn append_one(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    sealer: Option<&Sealer>,
    event: Event,
) -> Result<(), Trouble> {
    append(transaction, counters, &mut UserRows::new(), sealer, vec![event])?;
    write_counters(transaction, counters)
}

fn insert(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    user: Option<i64>,
    event: &Event,
    seal: Option<Seal>,
) -> Result<(), Trouble> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR IGNORE INTO events (id, user, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count,
         position, seal, device)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    let (v4, v6);
    let ip: Option<&[u8]> = match event.ip {
        None => None,
        Some(IpAddr::V4(ip)) => {
            v4 = ip.octets();
            Some(&v4)
        }
        Some(IpAddr::V6(ip)) => {
            v6 = ip.octets();
            Some(&v6)
        }
    };
    let position = counters.last_event + 1;
    let inserted = statement.execute(params![
        event.id.as_bytes(),
        user,
        int(event.time.millis()),
        event.kind.as_str(),
        event.actor.as_deref(),
        event.subject.as_ref().map(UserId::as_str),
        event.session_id.map(|id| id.to_bytes()),
        ip,
        event.user_agent.as_deref(),
        event.request_id.as_deref(),
        event.reason.as_deref(),
        event.count.map(int),
        int(position),
        seal,
        event.device_id.as_deref(),
    ])?;
    // One that is there already takes no position: positions have no gaps.
    if inserted > 0 {
        counters.last_event = position;
    }
    Ok(())
}

pub(super) fn event(row: &Row<'_>) -> Result<Event, Trouble> {
    let text = |column| Ok::<_, Trouble>(row.get::<_, Option<String>>(column)?.map(String::into_boxed_str));
    let null = |column| Ok::<_, Trouble>(row.get_ref(column)? == ValueRef::Null);
    Ok(Event {
        id: EventId::from_bytes(array(row, 0)?),
        time: time(row, 1)?,
        kind: row.get::<_, String>(2)?.parse().map_err(|_| Trouble::Unreadable("an event of an unknown type"))?,
        actor: text(3)?,
        subject: text(4)?.map(UserId::new).transpose().map_err(|_| Trouble::Unreadable("a user id"))?,
        session_id: if null(5)? { None } else { Some(SessionId::from_bytes(&array(row, 5)?)) },
        ip: if null(6)? { None } else { Some(address(blob(row, 6)?)?) },
        user_agent: text(7)?,
        request_id: text(8)?,
        reason: text(9)?,
        count: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
        tag: if null(11)? { None } else { Some(tag(row, 11)?) },
        device_id: text(14)?,
    })
}

fn address(bytes: &[u8]) -> Result<IpAddr, Trouble> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(v4.into());
    }
    <[u8; 16]>::try_from(bytes).map(IpAddr::from).map_err(|_| Trouble::Unreadable("an address"))
}

pub(super) const COLUMNS: &str =
    "SELECT e.id, e.time, e.kind, e.actor, e.subject, e.session, e.ip, e.user_agent, e.request_id, e.reason,
     e.count, u.tag, e.position, e.seal, e.device FROM events AS e LEFT JOIN users AS u ON u.id = e.user";

/// The ids between two bounds are walked; the exact times and types are compared on the way.
const CONDITIONS: &str = "e.id < :below AND e.id >= :from AND e.time >= :since AND e.time < :until
     AND (:any_kind OR e.kind IN (SELECT value FROM rarray(:kinds))) ORDER BY e.id DESC LIMIT :limit";

fn query(transaction: &Transaction<'_>, query: &EventQuery) -> Result<Vec<Event>, Trouble> {
    let sql = match query.tag {
        Some(_) => format!("{COLUMNS} WHERE e.user = (SELECT id FROM users WHERE tag = :tag) AND {CONDITIONS}"),
        None => format!("{COLUMNS} WHERE :tag IS NULL AND {CONDITIONS}"),
    };
    let since = query.since.unwrap_or_default();
    let until = query.until.unwrap_or(Timestamp::from_millis(u64::MAX));
    let below = EventId::new(until.plus_ms(bounds::EVENT_SKEW_MS).millis(), [0xff; 10]);
    let from = EventId::new(since.minus_ms(bounds::EVENT_SKEW_MS).millis(), [0; 10]);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(named_params! {
        ":tag": query.tag.as_ref().map(UserTag::as_bytes),
        ":below": query.before.map_or(below, |before| before.min(below)).as_bytes(),
        ":from": from.as_bytes(),
        ":since": int(since.millis()),
        ":until": int(until.millis()),
        ":any_kind": query.kinds.is_empty(),
        ":kinds": load::values(query.kinds.iter().map(|kind| kind.as_str().to_owned())),
        ":limit": limit(query.limit.min(STORE_PAGE)),
    })?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

fn tail(transaction: &Transaction<'_>, from: &TailFrom, count: usize) -> Result<Tail, Trouble> {
    let mut position = match from {
        TailFrom::Now => None,
        TailFrom::Event(id) => behind(transaction, *id)?,
        TailFrom::Place(place) => Some(place.only()),
    };
    let (mut events, mut missed) = (Vec::new(), 0);
    if let Some(after) = &mut position {
        let mut statement =
            transaction.prepare_cached(&format!("{COLUMNS} WHERE e.position > ?1 ORDER BY e.position LIMIT ?2"))?;
        let mut rows = statement.query(params![int(*after), limit(count)])?;
        while let Some(row) = rows.next()? {
            *after = number(row, 12)?;
            match event(row) {
                Ok(event) => events.push(event),
                Err(_) => missed += 1,
            }
        }
    }
    let next = match position {
        Some(position) => position,
        None => load::counters(transaction)?.last_event,
    };
    Ok(Tail { events, next: TailFrom::Place(Place::new([next])), missed })
}

/// The position of an event; where it is gone, before that of the next one by id.
fn behind(transaction: &Transaction<'_>, id: EventId) -> Result<Option<u64>, Trouble> {
    let mut statement = transaction
        .prepare_cached("SELECT position, id = ?1 FROM events WHERE id >= ?1 AND position IS NOT NULL ORDER BY id LIMIT 1")?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let position = number(row, 0)?;
    Ok(Some(if row.get(1)? { position } else { position.saturating_sub(1) }))
}

fn forget(transaction: &Transaction<'_>, sealer: Option<&Sealer>, before: Timestamp, count: usize) -> Result<usize, Trouble> {
    const OLD: &str = "SELECT id FROM events WHERE id < ?1 AND time < ?2 ORDER BY id LIMIT ?3";
    let below = EventId::new(before.millis(), [0; 10]);
    let old = params![below.as_bytes(), int(before.millis()), limit(count)];
    let through: Option<i64> = transaction
        .prepare_cached(&format!("SELECT max(position) FROM events WHERE id IN ({OLD})"))?
        .query_row(old, |row| row.get(0))?;
    let gone = transaction.prepare_cached(&format!("DELETE FROM events WHERE id IN ({OLD})"))?.execute(old)?;
    if let Some(through) = through {
        chain::forget(transaction, sealer, through.cast_unsigned())?;
    }
    Ok(gone)
}

impl EventStore for SqliteRecord {
    fn append(&self, events: Vec<Event>) -> Answer<'_, ()> {
        self.writer.ask(|reply| Job::append(events, reply))
    }

    fn query(&self, asked: EventQuery) -> Answer<'_, Vec<Event>> {
        self.read(move |transaction| query(transaction, &asked))
    }

    fn tail(&self, from: TailFrom, count: usize) -> Answer<'_, Tail> {
        self.read(move |transaction| tail(transaction, &from, count))
    }

    fn forget(&self, before: Timestamp, count: usize) -> Answer<'_, usize> {
        self.writer.alone(move |writer| {
            let sealer = writer.sealer.clone();
            writer.transact(|transaction, _| forget(transaction, sealer.as_ref(), before, count))
        })
    }
}
