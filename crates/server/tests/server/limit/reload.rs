//! Rules that change while the server runs.

use super::{allowed, ask, check, json, rule, show, with};
use std::fs;
use vestibule_testkit::{
    bounds::START,
    process::{Response, Server, get, post, wait_for},
};

fn write(server: &Server, rules: &[String]) {
    fs::write(server.dir.path().join("vestibule.toml"), format!("mode = \"dev\"\n{}", rules.join(""))).expect("it is written");
}

/// What a metric without labels, or with these, says.
fn figure(server: &Server, line: &str) -> Option<f64> {
    let text = ask(server, get("/metrics")).expect(200).text();
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

fn wait_until(server: &Server, what: &str, is_so: impl Fn() -> bool) {
    assert!(wait_for(START, || is_so().then_some(())).is_some(), "{what}\n{}", server.stderr());
}

fn names(server: &Server) -> Vec<String> {
    let rules = ask(server, get("/v1/limits")).expect(200).json();
    let name = |rule: &serde_json::Value| rule["name"].as_str().expect("a name").to_owned();
    rules["rules"].as_array().expect("a list").iter().map(name).collect()
}

fn me(server: &Server) -> Response {
    get("/auth/me").send(&server.public)
}

/// A rule that stays as it is keeps its counts; one that is new holds at its paths at once, and one that is gone does not any more.
#[test]
fn rules_change_without_a_restart() {
    let kept = rule("kept", "custom", "5/1h", "");
    let server = Server::start(with(&[kept.clone(), rule("gone", "custom", "1/1h", ""), rule("other", "custom", "1/1h", "")]));
    assert_eq!(allowed(&server, "kept", "k", 3), 3);
    assert_eq!(allowed(&server, "other", "k", 2), 1);
    assert_eq!(me(&server).header("ratelimit"), None);
    let guard = rule("guard", "endpoint", "2/1h", "apply = [\"/auth/me\"]");
    write(&server, &["[limits]\nheaders = \"ietf\"\n".to_owned(), kept, rule("other", "custom", "9/1h", ""), guard]);
    wait_until(&server, "the new rules are not in effect", || names(&server).contains(&"guard".to_owned()));
    assert_eq!(show(&server, "kept", "k")["remaining"], 2, "it goes on");
    assert_eq!(allowed(&server, "other", "k", 10), 9, "another rate counts anew");
    let _ = ask(&server, get("/v1/limits/gone/k")).expect(422);
    let answers = [me(&server), me(&server), me(&server)];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [401, 401, 429]);
    assert_eq!((answers[0].header("ratelimit").is_some(), answers[0].header("x-ratelimit-limit")), (true, None));
    let log = server.stderr();
    assert!(log.contains("added=\"guard\" removed=\"gone\" changed=\"other\""), "{log}");
    assert_eq!(figure(&server, "vestibule_config_reloads_total{outcome=\"taken\"}"), Some(1.0));
}

/// O21: a file that cannot be used changes nothing, a metric tells, and `config check` says line and field.
#[test]
fn a_bad_file_leaves_what_was_in_effect() {
    const HEALTHY: &str = "vestibule_config_last_reload_successful";
    let good = rule("steady", "custom", "2/1h", "");
    let server = Server::start(with(std::slice::from_ref(&good)));
    assert_eq!(allowed(&server, "steady", "k", 3), 2);
    wait_until(&server, "it begins well", || figure(&server, HEALTHY) == Some(1.0));
    write(&server, &[rule("steady", "custom", "99/1h", ""), rule("broken", "custom", "5 per hour", "")]);
    wait_until(&server, "the fault does not show", || figure(&server, HEALTHY) == Some(0.0));
    assert_eq!(figure(&server, "vestibule_config_reloads_total{outcome=\"refused\"}"), Some(1.0));
    let wrong = "vestibule.toml:10: limits.rules[1].rate: expected a rate such as 5/15m or 100/1s";
    assert!(server.stderr().contains(wrong), "{}", server.stderr());
    assert_eq!(allowed(&server, "steady", "k", 1), 0, "the old rule holds");
    assert!(!names(&server).contains(&"broken".to_owned()));
    let checked = server.command().args(["config", "check", "--config", "vestibule.toml"]).output().expect("it runs");
    let told = [checked.stdout, checked.stderr].concat();
    assert!(!checked.status.success() && String::from_utf8_lossy(&told).contains(wrong), "{}", String::from_utf8_lossy(&told));
    write(&server, &[good]);
    wait_until(&server, "it does not recover", || figure(&server, HEALTHY) == Some(1.0));
    assert_eq!(allowed(&server, "steady", "k", 1), 0, "as if nothing had been");
}

/// SIGHUP reads the file at once, changed or not, and what cannot change while the server runs is named.
#[test]
fn a_hangup_reads_the_file_and_names_what_waits_for_a_restart() {
    let mut server = Server::start(with(&[]));
    let idle = "[sessions]\nidle_timeout = \"5m\"\n".to_owned();
    write(&server, &[idle, rule("new", "custom", "1/1h", "")]);
    wait_until(&server, "the rule is not in effect", || names(&server).contains(&"new".to_owned()));
    let taken = |server: &Server| figure(server, "vestibule_config_reloads_total{outcome=\"taken\"}").unwrap_or_default();
    let before = taken(&server);
    server.signal("HUP");
    wait_until(&server, "a file that did not change is not read again", || taken(&server) > before);
    let log = server.stderr();
    let waiting = log.lines().find(|line| line.contains("take effect with the next start")).expect("a line");
    assert!(waiting.contains("sessions.idle_timeout") && !waiting.contains("limits."), "{waiting}");
    assert_eq!(check(&server, "new", "k")["allowed"], true);
}

/// A key with numbers of its own, by the name that operators know it by, at every place where it is counted.
#[test]
fn single_keys_have_numbers_of_their_own() {
    let override_of = |rule: &str, key: &str, rate: &str| {
        format!("[[limits.overrides]]\nrule = \"{rule}\"\nkey = \"{key}\"\nrate = \"{rate}\"\n")
    };
    let rules = [
        rule("people", "user", "1/1h", ""),
        rule("address", "ip", "1/1h", ""),
        override_of("people", "ada", "3/1h"),
        override_of("address", "2001:db8::7", "2/1h"),
    ];
    let server = Server::start(with(&rules));
    assert_eq!([allowed(&server, "people", "ada", 5), allowed(&server, "people", "bob", 5)], [3, 1]);
    assert_eq!(allowed(&server, "address", "2001:db8::ffff", 5), 2, "the network of the address that was named");
    assert_eq!(show(&server, "people", "ada")["limit"], 3);
    let session = ask(&server, post("/v1/sessions").json(&json!({"user_id": "ada"}))).expect(201).json();
    let proxied = get("/forward-auth?limit=people")
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example")
        .header("X-Forwarded-Uri", "/")
        .bearer(session["token"].as_str().expect("a token"));
    let denied = proxied.send(&server.public).expect(429);
    assert!(denied.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"people\";q=3")), "{denied:?}");
    write(
        &server,
        &[rules[0].clone(), rules[1].clone(), override_of("people", "ada", "100/1h"), override_of("people", "bob", "0/1s")],
    );
    wait_until(&server, "the override is not in effect", || show(&server, "people", "ada")["limit"] == 100);
    assert_eq!([allowed(&server, "people", "ada", 5), allowed(&server, "people", "bob", 5)], [5, 0]);
    assert_eq!(show(&server, "address", "2001:db8::7")["limit"], 1);
    let listed = server.command().args(["limits", "list", "--json"]).output().expect("it runs");
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let people = listed["rules"].as_array().expect("a list").iter().find(|rule| rule["name"] == "people").expect("the rule");
    assert_eq!((&people["overrides"], &people["level"]), (&json!(2), &json!("user")));
}
