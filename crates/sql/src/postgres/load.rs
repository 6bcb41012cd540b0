//! Reads what a batch is about: one set-based query for each table, with the users' rows locked in the order of their tags.

use super::{account, fault::Trouble, user};
use crate::{
    batch::{Input, Loaded, Wanted},
    decide::Counters,
};
use sqlx::{PgConnection, Row};
use std::collections::{BTreeSet, HashMap};
use vestibule_core::{id::UserTag, session::PackedSession, stats::Stats, user::command::Command};

/// Where the figures of a batch begin: they are written as differences, and may fall.
pub(super) const FIGURES_BASE: u64 = 1 << 40;

/// Figures of which nothing was moved yet.
pub(super) fn figures_base() -> Stats {
    Stats {
        sessions: FIGURES_BASE,
        users: FIGURES_BASE,
        created_total: FIGURES_BASE,
        revoked_total: FIGURES_BASE,
        expired_total: FIGURES_BASE,
    }
}

/// The users of a batch, and the place in the change log where it begins.
pub(super) async fn batch(connection: &mut PgConnection, inputs: &[Input]) -> Result<(Loaded, Counters), Trouble> {
    let wanted = Wanted::of(inputs);
    let mut loaded = Loaded::default();
    if !wanted.users.is_empty() {
        found(connection, inputs).await?;
        lock_users(connection, &wanted, &mut loaded).await?;
    }
    let counters = load_sessions(connection, &mut loaded).await?;
    loaded.complete(&wanted);
    account::load(connection, &wanted, &mut loaded).await?;
    Ok((loaded, counters))
}

/// Makes the rows of users that commands may begin with, so that there is something to lock: two nodes may meet a new user
/// at the same time.
async fn found(connection: &mut PgConnection, inputs: &[Input]) -> Result<(), Trouble> {
    let requests = inputs.iter().filter_map(|input| match input {
        Input::Decide(requests) => Some(requests),
        Input::Touch(_) | Input::Append(_) => None,
    });
    let begins = |command: &Command| {
        use Command::{CreateSession, DisableUser, IssueFamily, Register, TrustDevice};
        matches!(command, CreateSession(_) | DisableUser(_) | Register(_) | IssueFamily(_) | TrustDevice(_))
    };
    let tags: BTreeSet<[u8; 12]> = requests
        .flatten()
        .filter(|request| begins(&request.command))
        .map(|request| *request.command.tag().as_bytes())
        .collect();
    if tags.is_empty() {
        return Ok(());
    }
    let tags: Vec<Vec<u8>> = tags.into_iter().map(|tag| tag.to_vec()).collect();
    sqlx::query(
        "INSERT INTO vestibule_users (tag) SELECT wanted FROM unnest($1::bytea[]) AS wanted
         WHERE NOT EXISTS (SELECT 1 FROM vestibule_users WHERE tag = wanted) ORDER BY wanted ON CONFLICT (tag) DO NOTHING",
    )
    .bind(tags)
    .execute(connection)
    .await?;
    Ok(())
}

async fn lock_users(connection: &mut PgConnection, wanted: &Wanted, loaded: &mut Loaded) -> Result<(), Trouble> {
    let tags: Vec<Vec<u8>> = wanted.users.keys().map(|tag| tag.as_bytes().to_vec()).collect();
    for row in sqlx::query(user::LOCK_MANY).bind(tags).fetch_all(connection).await? {
        let tag = super::tag(&row, 1)?;
        match user::held(&row, tag) {
            Ok(held) => loaded.add(held),
            Err(trouble) => loaded.note_damage(tag, trouble.into_fault()),
        }
    }
    Ok(())
}

/// Live sessions in the order of their creation, read after the locks were taken. The row without a session says where in the
/// change log this transaction is.
async fn load_sessions(connection: &mut PgConnection, loaded: &mut Loaded) -> Result<Counters, Trouble> {
    let rows: Vec<i64> = loaded.held.iter().filter_map(|held| held.row).collect();
    let epochs: Vec<i64> = loaded.held.iter().filter(|held| held.row.is_some()).map(|held| held.epoch).collect();
    let places: HashMap<i64, usize> =
        loaded.held.iter().enumerate().filter_map(|(place, held)| Some((held.row?, place))).collect();
    let found = sqlx::query(
        "SELECT -1::bigint, (base + pg_current_xact_id()::text::bigint) << 16 AS id, NULL::bytea FROM vestibule_meta
         UNION ALL
         SELECT s.user_row, s.id, s.body FROM unnest($1::bigint[], $2::bigint[]) AS wanted (user_row, epoch)
         JOIN vestibule_sessions AS s ON s.user_row = wanted.user_row AND s.epoch = wanted.epoch AND s.ended_at IS NULL",
    )
    .bind(rows)
    .bind(epochs)
    .fetch_all(connection)
    .await?;
    let mut sequence = None;
    for row in found {
        let user_row: i64 = row.try_get(0)?;
        let Some(place) = places.get(&user_row) else {
            sequence = Some(super::number(&row, 1)?);
            continue;
        };
        let held = &mut loaded.held[*place];
        match session(row.try_get(2)?, held.user.tag) {
            Ok(session) => {
                held.rows.insert(*session.id().serial(), row.try_get(1)?);
                held.user.live.push(session);
            }
            Err(trouble) => {
                let tag = held.user.tag;
                loaded.note_damage(tag, trouble.into_fault());
            }
        }
    }
    for held in &mut loaded.held {
        let rows = &held.rows;
        held.user.live.sort_unstable_by_key(|session| rows.get(session.id().serial()).copied());
    }
    let sequence = sequence.ok_or(Trouble::Unreadable("no place in the change log"))?;
    Ok(Counters { sequence, stats: figures_base(), ..Counters::default() })
}

/// A stored session, which must belong to the user whose row names it.
pub(super) fn session(body: &[u8], tag: UserTag) -> Result<PackedSession, Trouble> {
    let session = PackedSession::from_bytes(body).map_err(|_| Trouble::Unreadable("a session"))?;
    if session.id().tag() == tag { Ok(session) } else { Err(Trouble::Unreadable("a session of another user")) }
}
