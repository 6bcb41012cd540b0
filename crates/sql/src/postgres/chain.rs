//! The chain of events.

use super::{PostgresRecord, array, change, event, fault::Trouble, int, limit, number, time};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use vestibule_core::{
    Answer,
    event::{
        Sealer,
        chain::{Checkpoint, EventChain, Forgotten, Found, Link, Links, Tally},
    },
    id::EventId,
};

/// Notes that events up to a position may be missing from now on, and drops checkpoints that nobody needs any more.
pub(super) async fn forget(connection: &mut PgConnection, sealer: Option<&Sealer>, through: u64) -> Result<(), Trouble> {
    let seal = sealer.and_then(|sealer| Forgotten::sealed(sealer, 0, through).seal);
    sqlx::query("UPDATE vestibule_meta SET forgotten = $1, forgotten_seal = $2 WHERE forgotten < $1")
        .bind(int(through))
        .bind(seal.map(|seal| seal.to_vec()))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "DELETE FROM vestibule_checkpoints WHERE through < (SELECT forgotten FROM vestibule_meta)
         AND sequence < (SELECT max(sequence) FROM vestibule_checkpoints)",
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn forgotten(pool: &PgPool) -> Result<Forgotten, Trouble> {
    let row = sqlx::query("SELECT forgotten, forgotten_seal FROM vestibule_meta").fetch_one(pool).await?;
    let through = number(&row, 0)?;
    // Where nothing was forgotten there is nothing to seal; a seal of another length is none.
    let seal = if through == 0 { None } else { Some(array(&row, 1).unwrap_or_default()) };
    Ok(Forgotten { through, seal })
}

fn link(row: &PgRow, position: usize, seal: usize) -> Result<Link, Trouble> {
    let seal = row.try_get::<Option<&[u8]>, _>(seal)?.unwrap_or_default();
    Ok(Link { position: number(row, position)?, seal: seal.into() })
}

async fn links(pool: &PgPool, after: u64, count: usize) -> Result<Links, Trouble> {
    // Before the rows, so that all of its transactions are among them.
    let settled = change::position(pool, None).await?;
    let rows = sqlx::query("SELECT position, seal FROM vestibule_events WHERE position > $1 ORDER BY position LIMIT $2")
        .bind(int(after))
        .bind(limit(count))
        .fetch_all(pool)
        .await?;
    Ok(Links { links: rows.iter().map(|row| link(row, 0, 1)).collect::<Result<_, _>>()?, settled })
}

async fn found(pool: &PgPool, after: u64, count: usize) -> Result<Vec<Found>, Trouble> {
    let rows = sqlx::query(
        "SELECT id, time, kind, actor, subject, session, ip, user_agent, request_id, reason, count, tag, device, position, seal
         FROM vestibule_events WHERE position > $1 ORDER BY position LIMIT $2",
    )
    .bind(int(after))
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok(Found { link: link(row, 13, 14)?, event: event::event(row).ok() })).collect()
}

async fn tally(pool: &PgPool, after: u64) -> Result<Tally, Trouble> {
    let row = sqlx::query(
        "SELECT (SELECT sum(events)::bigint FROM vestibule_counters),
                (SELECT count(*) FROM vestibule_events WHERE position > $1)",
    )
    .bind(int(after))
    .fetch_one(pool)
    .await?;
    Ok(Tally { total: number(&row, 0)?, present: number(&row, 1)? })
}

fn checkpoint(row: &PgRow) -> Result<Checkpoint, Trouble> {
    Ok(Checkpoint {
        sequence: number(row, 0)?,
        from: number(row, 1)?,
        through: number(row, 2)?,
        total: number(row, 3)?,
        count: number(row, 4)?,
        // What has another length was never written; then the seal does not hold either.
        digest: array(row, 5).unwrap_or_default(),
        at: time(row, 6)?,
        previous: array(row, 7).unwrap_or_default(),
        seal: array(row, 8).unwrap_or_default(),
    })
}

async fn checkpoints(pool: &PgPool, after: u64, count: usize) -> Result<Vec<Checkpoint>, Trouble> {
    let rows = sqlx::query(
        "SELECT sequence, after, through, total, count, digest, at, previous, seal FROM vestibule_checkpoints
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    )
    .bind(int(after))
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(checkpoint).collect()
}

async fn last_checkpoint(pool: &PgPool) -> Result<Option<Checkpoint>, Trouble> {
    let row = sqlx::query(
        "SELECT sequence, after, through, total, count, digest, at, previous, seal FROM vestibule_checkpoints
         ORDER BY sequence DESC LIMIT 1",
    )
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(checkpoint).transpose()
}

async fn add_checkpoint(pool: &PgPool, checkpoint: &Checkpoint) -> Result<bool, Trouble> {
    let added = sqlx::query(
        "INSERT INTO vestibule_checkpoints (sequence, after, through, total, count, digest, at, previous, seal)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (sequence) DO NOTHING",
    )
    .bind(int(checkpoint.sequence))
    .bind(int(checkpoint.from))
    .bind(int(checkpoint.through))
    .bind(int(checkpoint.total))
    .bind(int(checkpoint.count))
    .bind(checkpoint.digest.to_vec())
    .bind(int(checkpoint.at.millis()))
    .bind(checkpoint.previous.to_vec())
    .bind(checkpoint.seal.to_vec())
    .execute(pool)
    .await?;
    Ok(added.rows_affected() > 0)
}

async fn end(pool: &PgPool) -> Result<u64, Trouble> {
    let row = sqlx::query("SELECT coalesce(max(position), 0) FROM vestibule_events").fetch_one(pool).await?;
    number(&row, 0)
}

async fn has_unsealed(pool: &PgPool) -> Result<bool, Trouble> {
    // They are the oldest.
    let oldest = sqlx::query("SELECT position IS NULL FROM vestibule_events ORDER BY id LIMIT 1");
    Ok(oldest.fetch_optional(pool).await?.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

impl EventChain for PostgresRecord {
    fn lanes(&self) -> u16 {
        1
    }

    fn ends(&self) -> Answer<'_, Vec<u64>> {
        self.read(async move { Ok(vec![end(&self.pool).await?]) })
    }

    fn links(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Links> {
        self.read(async move { links(&self.pool, after, limit).await })
    }

    fn found(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Vec<Found>> {
        self.read(async move { found(&self.pool, after, limit).await })
    }

    fn tally(&self, _: u16, after: u64) -> Answer<'_, Tally> {
        self.read(async move { tally(&self.pool, after).await })
    }

    fn forgotten(&self, _: u16) -> Answer<'_, Forgotten> {
        self.read(async move { forgotten(&self.pool).await })
    }

    fn checkpoints(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Vec<Checkpoint>> {
        self.read(async move { checkpoints(&self.pool, after, limit).await })
    }

    fn last_checkpoint(&self, _: u16) -> Answer<'_, Option<Checkpoint>> {
        self.read(async move { last_checkpoint(&self.pool).await })
    }

    fn add_checkpoint(&self, _: u16, checkpoint: Checkpoint) -> Answer<'_, bool> {
        self.owned(|pool| async move { add_checkpoint(&pool, &checkpoint).await })
    }

    fn strays(&self, _: u16) -> Answer<'_, Vec<Option<EventId>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn has_unsealed(&self) -> Answer<'_, bool> {
        self.read(async move { has_unsealed(&self.pool).await })
    }
}
