//! The durable record of Vestibule in SQL.
//!
//! A record decides: it loads the users that a batch of commands is about, applies the pure transitions of the core in
//! memory, and writes what came of it, all in one transaction. [`SqliteRecord`] does so on one file, with one writer for one
//! process. The stored form is specified in `docs/record.md`.
//!
//! Deliberately absent: rules. What a command means is in `vestibule_core`; here is only how it is kept.

mod batch;
pub mod bounds;
mod decide;
mod handoff;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::{Examined, PostgresOptions, PostgresRecord};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteOptions, SqliteRecord};
