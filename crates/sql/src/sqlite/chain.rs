//! The chain of events.

use super::{SqliteRecord, array, event, fault::Trouble, int, limit, load, number, time};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use vestibule_core::{
    Answer,
    event::{
        Sealer,
        chain::{Checkpoint, EventChain, Forgotten, Found, Link, Links, Tally},
    },
    id::EventId,
};

/// Notes that events up to a position may be missing from now on, and drops checkpoints that nobody needs any more.
pub(super) fn forget(transaction: &Transaction<'_>, sealer: Option<&Sealer>, through: u64) -> Result<(), Trouble> {
    if through <= forgotten(transaction)?.through {
        return Ok(());
    }
    let seal = sealer.and_then(|sealer| Forgotten::sealed(sealer, 0, through).seal);
    transaction
        .prepare_cached("UPDATE counters SET forgotten = ?1, forgotten_seal = ?2")?
        .execute(params![int(through), seal])?;
    transaction
        .prepare_cached("DELETE FROM checkpoints WHERE through < ?1 AND sequence < (SELECT max(sequence) FROM checkpoints)")?
        .execute([int(through)])?;
    Ok(())
}

fn forgotten(transaction: &Transaction<'_>) -> Result<Forgotten, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT forgotten, forgotten_seal FROM counters")?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(Trouble::Unreadable("no counters"))?;
    let through = number(row, 0)?;
    // Where nothing was forgotten there is nothing to seal; a seal of another length is none.
    let seal = if through == 0 { None } else { Some(array(row, 1).unwrap_or_default()) };
    Ok(Forgotten { through, seal })
}

fn link(row: &Row<'_>, position: usize, seal: usize) -> Result<Link, Trouble> {
    let seal = row.get_ref(seal)?.as_blob_or_null().ok().flatten().unwrap_or_default();
    Ok(Link { position: number(row, position)?, seal: seal.into() })
}

fn links(transaction: &Transaction<'_>, after: u64, count: usize) -> Result<Links, Trouble> {
    let mut statement =
        transaction.prepare_cached("SELECT position, seal FROM events WHERE position > ?1 ORDER BY position LIMIT ?2")?;
    let mut rows = statement.query(params![int(after), limit(count)])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        links.push(link(row, 0, 1)?);
    }
    Ok(Links { links, settled: u64::MAX })
}

fn found(transaction: &Transaction<'_>, after: u64, count: usize) -> Result<Vec<Found>, Trouble> {
    let columns = event::COLUMNS;
    let mut statement = transaction.prepare_cached(&format!("{columns} WHERE e.position > ?1 ORDER BY e.position LIMIT ?2"))?;
    let mut rows = statement.query(params![int(after), limit(count)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Found { link: link(row, 12, 13)?, event: event::event(row).ok() });
    }
    Ok(found)
}

fn tally(transaction: &Transaction<'_>, after: u64) -> Result<Tally, Trouble> {
    let mut statement = transaction.prepare_cached("SELECT count(*) FROM events WHERE position > ?1")?;
    let present: i64 = statement.query_row([int(after)], |row| row.get(0))?;
    Ok(Tally { total: load::counters(transaction)?.last_event, present: present.cast_unsigned() })
}

const CHECKPOINT: &str = "SELECT sequence, after, through, total, count, digest, at, previous, seal FROM checkpoints";

fn checkpoint(row: &Row<'_>) -> Result<Checkpoint, Trouble> {
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

fn checkpoints(transaction: &Transaction<'_>, after: u64, count: usize) -> Result<Vec<Checkpoint>, Trouble> {
    let mut statement = transaction.prepare_cached(&format!("{CHECKPOINT} WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"))?;
    let mut rows = statement.query(params![int(after), limit(count)])?;
    let mut checkpoints = Vec::new();
    while let Some(row) = rows.next()? {
        checkpoints.push(checkpoint(row)?);
    }
    Ok(checkpoints)
}

fn last_checkpoint(transaction: &Transaction<'_>) -> Result<Option<Checkpoint>, Trouble> {
    let mut statement = transaction.prepare_cached(&format!("{CHECKPOINT} ORDER BY sequence DESC LIMIT 1"))?;
    let mut rows = statement.query([])?;
    rows.next()?.map(checkpoint).transpose()
}

fn add_checkpoint(transaction: &Transaction<'_>, checkpoint: &Checkpoint) -> Result<bool, Trouble> {
    let added = transaction
        .prepare_cached("INSERT OR IGNORE INTO checkpoints VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            int(checkpoint.sequence),
            int(checkpoint.from),
            int(checkpoint.through),
            int(checkpoint.total),
            int(checkpoint.count),
            checkpoint.digest,
            int(checkpoint.at.millis()),
            checkpoint.previous,
            checkpoint.seal,
        ])?;
    Ok(added > 0)
}

fn has_unsealed(transaction: &Transaction<'_>) -> Result<bool, Trouble> {
    // They are the oldest.
    let oldest = "SELECT position IS NULL FROM events ORDER BY id LIMIT 1";
    Ok(transaction.prepare_cached(oldest)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(false))
}

impl EventChain for SqliteRecord {
    fn lanes(&self) -> u16 {
        1
    }

    fn ends(&self) -> Answer<'_, Vec<u64>> {
        self.read(|transaction| Ok(vec![load::counters(transaction)?.last_event]))
    }

    fn links(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Links> {
        self.read(move |transaction| links(transaction, after, limit))
    }

    fn found(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Vec<Found>> {
        self.read(move |transaction| found(transaction, after, limit))
    }

    fn tally(&self, _: u16, after: u64) -> Answer<'_, Tally> {
        self.read(move |transaction| tally(transaction, after))
    }

    fn forgotten(&self, _: u16) -> Answer<'_, Forgotten> {
        self.read(forgotten)
    }

    fn checkpoints(&self, _: u16, after: u64, limit: usize) -> Answer<'_, Vec<Checkpoint>> {
        self.read(move |transaction| checkpoints(transaction, after, limit))
    }

    fn last_checkpoint(&self, _: u16) -> Answer<'_, Option<Checkpoint>> {
        self.read(last_checkpoint)
    }

    fn add_checkpoint(&self, _: u16, checkpoint: Checkpoint) -> Answer<'_, bool> {
        self.writer.alone(move |writer| writer.transact(|transaction, _| add_checkpoint(transaction, &checkpoint)))
    }

    fn strays(&self, _: u16) -> Answer<'_, Vec<Option<EventId>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn has_unsealed(&self) -> Answer<'_, bool> {
        self.read(has_unsealed)
    }
}
