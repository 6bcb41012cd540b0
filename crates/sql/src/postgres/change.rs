//! The change log.

use super::{fault::Trouble, int, limit, number, tag, time};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::time::Duration;
use vestibule_core::{id::SessionId, record::Change, time::millis, token::Denial};

/// Entries after `sequence`, in order. Entries of transactions that are still open may appear later, below those that are
/// seen now.
pub(super) async fn since(pool: &PgPool, sequence: u64, count: usize) -> Result<Vec<Change>, Trouble> {
    let rows = sqlx::query(
        "SELECT sequence, tag, revision, at, ended_all, ended, denied FROM vestibule_change_log
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    )
    .bind(int(sequence))
    .bind(limit(count))
    .fetch_all(pool)
    .await?;
    rows.iter().map(change).collect()
}

/// See [`vestibule_core::record::Record::position`]. Ages are by the database's clock, which the nodes follow.
pub(super) async fn position(pool: &PgPool, younger_than: Option<Duration>) -> Result<u64, Trouble> {
    let query = match younger_than {
        None => {
            sqlx::query("SELECT ((base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint) << 16) - 1 FROM vestibule_meta")
        }
        Some(age) => sqlx::query(
            "SELECT sequence FROM vestibule_change_log
             WHERE at < (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint) - $1 ORDER BY sequence DESC LIMIT 1",
        )
        .bind(int(millis(age))),
    };
    query.fetch_optional(pool).await?.map_or(Ok(0), |row| number(&row, 0))
}

fn change(row: &PgRow) -> Result<Change, Trouble> {
    let tag = tag(row, 1)?;
    let serials: &[u8] = row.try_get::<Option<&[u8]>, _>(5)?.unwrap_or_default();
    let (serials, []) = serials.as_chunks::<12>() else {
        return Err(Trouble::Unreadable("an entry of the change log"));
    };
    let denied = Denial::unpack(row.try_get::<Option<&[u8]>, _>(6)?.unwrap_or_default());
    Ok(Change {
        sequence: number(row, 0)?,
        home: tag.home(),
        tag,
        revision: number(row, 2)?,
        ended: serials.iter().map(|serial| SessionId::from_parts(tag, *serial)).collect(),
        ended_all: row.try_get(4)?,
        denied: denied.ok_or(Trouble::Unreadable("a denial in the change log"))?,
        at: time(row, 3)?,
    })
}
