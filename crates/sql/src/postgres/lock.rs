//! One process for one database, where the state is in that process's memory: two would not hear of each other's ends.

use super::{connect::Connector, fault::Trouble};
use crate::bounds;
use sqlx::{Connection, PgConnection};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;
use vestibule_core::fault::Fault;

/// The advisory lock of a database that belongs to one process.
const ONE_PROCESS: i64 = 0x5673_7462_0001;

/// Holds the lock on a connection of its own, and takes it again after the database was away.
#[derive(Debug)]
pub(super) struct Lock {
    held: Arc<AtomicBool>,
    keeper: JoinHandle<()>,
}

impl Lock {
    /// Takes the lock.
    pub(super) async fn take(connector: &Connector) -> Result<Self, Fault> {
        let Some(connection) = attempt(connector).await.map_err(|trouble| trouble.fault())? else { return Err(taken()) };
        let held = Arc::new(AtomicBool::new(true));
        let keeper = tokio::spawn(keep(connector.clone(), connection, held.clone()));
        Ok(Self { held, keeper })
    }

    /// Whether this process may go on changing the record.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.held.load(Ordering::Acquire) { Ok(()) } else { Err(taken()) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The connection goes with the task, and the lock with the connection.
        self.keeper.abort();
    }
}

fn taken() -> Fault {
    Fault::Misconfigured("another process uses this database; several nodes need Redis beside it (REDIS_URL)".into())
}

async fn attempt(connector: &Connector) -> Result<Option<PgConnection>, Trouble> {
    let mut connection = connector.connect().await?;
    let locked: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(ONE_PROCESS).fetch_one(&mut connection).await?;
    Ok(locked.then_some(connection))
}

async fn keep(connector: Connector, mut connection: PgConnection, held: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(bounds::LOCK_CHECK);
    loop {
        ticks.tick().await;
        let alive = tokio::time::timeout(bounds::LOCK_CHECK, connection.ping()).await;
        if matches!(alive, Ok(Ok(()))) {
            continue;
        }
        match attempt(&connector).await {
            Ok(Some(again)) => {
                connection = again;
                held.store(true, Ordering::Release);
            }
            Ok(None) => held.store(false, Ordering::Release),
            // Nobody else can change anything either.
            Err(_) => {}
        }
    }
}
