//! The record on SQLite: one file, one process, one writer.

mod account;
mod alias;
mod chain;
mod change;
mod checkpoint;
mod delivery;
mod denial;
mod deployment;
mod event;
mod fault;
mod forget;
mod key;
mod load;
mod mark;
mod open;
mod reader;
mod record;
mod session;
mod signing_key;
mod user;
mod write;
mod writer;

pub use open::OpenError;

use crate::bounds;
use fault::Trouble;
use open::Files;
use reader::Readers;
use rusqlite::{Row, Transaction};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use vestibule_core::{Answer, event::Sealer, fault::Fault, id::UserTag, time::Timestamp};
use writer::WriterHandle;

/// The database file in the data folder.
const FILE: &str = "vestibule.db";
/// The file that carries the lock of the data folder.
const LOCK: &str = "vestibule.lock";

/// How a [`SqliteRecord`] is kept.
#[derive(Debug, Clone, Default)]
pub struct SqliteOptions {
    /// Most pages of 4 KiB that the database file may have; above it the record answers as if the disk were full. Default:
    /// no limit but the disk.
    pub max_pages: Option<u32>,
    /// Added to idle deadlines before a session is ended for idleness. Default zero, which is right where one process hears of
    /// every use and sends it along; several nodes need twice the touch throttle.
    pub idle_slack: Duration,
    /// Seals events. Default none: they are not sealed, and their chain does not hold.
    pub sealer: Option<Sealer>,
}

/// The durable record in a data folder.
///
/// One thread writes: it takes whatever commands wait, decides them in one transaction and answers after the commit has
/// reached the disk. A few threads read. All of them end when the record is dropped, after what waits is done, so the drop
/// blocks for as long as the last commit takes.
#[derive(Debug)]
pub struct SqliteRecord {
    // In the order in which they must end: readers, then the writer, then the files.
    readers: Readers,
    writer: WriterHandle,
    idle_slack: Duration,
    _files: Files,
}

impl SqliteRecord {
    /// The database file in a data folder.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Opens the record in `folder`, or founds it: makes the folder (for its owner only), takes its lock, and brings the
    /// schema up to date. Blocks; costs no more with a million sessions than with none, but for the write-ahead log that a
    /// crash may have left.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do about it.
    pub fn open(folder: &Path, options: SqliteOptions) -> Result<Self, OpenError> {
        let files = open::lock(folder)?;
        let writer = open::writer(folder, &options)?;
        let readers = (0..bounds::READERS).map(|_| open::reader(folder)).collect::<Result<_, _>>()?;
        let checkpointer = open::checkpointer(folder)?;
        let threads = |error: io::Error| OpenError::Folder(error);
        Ok(Self {
            readers: Readers::start(readers).map_err(threads)?,
            writer: WriterHandle::start(writer, checkpointer, &files, &options)?,
            idle_slack: options.idle_slack,
            _files: files,
        })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Answer<'_, T> {
        self.readers.read(read)
    }
}

/// A number as SQLite stores it.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A page size as SQLite takes it.
fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A number that is never negative.
fn number(row: &Row<'_>, column: usize) -> Result<u64, Trouble> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| Trouble::Unreadable("a negative number"))
}

/// A time.
fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Trouble> {
    Ok(Timestamp::from_millis(number(row, column)?))
}

/// A byte string, borrowed from the row.
fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], Trouble> {
    row.get_ref(column)?.as_blob().map_err(|_| Trouble::Unreadable("a field of another type"))
}

/// A byte string of fixed length.
fn array<const N: usize>(row: &Row<'_>, column: usize) -> Result<[u8; N], Trouble> {
    blob(row, column)?.try_into().map_err(|_| Trouble::Unreadable("a field of another length"))
}

/// A user's tag.
fn tag(row: &Row<'_>, column: usize) -> Result<UserTag, Trouble> {
    Ok(UserTag::from_bytes(array(row, column)?))
}

/// What is answered where the writer is no more.
fn closed() -> Fault {
    Fault::Unavailable("the record is closed".into())
}
