//! A Redis that is slow, not dead, under checks of limits: what callers wait once it is left alone.

use super::{TURN, seconds};
use serde_json::{Value, json};
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};
use vestibule_testkit::{
    bounds::START,
    process::{FaultProxy, Redis, Relay, Server, ServerOptions, get, post, wait_for},
};

/// Of each reply.
const SLOW: Duration = Duration::from_secs(2);
/// What the local rule allows.
const LOCAL: u64 = 50;

const RULES: &str = r#"
mode = "dev"
[[limits.rules]]
name = "reads"
level = "custom"
rate = "1000000/1h"
on_store_failure = "open"
[[limits.rules]]
name = "login"
level = "custom"
rate = "1000000/1h"
on_store_failure = "closed"
[[limits.rules]]
name = "alone"
level = "custom"
rate = "50/1h"
on_store_failure = "local"
"#;

fn check(server: &Server, rule: &str) -> (Value, Duration) {
    let asked = Instant::now();
    let body = json!({ "checks": [{ "rule": rule, "key": "k" }] });
    let answer = post("/v1/limits/check").bearer(&server.key).json(&body).send(&server.management).expect(200);
    (answer.json(), asked.elapsed())
}

fn figure(server: &Server, name: &str) -> f64 {
    let metrics = get("/metrics").bearer(&server.key).send(&server.management).expect(200).text();
    let line = metrics.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

/// Asks one after the other for some time: the 99th percentile of the time to answer, of so many.
fn p99(server: &Server, time: Duration, judge: impl Fn(&str, &Value)) -> (Duration, usize) {
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < time {
        for rule in ["reads", "login", "alone"] {
            let (answer, took) = check(server, rule);
            judge(rule, &answer);
            times.push(took);
        }
    }
    times.sort_unstable();
    (times[times.len() * 99 / 100], times.len())
}

/// L10, L11
#[test]
fn a_slow_redis_is_left_alone() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let server =
        Server::start(ServerOptions::default().config(RULES).env("REDIS_URL", &url).env("VESTIBULE_STORE__TIMEOUT", "250ms"));
    let (well, _) = p99(&server, seconds(), |_, _| {});
    proxy.set(Relay::Delay(SLOW));
    let left_alone = || {
        let (answer, took) = check(&server, "login");
        (answer["outcome"] == "store_unavailable" && took < Duration::from_millis(100)).then_some(())
    };
    assert!(wait_for(START, left_alone).is_some(), "a slow Redis is asked for ever");
    let (slow, count) = p99(&server, 3 * seconds(), |rule, answer| match rule {
        "reads" => assert_eq!((&answer["allowed"], &answer["limits"][0]["policy"]), (&json!(true), &json!("open"))),
        "login" => assert_eq!((&answer["allowed"], &answer["outcome"]), (&json!(false), &json!("store_unavailable"))),
        _ => assert!(answer["limits"][0]["remaining"].as_u64().is_some_and(|left| left < LOCAL), "{answer}"),
    });
    let asked = proxy.traffic().command("EVALSHA");
    proxy.set(Relay::Pass);
    let well_again = Instant::now();
    let back = || (check(&server, "login").0["outcome"] == "allowed").then_some(());
    assert!(wait_for(START, back).is_some(), "limits do not come back");
    let recovered = well_again.elapsed();
    println!(
        "Redis takes {SLOW:?} to reply: p99 of a check {slow:?} in {count}, {well:?} when well; {asked} checks reached Redis in all; \
         recovery {recovered:?}"
    );
    assert!(figure(&server, "vestibule_limit_store_faults_total") > 0.0);
    assert!(figure(&server, "vestibule_limit_store_recoveries_total") >= 1.0);
}
