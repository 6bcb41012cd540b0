//! Every port of Vestibule on Redis 7.0 or later.
//!
//! [`RedisState`] is the fast side of [`vestibule_core::durable::Durable`]: a projection of a record, shared by all processes.
//! [`RedisStore`] is authoritative: what it holds is all there is, and every process that uses the same server sees the same
//! sessions. A user is one string with all their sessions in it, so the usual lookup is one plain read. A change decides
//! here, by the pure rules of the core, and one script writes it if nobody else changed the user in between; nothing of a
//! rule is written twice. `docs/keyspace.md` specifies every key.
//!
//! Deliberately absent: rules, and clocks.

mod address;
mod alias;
pub mod bounds;
mod breaker;
mod bus;
mod chain;
mod change;
mod cluster;
mod connection;
mod delivery;
mod deployment;
mod device;
mod end_all;
mod event;
mod fault;
mod inspect;
mod key;
mod limit;
mod link;
mod replicas;
mod script;
mod sentinel;
mod session;
mod signing_key;
mod start;
mod state;
mod store;
mod supervisor;
mod token;
mod user;
mod walk;

pub use address::{AddressError, RedisAddress, RedisNode, RedisTls};
pub use bus::RedisBus;
pub use limit::{LimitTime, RedisLimits};
pub use state::RedisState;
pub use store::{RedisOptions, RedisStore};
