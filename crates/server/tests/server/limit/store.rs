//! Limits on Redis: several servers, a server that is away, and what a flood costs.

use super::{allowed, ask, check, check_all, json, rule, show, with};
use std::time::{Duration, Instant};
use vestibule_testkit::{
    bounds::{START, UNSEEN},
    process::{Redis, Server, ServerOptions, delete, get, post, wait_for},
};

fn over(redis: &Redis, rules: &[String]) -> ServerOptions {
    with(rules).env("REDIS_URL", &redis.url())
}

/// L6, L22: a denied key costs no command, and a reset is heard by every node.
#[test]
fn a_denied_key_costs_nothing_until_it_is_reset() {
    let redis = Redis::start();
    let rules = [rule("flood", "custom", "5/1h", "")];
    let (one, two) = (Server::start(over(&redis, &rules)), Server::start(over(&redis, &rules)));
    assert_eq!(allowed(&one, "flood", "k", 3) + allowed(&two, "flood", "k", 4), 5, "they share the count");
    assert_eq!(check(&one, "flood", "k")["allowed"], false);
    let calls = || {
        let info = redis.command("INFO commandstats");
        let line = info.lines().find(|line| line.starts_with("cmdstat_mget:")).expect("limits were counted").to_owned();
        line.split(['=', ',']).nth(1).and_then(|calls| calls.parse::<u64>().ok()).expect("a number")
    };
    let before = calls();
    for _ in 0..100 {
        let many = json!(vec![json!({"rule": "flood", "key": "k"}); 64]);
        assert_eq!(check_all(&one, &many).expect(200).json()["outcome"], "denied");
    }
    let made = calls() - before;
    assert!(made < 20, "a doubt of the bus may cost one: {made}");
    let _ = delete("/v1/limits/flood/k").bearer(&two.key).send(&two.management).expect(204);
    let heard = wait_for(UNSEEN, || (check(&one, "flood", "k")["allowed"] == true).then_some(()));
    assert!(heard.is_some(), "the reset is not heard");
}

/// L9, L11: each rule by its policy, never 429 for a store that is away; afterwards nobody stays blocked.
#[test]
fn a_dead_redis_is_answered_by_policy() {
    let redis = Redis::start();
    let policy = |name: &str| format!("on_store_failure = \"{name}\"");
    let rules = [
        rule("login", "ip", "3/1h", &format!("{}\napply = [\"/auth/login\"]", policy("closed"))),
        rule("reads", "custom", "3/1h", &policy("open")),
        rule("alone", "custom", "3/1h", &policy("local")),
    ];
    let server = Server::start(over(&redis, &rules).env("VESTIBULE_STORE__TIMEOUT", "250ms"));
    assert_eq!(allowed(&server, "reads", "k", 1), 1);
    redis.kill();
    let closed = post("/auth/login").json(&json!({"email": "a@example.com", "password": "x"})).send(&server.public).expect(503);
    assert_eq!(closed.code(), "temporary_reduced_capacity");
    assert!(closed.json()["type"].as_str().is_some_and(|text| text.ends_with("#temporary-reduced-capacity")));
    assert!(closed.header("retry-after").is_some());
    let asked = check(&server, "login", "192.0.2.1");
    assert_eq!((&asked["outcome"], &asked["allowed"]), (&json!("store_unavailable"), &json!(false)));
    assert_eq!(allowed(&server, "reads", "k", 9), 9);
    assert_eq!(check(&server, "reads", "k")["limits"][0]["policy"], "open");
    assert_eq!(allowed(&server, "alone", "k", 9), 3);
    redis.restart();
    let back =
        wait_for(START, || Some(check(&server, "reads", "fresh")).filter(|answer| answer["limits"][0]["remaining"] == 2));
    assert!(back.is_some(), "limits do not come back");
    assert_eq!(check(&server, "login", "192.0.2.1")["allowed"], true);
}

/// L9: in time, also where Redis says nothing at all.
#[test]
fn a_silent_redis_delays_nobody_for_long() {
    let redis = Redis::start();
    let server = Server::start(over(&redis, &[rule("reads", "custom", "3/1h", "")]).env("VESTIBULE_STORE__TIMEOUT", "250ms"));
    assert_eq!(show(&server, "reads", "k")["remaining"], 3);
    // Its own answer may be held back as well.
    let _ = redis.try_command("CLIENT PAUSE 5000 ALL");
    let started = Instant::now();
    let answers = (0..20).map(|_| check(&server, "reads", "k")).filter(|answer| answer["allowed"] == true).count();
    assert_eq!(answers, 20);
    // Five deadlines until the breaker opens, one probe a second, and a busy machine.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

/// L12: the nodes together allow about what the rule does.
#[test]
fn nodes_that_are_alone_divide_the_limit() {
    let redis = Redis::start();
    let rules = [rule("alone", "custom", "100/1h", "algorithm = \"sliding\"\non_store_failure = \"local\"")];
    let servers: Vec<Server> = (0..4).map(|_| Server::start(over(&redis, &rules))).collect();
    for server in &servers {
        let hears_all = || (ask(server, get("/health/bus")).expect(200).json()["nodes"] == servers.len()).then_some(());
        assert!(wait_for(START, hears_all).is_some(), "the nodes do not hear each other");
    }
    redis.kill();
    let granted: usize = servers.iter().map(|server| allowed(server, "alone", "k", 40)).sum();
    assert!((90..=110).contains(&granted), "{granted}");
}
