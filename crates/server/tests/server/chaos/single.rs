//! One Redis.

use super::{Chaos, Stores, seconds};
use vestibule_testkit::process::{FaultProxy, Redis, Relay, ServerOptions};

/// Redis that keeps every acknowledged change, so that a kill loses nothing.
fn durable_redis() -> Redis {
    Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
}

fn killed(redis: &Redis, stores: Stores) {
    let mut chaos = Chaos::begin("kill -9 and restart", &redis.url(), stores);
    redis.kill();
    chaos.work();
    redis.restart();
    chaos.await_recovery();
    let figures = chaos.end();
    assert!(stores == Stores::RedisAndPostgres || figures.unavailable > 0, "a Redis that is gone is noticed");
}

#[test]
fn a_killed_redis_that_keeps_everything_loses_nothing() {
    killed(&durable_redis(), Stores::Redis);
}

#[test]
fn a_killed_redis_under_a_record_may_lose_everything() {
    killed(&Redis::start(), Stores::RedisAndPostgres);
}

/// O12
fn scripts_flushed(stores: Stores) {
    let redis = Redis::start();
    // No call fails, so none may run into its deadline because the machine is busy.
    let options = ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_STORE__TIMEOUT", "10s");
    let chaos = Chaos::begin_with("SCRIPT FLUSH", stores, options);
    for _ in 0..5 {
        assert!(redis.command("SCRIPT FLUSH").contains("OK"));
        chaos.load.work(seconds() / 5);
    }
    assert_eq!(chaos.end().unavailable, 0);
}

#[test]
fn scripts_may_be_flushed() {
    scripts_flushed(Stores::Redis);
}

#[test]
fn scripts_may_be_flushed_under_a_record() {
    scripts_flushed(Stores::RedisAndPostgres);
}

fn emptied(stores: Stores) {
    let redis = Redis::start();
    let mut chaos = Chaos::begin("FLUSHALL", &redis.url(), stores);
    chaos.redis_may_lose();
    assert!(redis.command("FLUSHALL").contains("OK"));
    chaos.work();
    chaos.await_recovery();
    let figures = chaos.end();
    assert_eq!(figures.lost > 0, stores == Stores::Redis, "{figures}");
}

#[test]
fn an_emptied_redis_ends_sessions_and_nothing_else() {
    emptied(Stores::Redis);
}

#[test]
fn an_emptied_redis_under_a_record_loses_nothing() {
    emptied(Stores::RedisAndPostgres);
}

/// O13
fn half_open(stores: Stores) {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let mut chaos = Chaos::begin("half-open link", &format!("redis://127.0.0.1:{}", proxy.port()), stores);
    proxy.set(Relay::HalfOpen);
    chaos.work();
    proxy.set(Relay::Pass);
    chaos.await_recovery();
    chaos.end();
}

#[test]
fn a_half_open_link_is_survived() {
    half_open(Stores::Redis);
}

#[test]
fn a_half_open_link_is_survived_under_a_record() {
    half_open(Stores::RedisAndPostgres);
}
