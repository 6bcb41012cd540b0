//! What the database says of itself.

use super::{PostgresRecord, fault::Trouble, time};
use sqlx::{PgPool, Row};
use std::time::Instant;
use vestibule_core::{
    Answer,
    inspect::{Inspect, Inspection},
    time::Reading,
};

impl Inspect for PostgresRecord {
    fn inspect(&self) -> Answer<'_, Inspection> {
        // Asked every second, and whoever asks says what came of it.
        Box::pin(async { inspect(&self.pool).await.map_err(|trouble| trouble.fault()) })
    }
}

async fn inspect(pool: &PgPool) -> Result<Inspection, Trouble> {
    let asked = Instant::now();
    let question = "SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let row = sqlx::query(question).fetch_one(pool).await?;
    let clock = Reading { time: time(&row, 1)?, asked, answered: Instant::now() };
    let version: String = row.try_get(0)?;
    Ok(Inspection { version: format!("Postgres {version}"), clock, findings: Vec::new() })
}
