//! The same over Redis, on servers of its own: the second core has Redis and the load, the first what is measured.

pub(crate) mod create;
pub(crate) mod end_all;
pub(crate) mod fill;
pub(crate) mod forward_auth;
pub(crate) mod lease;
pub(crate) mod limit;
pub(crate) mod memory;
mod seed;

use crate::{
    Error, bounds,
    process::{cpu, pin},
};
use vestibule::redis::{RedisAddress, RedisOptions, RedisStore};
use vestibule_testkit::process::Redis;

/// A Redis of its own.
struct Server(Redis);

impl Server {
    fn start() -> Result<Self, Error> {
        let server = Redis::start();
        pin(server.pid(), 1)?;
        Ok(Self(server))
    }

    fn url(&self) -> String {
        self.0.url()
    }

    /// Processor time so far, in seconds.
    fn cpu(&self) -> Result<f64, Error> {
        cpu(self.0.pid())
    }

    /// Memory of the data, in bytes.
    fn used(&self) -> Result<f64, Error> {
        let info = self.0.command("INFO memory");
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).ok_or("Redis shows no memory")?;
        Ok(used.parse()?)
    }

    /// How often a command ran so far.
    fn calls(&self, command: &str) -> Result<f64, Error> {
        let (info, head) = (self.0.command("INFO commandstats"), format!("cmdstat_{command}:calls="));
        let calls = info.lines().find_map(|line| line.strip_prefix(&head)?.split(',').next());
        Ok(calls.map_or(Ok(0.0), str::parse)?)
    }
}

fn address(url: &str) -> Result<RedisAddress, Error> {
    Ok(RedisAddress::parse(url)?)
}

/// Filling is no part of what is measured, and may take longer than a request.
fn options() -> RedisOptions {
    RedisOptions { deadline: bounds::START, ..RedisOptions::default() }
}

async fn store(url: &str) -> Result<RedisStore, Error> {
    let store = RedisStore::new(address(url)?, options());
    store.warm_up().await?;
    Ok(store)
}
