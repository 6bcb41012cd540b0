//! The library as an application uses it, and the conformance suite on the deployments that have a record.

#[cfg(feature = "axum")]
mod axum;
#[cfg(all(feature = "redis", feature = "postgres"))]
mod clock;
#[cfg(feature = "postgres")]
mod denial;
mod feed;
mod import;
#[cfg(feature = "axum")]
mod limit;
#[cfg(feature = "axum")]
mod limit_left;
#[cfg(feature = "postgres")]
mod node;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "redis", feature = "postgres"))]
mod race;
#[cfg(all(feature = "redis", feature = "postgres"))]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "axum")]
mod token;
