//! From an address to connections: settings, migrations, the base of the change log.

use super::{
    PostgresOptions,
    fault::{Trouble, fault_of},
};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};
use vestibule_core::fault::Fault;

/// Every version of the schema. The place of a script is the version that it leads to, minus one.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
    include_str!("schema/0007.sql"),
    include_str!("schema/0008.sql"),
    include_str!("schema/0009.sql"),
];

/// "Vstb": the advisory lock under which the schema is changed.
const MIGRATION_LOCK: i64 = 0x5673_7462;

/// The oldest server that has `pg_current_xact_id`.
const OLDEST_VERSION: i32 = 130_000;

/// Makes connections. Its text names neither user nor password.
#[derive(Clone)]
pub(super) struct Connector {
    options: PgConnectOptions,
    timeout: Duration,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector(redacted)")
    }
}

impl Connector {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, Fault> {
        let options = PgConnectOptions::from_str(url).map_err(|error| fault_of(&error))?;
        let options = options.application_name("vestibule").options([
            // Nobody waits that long; a statement that still runs then would only hold locks.
            ("statement_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "15s"),
            // Durable before the answer, whatever the cluster's default is.
            ("synchronous_commit", "on"),
        ]);
        Ok(Self { options, timeout })
    }

    pub(super) async fn connect(&self) -> Result<PgConnection, Trouble> {
        let connected = tokio::time::timeout(self.timeout, PgConnection::connect_with(&self.options)).await;
        Ok(connected.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into()))??)
    }

    pub(super) fn pool(&self, options: &PostgresOptions) -> Result<PgPool, Fault> {
        Ok(PgPoolOptions::new()
            .max_connections(options.readers.max(1))
            // Nobody answers where no connection can be made; callers are told before all their time is gone.
            .acquire_timeout(options.read_timeout.min(options.connect_timeout))
            // A read on a dead connection fails and the next one gets a fresh one; asking before each read is a round trip more.
            .test_before_acquire(false)
            .connect_lazy_with(self.options.clone()))
    }

    /// Checks the server's version, brings the schema up to date, and makes sure that the change log goes forward.
    pub(super) async fn prepare(&self) -> Result<(), Fault> {
        let mut connection = self.connect_to_good().await?;
        migrate(&mut connection).await
    }

    /// Connects to a server that is new enough.
    pub(super) async fn connect_to_good(&self) -> Result<PgConnection, Fault> {
        let mut connection = self.connect().await.map_err(|trouble| trouble.fault())?;
        let version: String =
            sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut connection).await.map_err(|error| fault_of(&error))?;
        match version.parse::<i32>().unwrap_or_default() < OLDEST_VERSION {
            true => Err(Fault::Misconfigured("the database is older than Postgres 13".into())),
            false => Ok(connection),
        }
    }
}

/// The version of the schema that this program works with.
pub(super) fn newest_schema() -> usize {
    MIGRATIONS.len()
}

/// A newer program may have changed what this one relies on.
pub(super) fn refuse_newer(found: usize) -> Result<(), Fault> {
    let known = newest_schema();
    if found <= known {
        return Ok(());
    }
    let text = format!("the database has version {found} and this program knows versions up to {known}; start the newer one");
    Err(Fault::Misconfigured(text.into()))
}

/// All steps in one transaction, under a lock: nodes that start together wait for the first.
async fn migrate(connection: &mut PgConnection) -> Result<(), Fault> {
    let fault = |error: sqlx::Error| fault_of(&error);
    let mut transaction = connection.begin().await.map_err(fault)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK).execute(&mut *transaction).await.map_err(fault)?;
    transaction.execute("CREATE TABLE IF NOT EXISTS vestibule_schema (version integer NOT NULL)").await.map_err(fault)?;
    let version: Option<i32> =
        sqlx::query_scalar("SELECT max(version) FROM vestibule_schema").fetch_one(&mut *transaction).await.map_err(fault)?;
    let done = usize::try_from(version.unwrap_or_default()).unwrap_or_default();
    refuse_newer(done)?;
    for (index, script) in MIGRATIONS.iter().enumerate().skip(done) {
        transaction.execute(sqlx::raw_sql(*script)).await.map_err(fault)?;
        let step = i32::try_from(index + 1).unwrap_or(i32::MAX);
        sqlx::query("INSERT INTO vestibule_schema VALUES ($1)").bind(step).execute(&mut *transaction).await.map_err(fault)?;
    }
    raise_base(&mut transaction).await.map_err(fault)?;
    transaction.commit().await.map_err(|error| Trouble::from(error).into_commit_fault())
}

/// A restored database may be in a cluster that has counted fewer transactions than the one its change log comes from.
async fn raise_base(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT greatest((SELECT max(sequence) FROM vestibule_change_log), (SELECT max(position) FROM vestibule_events), 0) >> 16,
                base + pg_current_xact_id()::text::bigint FROM vestibule_meta",
    )
    .fetch_one(&mut *connection)
    .await?;
    let (written, next): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if written >= next {
        let raise = written - next + 1;
        sqlx::query("UPDATE vestibule_meta SET base = base + $1").bind(raise).execute(connection).await?;
        tracing::warn!(
            raise,
            "the database was restored into another cluster: its change log and its events go on above what it holds"
        );
    }
    Ok(())
}
