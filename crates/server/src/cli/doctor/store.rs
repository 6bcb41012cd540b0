//! The Redis that holds the sessions.

use super::{Check, clock};
use crate::{
    config::{Config, Record},
    serve::redis,
};
use std::time::{Duration, Instant};
use vestibule::{
    inspect::{Inspect, Inspection},
    redis::{RedisOptions, RedisState, RedisStore},
};

/// Where the address of Redis stands.
const SETTING: &str = "store.url (REDIS_URL)";
/// A trip to a store that stands where it should takes less.
const SLOW: Duration = Duration::from_millis(20);

/// Asks Redis about itself, if there is one.
pub(super) async fn look(config: &Config) -> Vec<Check> {
    let (address, options) = match redis::of(&config.store) {
        Ok(Some(parts)) => parts,
        Ok(None) => return vec![Check::ok("store", "in the memory of the server")],
        Err(refusal) => return vec![Check::failed("store", refusal.to_string(), "correct the section [store]")],
    };
    // A first answer takes the time of a connection, too.
    let options = RedisOptions { deadline: options.connect_timeout + options.deadline, ..options };
    let server: Box<dyn Inspect> = match config.record {
        Record::None => Box::new(RedisStore::new(address, options)),
        Record::Sqlite | Record::Postgres(_) => Box::new(RedisState::new(address, options)),
    };
    if let Err(fault) = server.inspect().await {
        return vec![Check::faulty("store", &fault, SETTING)];
    }
    // Now that there is a connection, the second tells how far away it is.
    let began = Instant::now();
    match server.inspect().await {
        Ok(inspection) => judge(&inspection, began.elapsed()),
        Err(fault) => vec![Check::faulty("store", &fault, SETTING)],
    }
}

fn judge(inspection: &Inspection, trip: Duration) -> Vec<Check> {
    let answers = format!("{}, answers in {:.1} ms", inspection.version, trip.as_secs_f64() * 1_000.0);
    let fix = "put Redis nearer to the server, and look at its slow log";
    let mut checks = match trip <= SLOW {
        true => vec![Check::ok("store", answers)],
        false => vec![Check::degraded("store", answers, fix)],
    };
    checks.extend(
        inspection
            .findings
            .iter()
            .map(|found| Check::degraded("store", format!("{}: {}", found.what, found.why), found.remedy)),
    );
    checks.push(clock::compare("Redis", &inspection.clock));
    checks
}
