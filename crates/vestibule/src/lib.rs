//! Vestibule, the session layer of a backend: the library that applications add.
//!
//! [`Vestibule::open`] joins the parts: a record in a data folder (feature `sqlite`) or in Postgres
//! (feature `postgres`), or sessions on Redis (feature `redis`), or nothing but memory, the keys derived
//! from one secret, and the session service over both. No rule lives here; see [`session`] for what a session can do.

pub use vestibule_core::{
    account, alias, bounds, bus, deployment, device, durable, event, fault, id, inspect, key, limit, network, password, record,
    secret, session, stats, time, token, user,
};
#[cfg(feature = "axum")]
pub use vestibule_http as http;
pub use vestibule_memory as memory;
#[cfg(feature = "redis")]
pub use vestibule_redis as redis;
#[cfg(feature = "sqlite")]
pub use vestibule_sql as sql;

mod open;
mod tokens;

pub use open::{OpenError, Options, Vestibule};
pub use tokens::TokenOptions;
