//! The record on Postgres: many nodes, one database.
//!
//! Each node has a few writers. A writer takes whatever commands wait, locks their users' rows in the order of the tags,
//! applies the transitions in memory and writes the result by one statement. Every transaction runs in a writer's own task, so
//! a caller who goes away leaves none open.
//!
//! **Order.** The place of a change in the log is its transaction number (`xid8`) and its place in the transaction. A read is
//! dated just below the oldest transaction that was still open: all changes up to there are in it. So a place that was read
//! never promises more than was seen, although transactions commit out of order. After a restore into another cluster
//! transaction numbers may begin anew; [`connect`] then raises a base that is added to them.

mod account;
mod alias;
mod chain;
mod change;
mod connect;
mod delivery;
mod denial;
mod deployment;
mod event;
mod fault;
mod forget;
mod inspect;
mod key;
mod load;
mod lock;
mod mark;
mod record;
mod session;
mod signing_key;
mod user;
mod write;
mod writer;

pub use inspect::Examined;

use crate::bounds;
use connect::Connector;
use fault::Trouble;
use lock::Lock;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{sync::atomic::AtomicI64, time::Duration};
use vestibule_core::{event::Sealer, fault::Fault, id::UserTag, time::Timestamp, time::millis};
use writer::Writers;

/// How a [`PostgresRecord`] is reached and kept.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections for reads at most. Default 8.
    pub readers: u32,
    /// Writers, each with a connection. Users are spread over them by home. Default 2.
    pub writers: usize,
    /// How long a connection may take to be made. Default 2 s.
    pub connect_timeout: Duration,
    /// How long a read may take, its wait for a connection included. Default 1 s; the callers' deadlines are shorter.
    pub read_timeout: Duration,
    /// Added to idle deadlines before a session is ended for idleness, because other nodes hear of uses that are still on
    /// their way here: twice the touch throttle. Default 2 min.
    pub idle_slack: Duration,
    /// Whether this process must be the only one on the database, because its state is in its own memory. A second one is
    /// refused. Default false.
    pub exclusive: bool,
    /// Seals events. Default none: they are not sealed, and their chain does not hold.
    pub sealer: Option<Sealer>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            readers: 8,
            writers: 2,
            connect_timeout: Duration::from_secs(2),
            read_timeout: Duration::from_secs(1),
            idle_slack: Duration::from_secs(120),
            exclusive: false,
            sealer: None,
        }
    }
}

/// The durable record in a Postgres database, shared by any number of nodes. Postgres 13 or later.
#[derive(Debug)]
pub struct PostgresRecord {
    pool: PgPool,
    writers: Writers,
    lock: Option<Lock>,
    read_timeout: Duration,
    sealer: Option<Sealer>,
    /// Where the walk over users without anything goes on.
    forget_users_after: AtomicI64,
}

impl PostgresRecord {
    /// Connects to `url` (`postgres://user:password@host:port/database?sslmode=...`) and brings the schema up to date; nodes
    /// that start together do so one after the other. Needs a tokio runtime.
    ///
    /// # Errors
    /// A [`Fault`] with what to do about it: `Misconfigured` for a wrong address, credentials or version, `Unavailable` where
    /// nobody answers.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, Fault> {
        let connector = Connector::new(url, options.connect_timeout)?;
        connector.prepare().await?;
        let lock = if options.exclusive { Some(Lock::take(&connector).await?) } else { None };
        let pool = connector.pool(&options)?;
        let idle_slack_ms = millis(options.idle_slack);
        let count = options.writers.clamp(1, bounds::POSTGRES_WRITERS);
        let sealer = options.sealer;
        let writers = Writers::start(&connector, count, idle_slack_ms, sealer.as_ref());
        let read_timeout = options.read_timeout;
        Ok(Self { pool, writers, lock, read_timeout, sealer, forget_users_after: AtomicI64::new(0) })
    }
}

impl PostgresRecord {
    /// Whether this process may change the record.
    fn check_lock(&self) -> Result<(), Fault> {
        self.lock.as_ref().map_or(Ok(()), Lock::check)
    }
}

/// A number as Postgres stores it.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A page size as Postgres takes it.
fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A number that is never negative.
fn number(row: &PgRow, column: usize) -> Result<u64, Trouble> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Trouble::Unreadable("a negative number"))
}

/// A time.
fn time(row: &PgRow, column: usize) -> Result<Timestamp, Trouble> {
    Ok(Timestamp::from_millis(number(row, column)?))
}

/// A byte string of fixed length.
fn array<const N: usize>(row: &PgRow, column: usize) -> Result<[u8; N], Trouble> {
    row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| Trouble::Unreadable("a field of another length"))
}

/// A user's tag.
fn tag(row: &PgRow, column: usize) -> Result<UserTag, Trouble> {
    Ok(UserTag::from_bytes(array(row, column)?))
}
