//! A master, a replica and three Sentinels.

use super::{Chaos, Stores};
use vestibule_testkit::process::{MASTER, Sentinels};

/// O10
fn failed_over(name: &'static str, stores: Stores, move_master: impl Fn(&Sentinels)) {
    let set = Sentinels::start();
    let hosts: Vec<_> = set.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis+sentinel://{}/{MASTER}", hosts.join(","));
    let mut chaos = Chaos::begin(name, &url, stores);
    let old = set.master().port();
    // What a replica has not heard of yet is lost with its master.
    chaos.redis_may_lose();
    move_master(&set);
    assert_ne!(set.successor_of(old).port(), old);
    chaos.await_recovery();
    chaos.end();
}

const BY_COMMAND: &str = "failover by command";
const BY_DEATH: &str = "failover by the death of the master";

#[test]
fn a_failover_by_command_is_followed() {
    failed_over(BY_COMMAND, Stores::Redis, Sentinels::fail_over);
}

#[test]
fn a_failover_by_command_under_a_record_loses_nothing() {
    failed_over(BY_COMMAND, Stores::RedisAndPostgres, Sentinels::fail_over);
}

#[test]
fn a_failover_by_death_is_followed() {
    failed_over(BY_DEATH, Stores::Redis, |set| set.master().kill());
}

#[test]
fn a_failover_by_death_under_a_record_loses_nothing() {
    failed_over(BY_DEATH, Stores::RedisAndPostgres, |set| set.master().kill());
}
