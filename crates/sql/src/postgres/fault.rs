//! What can go wrong with the database, and what the caller and the operator are told.

use sqlx::Error;
use std::io;
use vestibule_core::fault::Fault;

/// Why a statement or a row could not be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The driver's or the server's own.
    Sql(Error),
    /// A row holds what was never written; the text names it.
    Unreadable(&'static str),
    /// Another node was faster, and nothing was committed: the same batch may be tried again.
    Overtaken,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

/// Classes of SQLSTATE (Postgres 15, appendix A).
mod state {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const CLASS_CREDENTIALS: &str = "28";
    pub(super) const CLASS_NAME: &str = "3D";
    pub(super) const PRIVILEGE: &str = "42501";
    pub(super) const CLASS_CORRUPTED: &str = "XX";
}

impl Trouble {
    /// Whether the transaction lost against another one and may be run once more.
    pub(super) fn is_overtaken(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Sql(error) => {
                matches!(code(error).as_deref(), Some(state::SERIALIZATION_FAILURE | state::DEADLOCK | state::UNIQUE_VIOLATION))
            }
            Self::Unreadable(_) => false,
        }
    }

    /// The fault to answer with. Logs what only the operator may read; neither holds an address or a password.
    pub(super) fn into_fault(self) -> Fault {
        match &self {
            Self::Overtaken => {}
            Self::Unreadable(what) => tracing::error!(what, "the record holds something that cannot be read"),
            Self::Sql(error) => {
                let fault = self.fault();
                tracing::error!(class = fault.class(), state = code(error), %fault, "the record could not do what was asked");
            }
        }
        self.fault()
    }

    /// The fault alone, for callers who say themselves what happened.
    pub(super) fn fault(&self) -> Fault {
        match self {
            Self::Overtaken => Fault::Unavailable("another node changed the same user at the same time".into()),
            Self::Unreadable(what) => Fault::Corrupt(format!("{what} in the database; restore it from a backup").into()),
            Self::Sql(error) => fault_of(error),
        }
    }

    /// As [`Self::into_fault`], for a commit: where the server did not say no, it may have said yes.
    pub(super) fn into_commit_fault(self) -> Fault {
        let refused = matches!(&self, Self::Sql(error) if code(error).is_some()) || self.is_overtaken();
        let fault = self.into_fault();
        if refused { fault } else { Fault::Timeout }
    }
}

fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// The fault for an error of the driver or the server.
pub(super) fn fault_of(error: &Error) -> Fault {
    match error {
        Error::Configuration(_) => Fault::Misconfigured("the address of the database cannot be read".into()),
        Error::Tls(_) => Fault::Misconfigured(
            "no secure connection to the database: check its certificate, its name and sslmode in DATABASE_URL".into(),
        ),
        Error::PoolTimedOut => Fault::Unavailable("all connections to the database are busy".into()),
        Error::PoolClosed | Error::WorkerCrashed => Fault::Unavailable("the record is closed".into()),
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => Fault::Timeout,
        Error::Io(_) => Fault::Unavailable("the database cannot be reached".into()),
        Error::Database(_) => fault_of_state(code(error).as_deref().unwrap_or_default()),
        _ => Fault::Corrupt("the database answered in a way that cannot be read".into()),
    }
}

fn fault_of_state(state: &str) -> Fault {
    match state {
        state::READ_ONLY => Fault::Misconfigured("the database takes no writes: DATABASE_URL must name the primary".into()),
        state::DISK_FULL => Fault::Unavailable("the disk of the database is full; nothing of the request was stored".into()),
        state::QUERY_CANCELED => Fault::Timeout,
        state::PRIVILEGE => Fault::Misconfigured("the database user may not do this; it must own the vestibule_ tables".into()),
        state::UNDEFINED_TABLE => Fault::Corrupt("a table of the record is missing; restore the database from a backup".into()),
        state if state.starts_with(state::CLASS_CREDENTIALS) => {
            Fault::Misconfigured("the database refuses the user or the password of DATABASE_URL".into())
        }
        state if state.starts_with(state::CLASS_NAME) => {
            Fault::Misconfigured("there is no database of the name in DATABASE_URL".into())
        }
        state if state.starts_with(state::CLASS_CORRUPTED) => {
            Fault::Corrupt("the database reports damage; look at its log".into())
        }
        // Connections (08), resources (53), operator's intervention (57) and whatever else rolled back.
        _ => Fault::Unavailable("the database refused; look at its log".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_must_change_is_no_outage() {
        assert!(matches!(fault_of_state("28P01"), Fault::Misconfigured(_)));
        assert!(matches!(fault_of_state("3D000"), Fault::Misconfigured(_)));
        assert!(matches!(fault_of_state(state::READ_ONLY), Fault::Misconfigured(_)));
        assert!(matches!(fault_of_state("57P01"), Fault::Unavailable(_)));
        assert!(matches!(fault_of_state("XX001"), Fault::Corrupt(_)));
    }

    #[test]
    fn a_commit_without_an_answer_may_have_happened() {
        let cut = || Trouble::Sql(Error::Io(io::Error::from(io::ErrorKind::UnexpectedEof)));
        assert_eq!(cut().into_commit_fault(), Fault::Timeout);
        assert!(matches!(cut().into_fault(), Fault::Unavailable(_)));
    }
}
