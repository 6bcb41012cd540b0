//! What can go wrong with the file, and what the caller and the operator are told.

use super::FILE;
use rusqlite::{Error as SqlError, ErrorCode};
use vestibule_core::fault::Fault;

/// Why a statement or a row could not be used.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// SQLite's own.
    Sql(SqlError),
    /// A row holds what was never written; the text names it.
    Unreadable(&'static str),
    /// Worded already.
    Fault(Fault),
}

impl From<SqlError> for Trouble {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Trouble {
    /// The fault to answer with. Logs what only the operator may read.
    pub(crate) fn into_fault(self) -> Fault {
        let error = match self {
            Self::Fault(fault) => return fault,
            Self::Unreadable(what) => {
                tracing::error!(file = FILE, what, "the record holds something that cannot be read");
                return Fault::Corrupt(format!("{what} in {FILE}; {}", remedy()).into());
            }
            Self::Sql(error) => error,
        };
        tracing::error!(file = FILE, %error, "the record could not do what was asked");
        fault_of(&error)
    }

    /// As [`Self::into_fault`], for a commit: after an error of the disk it may or may not be in the file.
    pub(crate) fn into_commit_fault(self) -> Fault {
        let io = matches!(&self, Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure));
        let fault = self.into_fault();
        if io { Fault::Timeout } else { fault }
    }
}

fn remedy() -> String {
    format!("stop the server, keep a copy of the data folder and restore {FILE} from a backup")
}

fn fault_of(error: &SqlError) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Fault::Corrupt(format!("{FILE} is damaged; {}", remedy()).into())
        }
        Some(ErrorCode::DiskFull) => {
            Fault::Unavailable("the disk is full; nothing of the request was stored, free space in the data folder".into())
        }
        Some(ErrorCode::SystemIoFailure) => {
            Fault::Unavailable("the disk refused to read or write; look at the system's log and the free space".into())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Fault::Unavailable(format!("another program holds {FILE}").into())
        }
        Some(ErrorCode::OutOfMemory) => Fault::Unavailable("out of memory".into()),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Fault::Misconfigured(format!("{FILE} cannot be written; the data folder must belong to the server's user").into())
        }
        _ => Fault::Corrupt(format!("{FILE} broke a rule of its format; {}", remedy()).into()),
    }
}
