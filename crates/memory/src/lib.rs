//! Every port of Vestibule in process.
//!
//! [`MemoryStore`] is authoritative: tests and `--ephemeral` servers keep everything in it and lose everything with the
//! process. [`MemoryState`] is the fast side of [`vestibule_core::durable::Durable`]: a projection of a record that may
//! forget any user, because the record knows them.
//!
//! Both keep whole users in 256 homes, each behind a lock of its own, and call the pure rules of the core under it, so a
//! command is atomic and a lookup costs one lock, one probe and one comparison. Both count the bytes they hold against a
//! bound. Deliberately absent: disks, threads, timers. Whoever owns a store asks [`due`] about once a second.
//!
//! [`due`]: vestibule_core::session::SessionStore::due

mod alias;
pub mod bounds;
mod chain;
mod delivery;
mod deployment;
mod device;
mod event;
mod key;
mod limit;
mod session;
mod signing_key;
mod state;
mod store;
mod table;
mod token;

pub use limit::MemoryLimits;
pub use state::MemoryState;
pub use store::{MemoryOptions, MemoryStore};
