//! What many would use instead: tower-sessions with its Redis store. Compiled with the feature `references` only.

#[cfg(not(feature = "references"))]
mod absent;
#[cfg(feature = "references")]
mod tower_sessions;

#[cfg(not(feature = "references"))]
pub(crate) use absent::{create, fill, serve};
#[cfg(feature = "references")]
pub(crate) use tower_sessions::{create, fill, serve};
