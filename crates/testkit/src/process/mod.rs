//! Real programs for tests: started on free ports in folders of their own, gone when the test is over.
//!
//! [`Server`] is the server as its users start it, [`Nginx`] a proxy in front of it, [`Postgres`] a record beside it,
//! [`Redis`], [`Sentinels`] and [`Cluster`] a state, [`FaultProxy`] a bad network before any of them, [`Request`] a client that
//! sends and shows bytes as they are. Nothing here waits for a fixed time: a condition is looked at until it holds or its bound
//! from [`crate::bounds`] has passed.

mod cluster;
mod fault_proxy;
mod http;
mod nginx;
mod postgres;
mod program;
mod redis;
mod resp;
mod sentinel;
mod server;
mod tls;

pub use cluster::{Cluster, ClusterTurn};
pub use fault_proxy::{FaultProxy, Relay, Towards, Traffic};
pub use http::{Connection, Request, Response, delete, get, post, send_raw};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use program::{Program, free_port};
pub use redis::Redis;
pub use sentinel::{MASTER, Sentinels};
pub use server::{Refused, Server, ServerOptions};
pub use tls::Certificates;

use crate::bounds::POLL;
use std::time::{Duration, Instant};

/// Looks until there is something to see, `bound` long at most.
pub fn wait_for<T>(bound: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(POLL);
    }
}
