//! From a folder to connections: permissions, the lock, settings, migrations.

use super::{FILE, LOCK, SqliteOptions, fault::Trouble};
use crate::bounds;
use rusqlite::{Connection, OpenFlags, vtab::array};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};
use vestibule_core::fault::Fault;

/// "Vstb": tells this file from other programs' databases.
const APPLICATION_ID: i64 = 0x5673_7462;

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

/// Why a record could not be opened. Texts name files, never folders.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made or used.
    #[error("the data folder cannot be used")]
    Folder(#[source] io::Error),
    /// Another process has it.
    #[error("another process uses this data folder; only one may (its lock is on {LOCK})")]
    Locked,
    /// A newer version of this program wrote it.
    #[error("{FILE} has version {found} and this program knows versions up to {known}; start the newer program again")]
    NewerSchema {
        /// The version of the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// It belongs to another program.
    #[error("{FILE} is a database of another program")]
    Foreign,
    /// SQLite cannot use it.
    #[error("{FILE} cannot be opened")]
    Unusable(#[source] Fault),
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        Self::Unusable(trouble.into_fault())
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::from(error).into()
    }
}

/// The files that are held for as long as the record.
#[derive(Debug)]
pub(super) struct Files {
    /// The database, for syncing. Closing any descriptor of a file takes all locks of the process on it away (fcntl,
    /// POSIX.1-2017), SQLite's own too, so it is opened before the first connection and closed after the last.
    pub(super) database: Arc<File>,
    /// The lock of the folder.
    _lock: File,
}

/// Makes the folder, for its owner only, and takes the lock.
pub(super) fn lock(folder: &Path) -> Result<Files, OpenError> {
    make_folder(folder).map_err(OpenError::Folder)?;
    let lock = private_file(&folder.join(LOCK)).map_err(OpenError::Folder)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
        Err(TryLockError::Error(error)) => return Err(OpenError::Folder(error)),
    }
    let database = private_file(&folder.join(FILE)).map_err(OpenError::Folder)?;
    Ok(Files { database: Arc::new(database), _lock: lock })
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file, made for its owner only. SQLite gives the log and the shared index the permissions of the database.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The writer's connection, with the schema up to date.
pub(super) fn writer(folder: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let mut connection = connect(folder, bounds::WRITER_CACHE_KIB)?;
    // The file must be ours before any setting is written to it.
    let version = check_owner(&connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Unusable(Fault::Misconfigured(
            "the file system of the data folder does not support a write-ahead log; use a local disk".into(),
        )));
    }
    connection.execute_batch(&format!("PRAGMA journal_size_limit = {};", bounds::WAL_BYTES))?;
    if let Some(pages) = options.max_pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    migrate(&mut connection, version)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(folder: &Path) -> Result<Connection, OpenError> {
    let connection = connect(folder, bounds::READER_CACHE_KIB)?;
    connection.execute_batch("PRAGMA query_only = ON;")?;
    // Reads the schema now and not under the first caller.
    connection.query_row("SELECT sequence FROM counters", [], |_| Ok(()))?;
    Ok(connection)
}

/// The connection that carries the log over into the database file.
pub(super) fn checkpointer(folder: &Path) -> Result<Connection, OpenError> {
    connect(folder, bounds::READER_CACHE_KIB)
}

fn connect(folder: &Path, cache_kib: i64) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join(FILE), flags)?;
    connection.busy_timeout(Duration::from_millis(bounds::BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(bounds::STATEMENTS);
    array::load_module(&connection)?;
    // No memory map: an error of the disk under one is a signal that ends the process instead of an answer.
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -{cache_kib};"
    ))?;
    Ok(connection)
}

fn check_owner(connection: &Connection) -> Result<i64, OpenError> {
    let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let version = pragma("user_version")?;
    let owner = pragma("application_id")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match (owner, tables) {
        (0, 0) => Ok(version),
        (APPLICATION_ID, _) if version > known => Err(OpenError::NewerSchema { found: version, known }),
        (APPLICATION_ID, _) => Ok(version),
        _ => Err(OpenError::Foreign),
    }
}

/// Each step is a transaction of its own, version included: a crash in between leaves the version before it.
fn migrate(connection: &mut Connection, version: i64) -> Result<(), OpenError> {
    let done = usize::try_from(version).map_err(|_| OpenError::Foreign)?;
    for (index, script) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
        tracing::info!(version = index + 1, "the schema of the record is up to date");
    }
    Ok(())
}
