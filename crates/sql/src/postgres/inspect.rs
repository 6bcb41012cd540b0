//! What the database says of itself.

use super::{
    PostgresOptions, PostgresRecord,
    connect::{Connector, newest_schema, refuse_newer},
    fault::{Trouble, fault_of},
    time,
};
use sqlx::{PgConnection, PgExecutor, Row};
use std::time::Instant;
use vestibule_core::{
    Answer,
    fault::Fault,
    inspect::{Inspect, Inspection},
    time::Reading,
};

/// A database that was looked at and not changed.
#[derive(Debug)]
pub struct Examined {
    /// What its server says of itself.
    pub inspection: Inspection,
    /// The version of its schema; 0 where there is none yet.
    pub schema: usize,
    /// The version that a start would bring it to.
    pub newest_schema: usize,
}

impl PostgresRecord {
    /// Looks at a database without changing anything in it.
    ///
    /// # Errors
    /// What [`Self::open`] would end with.
    pub async fn examine(url: &str, options: &PostgresOptions) -> Result<Examined, Fault> {
        let mut connection = Connector::new(url, options.connect_timeout)?.connect_to_good().await?;
        let schema = schema(&mut connection).await.map_err(|error| fault_of(&error))?;
        refuse_newer(schema)?;
        let inspection = inspect(&mut connection).await.map_err(|trouble| trouble.fault())?;
        Ok(Examined { inspection, schema, newest_schema: newest_schema() })
    }
}

async fn schema(connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let known = "SELECT to_regclass('vestibule_schema') IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(known).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    let version = "SELECT max(version) FROM vestibule_schema";
    let version: Option<i32> = sqlx::query_scalar(version).fetch_one(connection).await?;
    Ok(usize::try_from(version.unwrap_or_default()).unwrap_or_default())
}

impl Inspect for PostgresRecord {
    fn inspect(&self) -> Answer<'_, Inspection> {
        // Asked every second, and whoever asks says what came of it.
        Box::pin(async { inspect(&self.pool).await.map_err(|trouble| trouble.fault()) })
    }
}

async fn inspect(server: impl PgExecutor<'_>) -> Result<Inspection, Trouble> {
    let asked = Instant::now();
    let question = "SELECT current_setting('server_version'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let row = sqlx::query(question).fetch_one(server).await?;
    let clock = Reading { time: time(&row, 1)?, asked, answered: Instant::now() };
    let version: String = row.try_get(0)?;
    Ok(Inspection { version: format!("Postgres {version}"), clock, findings: Vec::new() })
}
