//! Carries the write-ahead log over into the database file, beside the writer.
//!
//! A checkpoint inside a commit (SQLite's default) makes one caller in some hundred wait for all pages of the log. Here a
//! thread with a connection of its own does the bulk of it while the writer goes on. As the writer adds to the log in the
//! meantime, that alone would never let the log begin anew: when only a rest is left, the writer is asked to carry that
//! over between two batches.
//!
//! SQLite syncs the database file only with the checkpoint that empties the log, which would be the writer's. So the thread
//! syncs it after each of its own: what is left for the writer to sync is its rest (measured: 3 ms instead of 15).

use crate::bounds;
use rusqlite::Connection;
use std::{
    error::Error,
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

/// Pages of the log, and how many of them are in the database file already.
#[derive(Debug, Clone, Copy)]
struct Log {
    pages: i64,
    carried: i64,
}

impl Log {
    fn rest(self) -> i64 {
        self.pages - self.carried
    }
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    rest_due: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(connection: Connection, database: Arc<File>) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let rest_due = Arc::new(AtomicBool::new(false));
        let flag = rest_due.clone();
        let thread = std::thread::Builder::new()
            .name("record-checkpoint".into())
            .spawn(move || run(&connection, &database, &woken, &flag))?;
        Ok(Self { wake: Some(wake), rest_due, thread: Some(thread) })
    }

    /// Called by the writer after a commit, every so often.
    pub(super) fn look(&self) {
        if let Some(wake) = &self.wake {
            // Full means that it is awake already.
            let _ = wake.try_send(());
        }
    }

    /// Whether the writer should carry the rest over now. True once for each time that it is due.
    pub(super) fn take_rest_due(&self) -> bool {
        self.rest_due.load(Ordering::Relaxed) && self.rest_due.swap(false, Ordering::Relaxed)
    }
}

fn run(connection: &Connection, database: &File, woken: &Receiver<()>, rest_due: &AtomicBool) {
    while woken.recv().is_ok() {
        match step(connection, database) {
            Ok(done) => rest_due.store(done, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be carried over; it grows until it can"),
        }
    }
}

/// Returns whether the log was long and only a rest of it is left.
fn step(connection: &Connection, database: &File) -> Result<bool, Box<dyn Error>> {
    let mut log = pragma(connection, "NOOP")?;
    metrics::gauge!("vestibule_record_log_pages").set(log.pages as f64);
    if log.pages <= bounds::CHECKPOINT_PAGES {
        return Ok(false);
    }
    // Each pass leaves what was added during it, which is less each time.
    for _ in 0..bounds::CHECKPOINT_PASSES {
        if log.rest() <= bounds::CHECKPOINT_REST {
            break;
        }
        pragma(connection, "PASSIVE")?;
        database.sync_data()?;
        log = pragma(connection, "NOOP")?;
    }
    Ok(log.rest() <= bounds::CHECKPOINT_REST)
}

/// Carries over what is left, without waiting for anybody. For the writer.
pub(super) fn carry_rest(connection: &Connection) {
    if let Err(error) = pragma(connection, "PASSIVE") {
        tracing::warn!(%error, "the rest of the write-ahead log could not be carried over");
    }
}

/// Carries everything over and empties the log. For the end, when nobody reads any more.
pub(super) fn finish(connection: &Connection) {
    if let Err(error) = pragma(connection, "TRUNCATE") {
        tracing::warn!(%error, "the write-ahead log stays for the next start");
    }
}

fn pragma(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    connection
        .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok(Log { pages: row.get(1)?, carried: row.get(2)? }))
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by itself.
            let _ = thread.join();
        }
    }
}
