//! What is wrong with a Redis that answers, and what the operator is told of it.

use serde_json::{Value, json};
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Redis, Response, Server, ServerOptions, delete, get, post, wait_for},
};

const SECRET: &str = "a secret of servers on an ill Redis 1234567890";

fn over(redis: &Redis) -> ServerOptions {
    ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_SECRET", SECRET)
}

/// A Redis that is set up as it should be.
fn well_set_up() -> Redis {
    let redis = Redis::start();
    set(&redis, "appendonly yes");
    redis
}

fn set(redis: &Redis, setting: &str) {
    let answer = redis.command(&format!("CONFIG SET {setting}"));
    assert!(answer.contains("OK"), "{setting}: {answer}");
}

fn store(server: &Server) -> Value {
    get("/health/store").bearer(&server.key).send(&server.management).json()
}

/// Waits until health finds exactly these kinds of things.
fn finds(server: &Server, kinds: &[&str]) -> Value {
    let found = || {
        let store = store(server);
        let found = store["findings"].as_array()?.iter().map(|finding| finding["kind"].as_str()).collect::<Option<Vec<_>>>()?;
        (found == kinds).then_some(store)
    };
    wait_for(START, found).unwrap_or_else(|| panic!("{kinds:?} are not found: {}", store(server)))
}

fn create(server: &Server) -> Response {
    post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management)
}

fn scraped(server: &Server) -> String {
    get("/metrics").bearer(&server.key).send(&server.management).expect(200).text()
}

#[test]
fn settings_that_endanger_sessions_are_told_with_their_remedy() {
    // S100, O16
    let redis = Redis::start();
    set(&redis, "maxmemory-policy allkeys-lru");
    let server = Server::start(over(&redis));
    let store = finds(&server, &["eviction", "persistence"]);
    assert_eq!(store["status"], "degraded");
    let remedies = ["noeviction", "appendonly yes"];
    for (finding, remedy) in store["findings"].as_array().expect("a list").iter().zip(remedies) {
        assert!(finding["remedy"].as_str().is_some_and(|text| text.contains(remedy)), "{finding}");
    }
    assert!(store["version"].as_str().is_some_and(|version| version.starts_with("Redis ")), "{store}");
    assert_eq!(get("/health").bearer(&server.key).send(&server.management).expect(200).json()["status"], "degraded");
    let _ = get("/readyz").send(&server.public).expect(200);
    let flagged = wait_for(START, || scraped(&server).contains(r#"vestibule_store_finding{kind="eviction"} 1"#).then_some(()));
    assert!(flagged.is_some(), "{}", scraped(&server));
    assert!(server.stderr().contains("maxmemory-policy is allkeys-lru"), "{}", server.stderr());
    set(&redis, "maxmemory-policy noeviction");
    set(&redis, "appendonly yes");
    assert_eq!(finds(&server, &[])["status"], "ok");
    let cleared = wait_for(START, || scraped(&server).contains(r#"vestibule_store_finding{kind="eviction"} 0"#).then_some(()));
    assert!(cleared.is_some(), "{}", scraped(&server));
}

#[test]
fn a_strict_server_refuses_what_endangers_sessions() {
    // O16
    let redis = well_set_up();
    let _well = Server::start(over(&redis).arg("--strict"));
    for (setting, says) in [("maxmemory-policy volatile-lru", "noeviction"), ("appendonly no", "appendonly yes")] {
        set(&redis, setting);
        for strict in [over(&redis).arg("--strict"), over(&redis).env("VESTIBULE_STORE__STRICT", "true")] {
            let refused = Server::try_start(strict).expect_err("it must not start");
            assert_eq!(refused.status.code(), Some(1));
            assert!(refused.stderr.contains(says), "{}", refused.stderr);
            assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
        }
        set(&redis, "maxmemory-policy noeviction");
        set(&redis, "appendonly yes");
    }
}

#[test]
fn under_a_record_redis_needs_no_persistence_and_still_no_eviction() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let over = || over(&redis).env("DATABASE_URL", &postgres.database()).arg("--strict");
    let server = Server::start(over());
    assert_eq!(finds(&server, &[])["status"], "ok");
    set(&redis, "maxmemory-policy allkeys-lfu");
    assert_eq!(finds(&server, &["eviction"])["status"], "degraded");
    let refused = Server::try_start(over()).expect_err("it must not start");
    assert!(refused.stderr.contains("noeviction"), "{}", refused.stderr);
}

#[test]
fn a_full_redis_begins_nothing_and_ends_what_is_to_end() {
    // S100
    let redis = well_set_up();
    let server = Server::start(over(&redis));
    let session = create(&server).expect(201).json()["session"]["id"].as_str().expect("an id").to_owned();
    set(&redis, "maxmemory 1");
    let refused = create(&server).expect(503);
    assert_eq!(refused.code(), "store_unavailable");
    assert!(refused.text().contains("raise maxmemory"), "who holds a key is told the remedy: {}", refused.text());
    let memory = finds(&server, &["memory"]);
    assert!(memory["findings"][0]["remedy"].as_str().is_some_and(|text| text.contains("raise maxmemory")), "{memory}");
    let _ = delete(&format!("/v1/sessions/{session}")).bearer(&server.key).send(&server.management).expect(204);
    let _ = delete("/v1/users/ada/sessions").bearer(&server.key).send(&server.management).expect(200);
    set(&redis, "maxmemory 0");
    let _ = finds(&server, &[]);
    let _ = create(&server).expect(201);
}

#[test]
fn a_redis_that_cannot_write_to_its_disk_is_told_with_the_remedy() {
    let redis = well_set_up();
    let server = Server::start(over(&redis));
    let token = create(&server).expect(201).json()["token"].clone();
    // A snapshot is renamed to this in its last step.
    let blocked = redis.dir().join("dump.rdb");
    std::fs::create_dir(&blocked).expect("a folder in its way");
    set(&redis, "save \"3600 1\"");
    // Redis takes one snapshot at a time: that of the append-only file may still be under way.
    let asked = wait_for(START, || redis.command("BGSAVE").starts_with('+').then_some(()));
    assert!(asked.is_some(), "no snapshot was begun");
    let disk = finds(&server, &["disk"]);
    let _ = get("/readyz").send(&server.public).expect(200);
    let valid = post("/v1/sessions/validate").bearer(&server.key).json(&json!({"token": token})).send(&server.management);
    assert_eq!(valid.status, 200, "{valid:?}");
    assert!(disk["findings"][0]["remedy"].as_str().is_some_and(|text| text.contains("free space")), "{disk}");
    assert_eq!(create(&server).expect(503).code(), "store_unavailable");
    std::fs::remove_dir(&blocked).expect("out of its way");
    assert!(redis.command("BGSAVE").starts_with('+'));
    let _ = finds(&server, &[]);
    let _ = create(&server).expect(201);
}

#[test]
fn thousands_of_probes_cost_redis_one_question_a_second() {
    // O9
    let redis = well_set_up();
    let server = Server::start(over(&redis));
    let asked = || -> u64 {
        let stats = redis.command("INFO commandstats");
        let counts = ["info", "ping", "exists", "role", "time"].map(|name| {
            let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")))?;
            line.split(',').next()?.parse::<u64>().ok()
        });
        counts.into_iter().flatten().sum()
    };
    let begun = std::time::Instant::now();
    let before = asked();
    for _ in 0..1_000 {
        let _ = get("/readyz").send(&server.public).expect(200);
        let _ = get("/health").bearer(&server.key).send(&server.management).expect(200);
    }
    let (after, seconds) = (asked(), begun.elapsed().as_secs());
    // Our own question, and those at both ends.
    assert!(after - before <= seconds + 3, "{} questions in {seconds} s", after - before);
}
