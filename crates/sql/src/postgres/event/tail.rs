//! Events in the order in which they became visible.
//!
//! A position begins with the number of its transaction, and transactions commit out of order. So a place tells two things: up to
//! which position events were read, and which transactions below it were open at that moment. What these bring is read when
//! they are over, however late, so nothing is left out and nothing waits for them.

use super::event;
use crate::{
    bounds,
    postgres::{fault::Trouble, int, limit, number},
};
use sqlx::{PgPool, Row, postgres::PgRow};
use vestibule_core::event::{Event, Place, Tail, TailFrom};

/// The bits of a position that count within its transaction, from 1 on.
const WITHIN: u64 = 0xffff;

/// The last position that the transaction of a position can have.
const fn end(position: u64) -> u64 {
    position | WITHIN
}

/// How far somebody has read. Stored as `through` and then what is `unread`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reach {
    /// Up to this position everything was read,
    through: u64,
    /// but what lies behind each of these positions in the same transaction. In ascending order.
    unread: Vec<u64>,
}

impl Reach {
    fn of(place: &Place) -> Self {
        let (through, unread) = place.positions().split_first().unwrap_or((&0, &[]));
        Self { through: *through, unread: unread.to_vec() }
    }

    fn place(&self) -> TailFrom {
        let mut positions = Vec::with_capacity(1 + self.unread.len());
        positions.push(self.through);
        positions.extend(&self.unread);
        TailFrom::Place(Place::new(positions))
    }

    /// Behind a page that ended with the position `last`. `open` are the transactions that were open as it was read.
    fn behind(&self, last: u64, is_full: bool, open: &[u64]) -> Self {
        let through = self.through.max(last);
        let is_unread = |position: &u64| *position > self.through || self.unread.contains(position);
        let mut unread: Vec<u64> =
            open.iter().copied().filter(|position| *position <= through && is_unread(position)).collect();
        if is_full {
            // These are over, and the page had no room for all that they brought.
            let rest = self.unread.iter().filter(|position| end(**position) > last && !open.contains(position));
            unread.extend(rest.map(|position| last.clamp(*position, end(*position))));
            unread.sort_unstable();
        }
        Self { through, unread }
    }

    /// Gives up the oldest open transactions above the bound. Returns how many.
    fn give_up(&mut self) -> usize {
        let over = self.unread.len().saturating_sub(bounds::OPEN_TRANSACTIONS);
        self.unread.drain(..over).count()
    }
}

/// See [`vestibule_core::event::EventStore::tail`].
pub(super) async fn tail(pool: &PgPool, from: &TailFrom, count: usize) -> Result<Tail, Trouble> {
    let reach = match from {
        TailFrom::Place(place) => Some(Reach::of(place)),
        TailFrom::Event(id) => behind(pool, id.as_bytes()).await?,
        TailFrom::Now => None,
    };
    match reach {
        Some(reach) => page(pool, reach, count).await,
        None => Ok(Tail { events: Vec::new(), next: now(pool).await?.place(), missed: 0 }),
    }
}

/// The positions at which the transactions begin that are open in the statement's own snapshot.
macro_rules! open {
    () => {
        "(SELECT coalesce(array_agg((base + open::text::bigint) << 16 ORDER BY open), '{}')
          FROM vestibule_meta, pg_snapshot_xip(pg_current_snapshot()) AS open)"
    };
}

/// Behind everything that can be seen.
async fn now(pool: &PgPool) -> Result<Reach, Trouble> {
    let row = sqlx::query(concat!(
        "SELECT ((base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint) << 16) - 1, ",
        open!(),
        " FROM vestibule_meta"
    ))
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(Reach::default()) };
    Ok(Reach { through: number(&row, 0)?, unread: positions(&row, 1)? })
}

/// Behind an event; where it is gone, before the next one by id. Nobody knows any more what was open when it was told, so what is open now
/// has to do.
async fn behind(pool: &PgPool, id: &[u8]) -> Result<Option<Reach>, Trouble> {
    let row = sqlx::query(concat!(
        "SELECT position, id = $1, ",
        open!(),
        " FROM vestibule_events WHERE id >= $1 AND position IS NOT NULL ORDER BY id LIMIT 1"
    ))
    .bind(id.to_vec())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let position = number(&row, 0)?;
    let through = if row.try_get(1)? { position } else { position.saturating_sub(1) };
    let mut unread = positions(&row, 2)?;
    unread.retain(|position| *position <= through);
    Ok(Some(Reach { through, unread }))
}

/// What is behind a reach, by positions. One statement, so that the events and the open transactions are of one snapshot.
async fn page(pool: &PgPool, reach: Reach, count: usize) -> Result<Tail, Trouble> {
    let rows = sqlx::query(concat!(
        "SELECT id, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count, tag, device, position, ",
        open!(),
        " FROM (
          (SELECT late.* FROM unnest($1::bigint[]) AS unread, LATERAL (SELECT * FROM vestibule_events
            WHERE position > unread AND position <= (unread | 65535) ORDER BY position LIMIT $3) AS late)
          UNION ALL
          (SELECT * FROM vestibule_events WHERE position > $2 ORDER BY position LIMIT $3)
         ) AS events ORDER BY position LIMIT $3"
    ))
    .bind(reach.unread.iter().copied().map(int).collect::<Vec<_>>())
    .bind(int(reach.through))
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    // Without news the place stays the same, so that whoever stores it has nothing to store.
    let Some(last) = rows.last() else { return Ok(Tail { events: Vec::new(), next: reach.place(), missed: 0 }) };
    let mut next = reach.behind(number(last, 13)?, rows.len() >= count, &positions(last, 14)?);
    let given_up = next.give_up();
    if given_up > 0 {
        tracing::warn!(given_up, "too many transactions are open at a time: their events are told to nobody who follows");
    }
    let events: Vec<Event> = rows.iter().filter_map(|row| event(row).ok()).collect();
    let missed = (rows.len() - events.len() + given_up) as u64;
    Ok(Tail { events, next: next.place(), missed })
}

fn positions(row: &PgRow, column: usize) -> Result<Vec<u64>, Trouble> {
    let positions: Vec<i64> = row.try_get(column)?;
    Ok(positions.into_iter().map(i64::cast_unsigned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(through: u64, unread: &[u64]) -> Reach {
        Reach { through, unread: unread.to_vec() }
    }

    const fn at(transaction: u64, place: u64) -> u64 {
        transaction << 16 | place
    }

    #[test]
    fn what_was_open_below_the_last_event_is_read_later() {
        let first = reach(at(1, 9), &[]).behind(at(5, 2), true, &[at(2, 0), at(4, 0), at(6, 0)]);
        assert_eq!(first, reach(at(5, 2), &[at(2, 0), at(4, 0)]), "the sixth lies behind it anyway");
        assert_eq!(
            first.behind(at(7, 1), false, &[at(4, 0)]),
            reach(at(7, 1), &[at(4, 0)]),
            "the second is over, and was read"
        );
        let unread = first.behind(at(2, 3), true, &[]);
        assert_eq!(unread, reach(at(5, 2), &[at(2, 3), at(4, 0)]), "a page ended within what the second brought");
        assert_eq!(unread.behind(at(4, 1), false, &[]), reach(at(5, 2), &[]));
    }

    #[test]
    fn what_was_read_already_is_not_read_again() {
        let old = reach(at(5, 2), &[]);
        assert_eq!(old.behind(at(6, 1), false, &[at(3, 0)]), reach(at(6, 1), &[]), "not among what was open then");
    }

    #[test]
    fn a_reach_is_stored_as_a_place() {
        for reach in [reach(7, &[]), reach(at(5, 2), &[at(2, 0), at(4, 9)])] {
            let TailFrom::Place(place) = reach.place() else { panic!("a place") };
            assert_eq!(Reach::of(&place), reach);
        }
    }

    #[test]
    fn more_open_transactions_than_the_bound_are_given_up_and_counted() {
        let open: Vec<u64> = (1..=bounds::OPEN_TRANSACTIONS as u64 + 3).map(|transaction| at(transaction, 0)).collect();
        let mut next = Reach::default().behind(at(1 << 20, 1), false, &open);
        assert_eq!(next.give_up(), 3);
        assert_eq!(next.unread, open[3..]);
        assert_eq!(next.behind(at(1 << 20, 2), false, &open).unread, open[3..], "and not once more");
    }
}
