//! Probes and health.

use serde_json::Value;
use std::time::{Duration, Instant};
use vestibule_testkit::process::{Postgres, Redis, Server, ServerOptions, get, wait_for};

#[test]
fn probes_need_no_key_and_tell_no_detail() {
    let server = Server::start(ServerOptions::default());
    for address in [&server.public, &server.management] {
        for path in ["/livez", "/readyz", "/startupz"] {
            let answer = get(path).send(address).expect(200);
            assert_eq!(answer.text(), "ok\n");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
    }
}

#[test]
fn health_names_every_component() {
    let server = Server::start(ServerOptions::default());
    let health = get("/health").bearer(&server.key).send(&server.management).expect(200).json();
    assert_eq!(health["status"], "ok");
    for component in ["store", "record", "sessions", "system"] {
        assert_eq!(health["components"][component]["status"], "ok", "{health}");
        let one = get(&format!("/health/{component}")).bearer(&server.key).send(&server.management).expect(200).json();
        assert_eq!(one["status"], "ok");
    }
    assert_eq!(health["components"]["record"]["kind"], "sqlite");
    let _ = get("/health/nothing").bearer(&server.key).send(&server.management).expect(404);
}

#[test]
fn health_and_metrics_are_for_holders_of_a_key_and_not_for_browsers() {
    // O24
    let server = Server::start(ServerOptions::default());
    for path in ["/health", "/health/store", "/metrics"] {
        assert_eq!(get(path).send(&server.management).expect(401).code(), "key_invalid");
        let _ = get(path).bearer("vk_wrong").send(&server.management).expect(401);
        let _ = get(path).bearer(&server.key).send(&server.public).expect(404);
        let _ = get(path).bearer(&server.key).send(&server.management).expect(200);
    }
}

#[test]
fn a_server_without_record_is_well() {
    let server = Server::start(ServerOptions::default().arg("--ephemeral"));
    let health = get("/health").bearer(&server.key).send(&server.management).expect(200).json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["components"]["record"]["kind"], "none");
}

#[test]
fn a_record_that_is_away_is_named_and_stops_neither_life_nor_readiness() {
    // O7, with the record for the store: validations are served without it, so the whole is degraded
    let postgres = Postgres::start();
    let server = Server::start(ServerOptions::default().env("DATABASE_URL", &postgres.database()));
    let health = |path: &str| get(path).bearer(&server.key).send(&server.management);
    assert_eq!(health("/health/record").expect(200).json()["kind"], "postgres");
    postgres.kill();
    let named = wait_for(Duration::from_secs(5), || (health("/health/record").status == 503).then(|| health("/health").json()));
    let named: Value = named.expect("the record is told to be away");
    assert_eq!((&named["status"], &named["components"]["record"]["status"]), (&"degraded".into(), &"unavailable".into()));
    for path in ["/livez", "/readyz"] {
        let _ = get(path).send(&server.public).expect(200);
    }
    let scraped = health("/metrics").expect(200).text();
    assert!(scraped.contains("vestibule_up 0"), "{scraped}");
    postgres.restart();
    let back = wait_for(vestibule_testkit::bounds::ANSWER, || (health("/health/record").status == 200).then_some(()));
    assert!(back.is_some(), "{}", health("/health").text());
}

#[test]
fn a_redis_that_is_away_is_named_in_time_and_stops_no_life_and_no_scrape() {
    // O7, O18
    let redis = Redis::start();
    let server = Server::start(ServerOptions::default().env("REDIS_URL", &redis.url()));
    let health = |path: &str| get(path).bearer(&server.key).send(&server.management);
    redis.kill();
    let began = Instant::now();
    let named = wait_for(Duration::from_secs(3), || (health("/health").status == 503).then(|| health("/health").json()));
    let named = named.unwrap_or_else(|| panic!("after {:?}: {}", began.elapsed(), health("/health").text()));
    assert_eq!((&named["status"], &named["components"]["store"]["status"]), (&"unavailable".into(), &"unavailable".into()));
    assert_eq!(named["components"]["store"]["fault"], "unavailable", "{named}");
    let _ = get("/livez").send(&server.public).expect(200);
    let _ = get("/readyz").send(&server.public).expect(503);
    // The fastest of some: the machine may be busy with something else.
    let scrape = || {
        let began = Instant::now();
        let scraped = health("/metrics").expect(200).text();
        assert!(scraped.contains(r#"vestibule_component_up{component="store"} 0"#), "{scraped}");
        began.elapsed()
    };
    let fastest = (0..5).map(|_| scrape()).min().expect("some");
    assert!(fastest < Duration::from_millis(100), "{fastest:?}");
    redis.restart();
    let back = wait_for(vestibule_testkit::bounds::ANSWER, || (health("/health/store").status == 200).then_some(()));
    assert!(back.is_some(), "{}", health("/health").text());
}
