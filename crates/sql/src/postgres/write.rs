//! Writes what a batch decided: one statement for all tables, whose parts take arrays.

use super::{account, event, fault::Trouble, int, load};
use crate::{
    decide::{Counters, Held, Journal, without_payload},
    handoff,
};
use sqlx::{PgConnection, Postgres, query::Query};
use vestibule_core::{
    event::{Event, Sealer},
    id::UserId,
    record::Change,
    session::PackedSession,
    token::Denial,
};

type Arguments = sqlx::postgres::PgArguments;

/// Every part touches a table of its own, so their order does not matter.
const WRITE: &str = "WITH
 changed_users AS (
  UPDATE vestibule_users AS u SET user_id = v.user_id, revision = v.revision, disabled = v.disabled,
   created_total = v.created_total, ended_total = v.ended_total, last_login_at = v.last_login_at, handoffs = v.handoffs,
   epoch = v.epoch, erased = v.erased, extras = v.extras
  FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::boolean[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[],
   $9::bigint[], $10::bigint[], $11::bytea[])
   AS v (id, user_id, revision, disabled, created_total, ended_total, last_login_at, handoffs, epoch, erased, extras)
  WHERE u.id = v.id),
 changed_sessions AS (
  UPDATE vestibule_sessions AS s SET epoch = v.epoch, deadline = v.deadline, ended_at = v.ended_at, body = v.body
  FROM unnest($12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bytea[])
   AS v (id, epoch, deadline, ended_at, body)
  WHERE s.id = v.id),
 new_sessions AS (
  INSERT INTO vestibule_sessions (user_row, epoch, serial, deadline, ended_at, body)
  SELECT * FROM unnest($17::bigint[], $18::bigint[], $19::bytea[], $20::bigint[], $21::bigint[], $22::bytea[])),
 new_marks AS (
  INSERT INTO vestibule_marks (user_row, epoch, at, reason)
  SELECT * FROM unnest($23::bigint[], $24::bigint[], $25::bigint[], $26::smallint[])),
 new_changes AS (
  INSERT INTO vestibule_change_log (sequence, tag, revision, at, ended_all, ended, denied)
  SELECT * FROM unnest($27::bigint[], $28::bytea[], $29::bigint[], $30::bigint[], $31::boolean[], $32::bytea[],
   $33::bytea[])),
 new_denials AS (
  INSERT INTO vestibule_denials AS d (body, until) SELECT * FROM unnest($34::bytea[], $35::bigint[])
  ON CONFLICT (body) DO UPDATE SET until = greatest(d.until, excluded.until)),
 new_events AS (
  INSERT INTO vestibule_events (id, tag, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count,
   seal, device, position)
  SELECT v.id, v.tag, v.time, v.kind, v.actor, v.subject, v.session, v.ip, v.user_agent, v.request_id, v.reason, v.count, v.seal, v.device,
   ((meta.base + pg_current_xact_id()::text::bigint) << 16) + v.place
  FROM vestibule_meta AS meta, unnest($36::bytea[], $37::bytea[], $38::bigint[], $39::text[], $40::text[], $41::text[], $42::bytea[],
   $43::text[], $44::text[], $45::text[], $46::text[], $47::bigint[], $48::bytea[], $49::text[]) WITH ORDINALITY
   AS v (id, tag, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count, seal, device, place)
  ON CONFLICT (id) DO NOTHING RETURNING 1)
 UPDATE vestibule_counters SET sessions = sessions + $51, users = users + $52, created_total = created_total + $53,
  revoked_total = revoked_total + $54, expired_total = expired_total + $55,
  events = events + (SELECT count(*) FROM new_events) WHERE slot = $50";

/// Writes a batch. `idle_slack_ms` is added before a session is due for idleness, `slot` is this writer's row of figures.
pub(super) async fn batch(
    connection: &mut PgConnection,
    counters: &Counters,
    users: &[Held],
    journal: &Journal,
    idle_slack_ms: u64,
    slot: i16,
    sealer: Option<&Sealer>,
) -> Result<(), Trouble> {
    if users.iter().any(|held| held.changed && held.row.is_none()) {
        // No command begins with a user whose row was not made before it; somebody deleted the row in between.
        return Err(Trouble::Overtaken);
    }
    account::write(connection, users).await?;
    let query = bind_users(sqlx::query(WRITE), users);
    let (changed, new) = sessions(users, idle_slack_ms);
    let query = bind_changed_sessions(query, &changed);
    let query = bind_new_sessions(query, &new);
    let query = bind_marks(query, users);
    let query = bind_changes(query, &journal.changes);
    let query = bind_denials(query, &journal.denied);
    let query = bind_events(query, &journal.events, sealer);
    bind_figures(query, counters, slot).execute(connection).await?;
    Ok(())
}

/// Events alone.
pub(super) async fn events(connection: &mut PgConnection, sealer: Option<&Sealer>, events: &[Event]) -> Result<(), Trouble> {
    let nothing = Counters { sequence: 0, stats: load::figures_base(), ..Counters::default() };
    let journal = Journal { events: events.to_vec(), ..Journal::default() };
    batch(connection, &nothing, &[], &journal, 0, 0, sealer).await
}

type Bound<'q> = Query<'q, Postgres, Arguments>;

fn column<T, U>(rows: &[T], value: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(value).collect()
}

fn bind_users<'q>(query: Bound<'q>, users: &[Held]) -> Bound<'q> {
    let changed: Vec<(&Held, i64)> =
        users.iter().filter(|held| held.changed).filter_map(|held| Some((held, held.row?))).collect();
    query
        .bind(column(&changed, |(_, row)| *row))
        .bind(column(&changed, |(held, _)| held.user.user_id.as_ref().map(|id: &UserId| id.as_str().to_owned())))
        .bind(column(&changed, |(held, _)| int(held.user.revision)))
        .bind(column(&changed, |(held, _)| held.user.disabled))
        .bind(column(&changed, |(held, _)| int(held.user.created_total)))
        .bind(column(&changed, |(held, _)| int(held.user.ended_total)))
        .bind(column(&changed, |(held, _)| int(held.user.last_login_at.millis())))
        .bind(column(&changed, |(held, _)| handoff::pack(held.user.handoffs.as_deref().map(Vec::as_slice))))
        .bind(column(&changed, |(held, _)| held.epoch))
        .bind(column(&changed, |(held, _)| held.erased))
        .bind(column(&changed, |(held, _)| held.user.extras.as_ref().map(|extras| extras.pack())))
}

/// A session that has a row, or will have one.
struct Write {
    /// The session's row, or its user's where it has none yet.
    row: i64,
    epoch: i64,
    /// When it is over if nobody uses it any more.
    deadline: i64,
    session: PackedSession,
}

/// What has to be written of sessions: those with a row, and those without.
fn sessions(users: &[Held], idle_slack_ms: u64) -> (Vec<Write>, Vec<Write>) {
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for held in users {
        let Some(user_row) = held.row else { continue };
        let live = held.user.live.iter().filter(|session| held.put.contains(session.id().serial())).cloned();
        for session in live.chain(held.ended.iter().map(without_payload)) {
            let row = held.rows.get(session.id().serial());
            let deadline = int(session.over_at(idle_slack_ms).millis());
            let write = Write { row: *row.unwrap_or(&user_row), epoch: held.epoch, deadline, session };
            if row.is_some() { changed.push(write) } else { new.push(write) }
        }
    }
    (changed, new)
}

fn ended_at(write: &Write) -> Option<i64> {
    write.session.ended().map(|ended| int(ended.at.millis()))
}

fn body(write: &Write) -> Vec<u8> {
    write.session.as_bytes().to_vec()
}

fn bind_changed_sessions<'q>(query: Bound<'q>, changed: &[Write]) -> Bound<'q> {
    query
        .bind(column(changed, |write| write.row))
        .bind(column(changed, |write| write.epoch))
        .bind(column(changed, |write| write.deadline))
        .bind(column(changed, ended_at))
        .bind(column(changed, body))
}

fn bind_new_sessions<'q>(query: Bound<'q>, new: &[Write]) -> Bound<'q> {
    query
        .bind(column(new, |write| write.row))
        .bind(column(new, |write| write.epoch))
        .bind(column(new, |write| write.session.id().serial().to_vec()))
        .bind(column(new, |write| write.deadline))
        .bind(column(new, ended_at))
        .bind(column(new, body))
}

fn bind_marks<'q>(query: Bound<'q>, users: &[Held]) -> Bound<'q> {
    let marks: Vec<_> = users.iter().flat_map(|held| held.marks.iter().filter_map(|mark| Some((held.row?, *mark)))).collect();
    query
        .bind(column(&marks, |(row, _)| *row))
        .bind(column(&marks, |(_, mark)| mark.epoch))
        .bind(column(&marks, |(_, mark)| mark.ended.map_or(0, |ended| int(ended.at.millis()))))
        .bind(column(&marks, |(_, mark)| mark.ended.map_or(0, |ended| ended.reason as i16)))
}

fn bind_changes<'q>(query: Bound<'q>, changes: &[Change]) -> Bound<'q> {
    let serials = |change: &Change| {
        let serials: Vec<u8> = change.ended.iter().flat_map(|id| *id.serial()).collect();
        (!serials.is_empty()).then_some(serials)
    };
    query
        .bind(column(changes, |change| int(change.sequence)))
        .bind(column(changes, |change| change.tag.as_bytes().to_vec()))
        .bind(column(changes, |change| int(change.revision)))
        .bind(column(changes, |change| int(change.at.millis())))
        .bind(column(changes, |change| change.ended_all))
        .bind(column(changes, serials))
        .bind(column(changes, |change| (!change.denied.is_empty()).then(|| Denial::pack(&change.denied))))
}

fn bind_denials<'q>(query: Bound<'q>, denials: &[Denial]) -> Bound<'q> {
    query.bind(column(denials, Denial::to_bytes)).bind(column(denials, |denial| int(denial.until.millis())))
}

fn bind_events<'q>(query: Bound<'q>, events: &[Event], sealer: Option<&Sealer>) -> Bound<'q> {
    query
        .bind(column(events, |event| event.id.as_bytes().to_vec()))
        .bind(column(events, |event| event.tag.map(|tag| tag.as_bytes().to_vec())))
        .bind(column(events, |event| int(event.time.millis())))
        .bind(column(events, |event| event.kind.as_str().to_owned()))
        .bind(column(events, |event| event.actor.as_deref().map(str::to_owned)))
        .bind(column(events, |event| event.subject.as_ref().map(|subject| subject.as_str().to_owned())))
        .bind(column(events, |event| event.session_id.map(|id| id.to_bytes().to_vec())))
        .bind(column(events, |event| event.ip.map(|ip| ip.to_string())))
        .bind(column(events, |event| event.user_agent.as_deref().map(event::storable)))
        .bind(column(events, |event| event.request_id.as_deref().map(event::storable)))
        .bind(column(events, |event| event.reason.as_deref().map(event::storable)))
        .bind(column(events, |event| event.count.map(int)))
        .bind(column(events, |event| sealer.map(|sealer| sealer.seal(event).to_vec())))
        .bind(column(events, |event| event.device_id.as_deref().map(str::to_owned)))
}

fn bind_figures<'q>(query: Bound<'q>, counters: &Counters, slot: i16) -> Bound<'q> {
    let moved = |figure: u64| int(figure) - int(load::FIGURES_BASE);
    let stats = &counters.stats;
    query
        .bind(slot)
        .bind(moved(stats.sessions))
        .bind(moved(stats.users))
        .bind(moved(stats.created_total))
        .bind(moved(stats.revoked_total))
        .bind(moved(stats.expired_total))
}
