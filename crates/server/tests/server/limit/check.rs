//! What backends ask.

use super::{Value, allowed, ask, check, check_all, json, rule, show, with};
use std::time::Instant;
use vestibule_testkit::{
    bounds::START,
    process::{Server, delete, get, post, wait_for},
};

/// L3, L8
#[test]
fn a_check_takes_from_all_rules_or_from_none() {
    let rules = [
        rule("per-ip", "ip", "10/1h", ""),
        rule("per-user", "user", "10/1h", "algorithm = \"sliding\""),
        rule("endpoint", "endpoint", "2/1h", ""),
        rule("all-of-it", "global", "10/1d", "algorithm = \"fixed\""),
        rule("closed", "custom", "0/1s", ""),
        rule("shut", "custom", "5/1s", "burst = 0"),
    ];
    let server = Server::start(with(&rules));
    let four = json!([
        {"rule": "per-ip", "key": "192.0.2.1"}, {"rule": "per-user", "key": "ada"},
        {"rule": "endpoint", "key": "/search"}, {"rule": "all-of-it", "key": "all"},
    ]);
    for left in [1, 0] {
        let answer = check_all(&server, &four).expect(200).json();
        assert_eq!((&answer["outcome"], &answer["allowed"]), (&json!("allowed"), &json!(true)));
        assert_eq!(answer["limits"][2]["remaining"], left);
    }
    let denied = check_all(&server, &four).expect(200);
    let answer = denied.json();
    assert_eq!((&answer["outcome"], &answer["allowed"]), (&json!("denied"), &json!(false)));
    assert!(denied.header("retry-after").is_some(), "{denied:?}");
    let remaining: Vec<_> = answer["limits"].as_array().expect("a list").iter().map(|item| &item["remaining"]).collect();
    assert_eq!(remaining, [8, 8, 0, 8]);
    let remembered = check_all(&server, &four).expect(200);
    let again = remembered.json();
    assert_eq!((&again["outcome"], &again["limits"][0]["remaining"]), (&json!("denied"), &json!(8)), "{again}");
    let told = remembered.header("ratelimit").expect("a field");
    assert!(["per-ip", "per-user", "endpoint", "all-of-it"].iter().all(|rule| told.contains(rule)), "{told}");
    for (rule, key) in [("per-ip", "192.0.2.1"), ("per-user", "ada"), ("all-of-it", "all")] {
        assert_eq!(show(&server, rule, key)["remaining"], 8, "{rule}");
    }
    for nothing in ["closed", "shut"] {
        let answer = check(&server, nothing, "k");
        assert_eq!((&answer["outcome"], &answer["limits"][0]["limit"]), (&json!("denied"), &json!(0)), "{nothing}");
    }
    let never = check_all(&server, &json!([{"rule": "endpoint", "key": "other", "cost": 3}])).expect(200);
    assert_eq!(never.json()["outcome"], "unsatisfiable");
    assert_eq!(never.header("retry-after"), None);
    let peek = json!({"checks": [{"rule": "endpoint", "key": "peeked"}], "peek": true});
    for _ in 0..3 {
        assert_eq!(ask(&server, post("/v1/limits/check").json(&peek)).expect(200).json()["limits"][0]["remaining"], 2);
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_place() {
    let server = Server::start(with(&[rule("custom", "custom", "5/1m", ""), rule("address", "ip", "5/1m", "")]));
    let refused = |checks, status, code: &str, field: &str| {
        let answer = check_all(&server, &checks).expect(status);
        assert_eq!((answer.code().as_str(), answer.json()["field"].as_str()), (code, Some(field)), "{checks}");
    };
    refused(json!([{"rule": "none", "key": "k"}]), 422, "rule_unknown", "checks[0].rule");
    refused(json!([{"rule": "custom", "key": "k", "cost": 0}]), 422, "invalid_field", "checks[0].cost");
    refused(json!([{"rule": "custom", "key": "k"}, {"rule": "address", "key": "x"}]), 422, "invalid_field", "checks[1].key");
    refused(json!([{"rule": "custom", "key": ""}]), 422, "invalid_field", "checks[0].key");
    refused(json!([]), 422, "invalid_field", "checks");
    refused(json!(vec![json!({"rule": "custom", "key": "k"}); 65]), 422, "invalid_field", "checks");
    for cost in [json!(1.5), json!(-1), json!("2")] {
        let answer = check_all(&server, &json!([{"rule": "custom", "key": "k", "cost": cost}]));
        assert_eq!(answer.status, 422, "{cost}");
    }
}

/// L16: IPv6 by its /64, and addresses that are the same however they are written.
#[test]
fn addresses_of_one_network_share_a_count() {
    let server = Server::start(with(&[rule("address", "ip", "3/1h", "")]));
    for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:DB8:1:2:0:0:0:77"] {
        assert_eq!(check(&server, "address", address)["allowed"], true);
    }
    assert_eq!(check(&server, "address", "2001:db8:1:2::4")["allowed"], false);
    assert_eq!(check(&server, "address", "2001:db8:1:3::4")["allowed"], true);
    assert_eq!(check(&server, "address", "192.0.2.1")["limits"][0]["remaining"], 2);
    assert_eq!(check(&server, "address", "::ffff:192.0.2.1")["limits"][0]["remaining"], 1);
}

/// L18, L19, L20, L25
#[test]
fn penalties_shadows_and_figures() {
    let penalty = "penalty = { base = \"10m\", factor = 4, cap = \"1d\" }";
    let server =
        Server::start(with(&[rule("strict", "custom", "1/1s", penalty), rule("shadow", "custom", "1/1h", "shadow = true")]));
    assert_eq!(allowed(&server, "strict", "k", 2), 1);
    let blocked = check(&server, "strict", "k");
    assert!(blocked["limits"][0]["retry_after_ms"].as_u64().expect("a number") > 590_000, "{blocked}");
    assert_eq!(show(&server, "strict", "k")["strikes"], 1);
    for number in 0..20 {
        assert_eq!(allowed(&server, "shadow", &format!("key-{number}"), 2), 2);
    }
    let metrics = ask(&server, get("/metrics")).expect(200).text();
    let line =
        |start: &str| metrics.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}\n{metrics}"));
    assert!(line("vestibule_limit_would_deny_total{rule=\"shadow\"}").ends_with(" 20"));
    assert!(line("vestibule_limit_checks_total{rule=\"strict\",outcome=\"denied\"}").ends_with(" 1"));
    assert!(!metrics.contains("key-7"), "keys are no labels");
}

/// L22, O19
#[test]
fn keys_are_reset_over_http_and_on_the_command_line() {
    let server = Server::start(with(&[rule("reset", "custom", "1/1h", ""), rule("people", "user", "1/1h", "")]));
    let run = |arguments: &[&str]| {
        let output = server.command().args(arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    for key in ["a1", "a2", "b1"] {
        assert_eq!(allowed(&server, "reset", key, 2), 1);
    }
    assert_eq!(allowed(&server, "people", "42", 2), 1);
    let _ = ask(&server, delete("/v1/limits/reset/a1")).expect(204);
    let _ = ask(&server, delete("/v1/limits/reset/a1")).expect(204);
    assert_eq!(allowed(&server, "reset", "a1", 1), 1);
    run(&["limits", "reset", "people", "42"]);
    assert_eq!(allowed(&server, "people", "42", 1), 1);
    assert_eq!(run(&["limits", "reset", "--pattern", "reset:a*", "--dry-run"]).trim(), "would reset 2 keys of reset");
    assert_eq!(allowed(&server, "reset", "a2", 1), 0);
    let misplaced = server.command().args(["limits", "reset", "--dry-run", "reset", "a2"]).output().expect("the binary runs");
    assert!(!misplaced.status.success(), "one key is not counted but reset: {misplaced:?}");
    assert_eq!(allowed(&server, "reset", "a2", 1), 0);
    assert_eq!(run(&["limits", "reset", "--pattern", "reset:a*"]).trim(), "reset 2 keys of reset");
    assert_eq!(allowed(&server, "reset", "a2", 1), 1);
    assert_eq!(allowed(&server, "reset", "b1", 1), 0);
    assert!(run(&["limits", "top"]).contains("b1"));
    assert!(run(&["limits", "list"]).contains("register"));
    assert!(run(&["limits", "show", "reset", "b1", "--json"]).contains("\"remaining\": 0"));
    let noted = || {
        let events = ask(&server, get("/v1/events?type=admin.limits_reset")).expect(200).json();
        let event = |event: &Value| (event["reason"].as_str().unwrap_or_default().to_owned(), event["count"].as_u64());
        Some(events["events"].as_array()?.iter().map(event).collect::<Vec<_>>()).filter(|events| events.len() >= 4)
    };
    let mut noted = wait_for(START, noted).expect("each reset is an event");
    noted.sort();
    let of = |reason: &str, count| (reason.to_owned(), Some(count));
    assert_eq!(noted, [of("people:42", 1), of("reset:a*", 2), of("reset:a1", 0), of("reset:a1", 1)], "a dry run is none");
    let _ = ask(&server, delete("/v1/limits/none/x")).expect(422);
    let people = json!({"rule": "people", "pattern": "4*"});
    assert_eq!(ask(&server, post("/v1/limits/reset").json(&people)).expect(422).json()["field"], "pattern");
}

/// Whoever would rather wait than be denied says for how long.
#[test]
fn a_check_may_wait() {
    let server = Server::start(with(&[rule("soon", "custom", "1/500ms", ""), rule("late", "custom", "1/1h", "")]));
    let waiting = |rule: &str, more: Value| {
        let mut body = json!({"checks": [{"rule": rule, "key": "k"}]});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        ask(&server, post("/v1/limits/check").json(&body))
    };
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(waiting("soon", json!({"wait": "10s"})).expect(200).json()["outcome"], "allowed");
    }
    assert!(started.elapsed().as_millis() >= 950, "two of them had to wait: {:?}", started.elapsed());
    assert_eq!(waiting("late", json!({"wait": "10s"})).expect(200).json()["allowed"], true);
    let started = Instant::now();
    assert_eq!(waiting("late", json!({"wait": "10s"})).expect(200).json()["allowed"], false);
    assert!(started.elapsed().as_secs() < 5, "nobody waits in vain");
    for wrong in [json!({"wait": "11s"}), json!({"wait": "0s"}), json!({"wait": "soon"}), json!({"wait": "1s", "peek": true})] {
        assert_eq!(waiting("soon", wrong.clone()).expect(422).json()["field"], "wait", "{wrong}");
    }
    let output = server.command().args(["limits", "check", "soon", "other", "--wait", "5s"]).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
}
