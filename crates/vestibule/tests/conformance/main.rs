//! The conformance suite and the random walk on the deployments that have a record.

#[cfg(feature = "postgres")]
mod node;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
