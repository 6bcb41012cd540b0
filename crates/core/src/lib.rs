//! The rules of Vestibule: sessions, accounts, events and management keys as plain data and pure functions.
//!
//! What lives here decides; what lives in the store crates keeps. A command is plain data, a transition applies it to one
//! user's aggregate without I/O, and every store runs the same transition: memory under a lock, SQL in a transaction, Redis in the
//! process, where a script writes the effects if nobody else changed the user. The rules of rate limits alone are repeated in scripts,
//! which the conformance suite holds to them.
//!
//! Deliberately absent: networks, disks, HTTP types, and clocks. `now` is an argument everywhere; [`time::Clock`] is the one
//! place that reads the time.

pub mod account;
pub mod alias;
pub mod bounds;
pub mod bus;
mod bytes;
pub mod deployment;
pub mod device;
pub mod durable;
pub mod event;
pub mod fault;
pub mod id;
pub mod inspect;
pub mod key;
pub mod limit;
pub mod network;
pub mod password;
pub mod record;
pub mod secret;
pub mod session;
pub mod stats;
pub mod time;
pub mod token;
pub mod user;

/// The boxed future that every port method returns: ports are object-safe, and a layer of boxing costs 15 to 45 ns.
pub type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, fault::Fault>> + Send + 'a>>;
