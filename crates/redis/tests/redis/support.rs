//! A store over a server of its own.

use std::{sync::Arc, time::Duration};
use vestibule_redis::{RedisAddress, RedisOptions, RedisStore};
use vestibule_testkit::process::{Redis, wait_for};

/// Generous: the machine may be busy, and no test here is about the deadline.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A walk lasts months of its own time; the model forgets nothing.
pub(crate) const LONG: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(crate) fn address_of(server: &Redis) -> RedisAddress {
    RedisAddress::parse(&server.url()).expect("an address")
}

pub(crate) fn store_on(server: &Redis) -> Arc<RedisStore> {
    let address = address_of(server);
    let options = RedisOptions { deadline: DEADLINE, history_retention: LONG, ..RedisOptions::default() };
    Arc::new(RedisStore::new(address, options))
}

/// Waits until the replica of a server has all of it.
pub(crate) fn wait_for_replicas(server: &Redis) {
    let replicated = || {
        let info = server.command("INFO replication");
        let figure = |name: &str| info.split(name).nth(1)?.split(|c: char| !c.is_ascii_digit()).next().map(str::to_owned);
        (figure(",offset=")? == figure("master_repl_offset:")?).then_some(())
    };
    wait_for(DEADLINE, replicated).expect("the replica has all of it");
}
