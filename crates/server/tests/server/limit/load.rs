//! Which rules are leased, and what is counted of a Redis that goes away.

use super::{Server, allowed, ask, check, json, rule, with};
use std::process::Command;
use vestibule_testkit::{
    bounds::START,
    process::{Redis, get, wait_for},
};

/// L23
#[test]
fn a_rule_tells_whether_it_is_leased() {
    let rules = [
        rule("all", "global", "1000/1s", ""),
        rule("exact", "global", "1000/1s", "lease = false"),
        rule("few", "global", "100/1s", ""),
        rule("hot", "custom", "1000/1s", "lease = true"),
        rule("cold", "custom", "1000/1s", ""),
        rule("days", "global", "1000/1d", "algorithm = \"fixed\""),
    ];
    let server = Server::start(with(&rules));
    let told = ask(&server, get("/v1/limits")).expect(200).json();
    let leased = |name: &str| {
        let rules = told["rules"].as_array().expect("a list");
        rules.iter().find(|rule| rule["name"] == name).map(|rule| rule["leased"].clone())
    };
    for (name, expected) in [("all", true), ("exact", false), ("few", false), ("hot", true), ("cold", false), ("days", false)] {
        assert_eq!(leased(name), Some(json!(expected)), "{name}");
    }
    assert_eq!(allowed(&server, "all", "all", 3), 3);
}

#[test]
fn a_lease_of_what_cannot_be_leased_is_refused_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("vestibule.toml");
    for more in ["algorithm = \"sliding\"", "count = \"failure\"", "penalty = { base = \"1m\" }"] {
        let text = rule("odd", "global", "1000/1m", &format!("lease = true\n{more}"));
        std::fs::write(&file, format!("mode = \"dev\"\n{text}")).expect("it is written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        let output = command.args(["config", "check", "--config"]).arg(&file).output().expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{more}");
        assert!(told.contains("limits.rules") && told.contains("can be leased"), "{more}: {told}");
    }
}

/// L9: both turns are counted, once for each.
#[test]
fn a_redis_that_goes_and_comes_is_counted() {
    let redis = Redis::start();
    let server = Server::start(with(&[rule("reads", "custom", "3/1h", "")]).env("REDIS_URL", &redis.url()));
    let figure = |start: &str| {
        let metrics = ask(&server, get("/metrics")).expect(200).text();
        let lines = metrics.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    assert_eq!(allowed(&server, "reads", "k", 1), 1);
    redis.kill();
    assert_eq!(allowed(&server, "reads", "k", 3), 3);
    assert!(figure("vestibule_limit_store_faults_total{") >= 3);
    assert_eq!(figure("vestibule_limit_checks_total{rule=\"reads\",outcome=\"store_unavailable\"}"), 3);
    redis.restart();
    let back = || (check(&server, "reads", "k")["limits"][0]["remaining"] != json!(null)).then_some(());
    assert!(wait_for(START, back).is_some(), "limits do not come back");
    assert_eq!(figure("vestibule_limit_store_recoveries_total"), 1);
}
