//! Servers that share their sessions on Redis.

use serde_json::json;
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Redis, Response, Server, ServerOptions, delete, get, post, wait_for},
};

const SECRET: &str = "a secret that both servers have in common 1234567890";

fn over(redis: &Redis) -> ServerOptions {
    ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_SECRET", SECRET)
}

fn create(server: &Server) -> Response {
    post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management)
}

fn validate(server: &Server, token: &str) -> Response {
    post("/v1/sessions/validate").bearer(&server.key).json(&json!({"token": token})).send(&server.management)
}

fn text(created: &Response, field: &str) -> String {
    assert_eq!(created.status, 201, "{created:?}");
    created.json()[field].as_str().unwrap_or_else(|| panic!("{field} in {created:?}")).to_owned()
}

#[test]
fn two_servers_are_one_and_outlive_each_other() {
    let redis = Redis::start();
    let mut one = Server::start(over(&redis));
    let two = Server::start(over(&redis));
    let token = text(&create(&one), "token");
    assert_eq!(validate(&two, &token).status, 200);
    one.kill();
    one.restart();
    assert_eq!(validate(&one, &token).status, 200);
    let ended = delete("/v1/users/ada/sessions").bearer(&two.key).send(&two.management);
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(validate(&one, &token).status, 401);
    let health = get("/health").bearer(&one.key).send(&one.management).expect(200);
    assert!(health.text().contains(r#""kind":"redis""#), "{health:?}");
}

#[test]
fn a_server_of_another_secret_is_refused() {
    let redis = Redis::start();
    let _one = Server::start(over(&redis));
    let other = over(&redis).env("VESTIBULE_SECRET", "another secret of the same length as the first 12345");
    let refused = Server::try_start(other).expect_err("it must not start");
    assert!(refused.stderr.contains("made with another secret"), "{}", refused.stderr);
}

/// While Redis is away nothing is guessed: 503 in time, and afterwards all goes on.
#[test]
fn a_dead_redis_is_a_fault_and_no_denial() {
    let redis = Redis::start();
    let server = Server::start(over(&redis));
    let token = text(&create(&server), "token");
    redis.kill();
    for refused in [validate(&server, &token), create(&server)] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    redis.restart();
    let again = wait_for(START, || Some(create(&server)).filter(|answer| answer.status == 201));
    assert!(again.is_some(), "the server does not find back to Redis\n{}", server.stderr());
}

#[test]
fn what_comes_later_is_named_at_the_start() {
    for (url, says) in [("redis+cluster://h1,h2", "Cluster"), ("rediss://h1", "TLS")] {
        let refused = Server::try_start(ServerOptions::default().env("REDIS_URL", url)).expect_err("it must not start");
        assert!(refused.stderr.contains(says), "{}", refused.stderr);
    }
}

/// With a record nothing is lost with Redis: neither a session nor its end.
#[test]
fn a_record_outlives_redis() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let url = postgres.database();
    let one = Server::start(over(&redis).env("DATABASE_URL", &url));
    let two = Server::start(over(&redis).env("DATABASE_URL", &url));
    let token = text(&create(&one), "token");
    assert_eq!(validate(&two, &token).status, 200);
    redis.kill();
    assert_eq!(validate(&two, &token).status, 200, "the record answers");
    let flagged = || get("/health/store").bearer(&two.key).send(&two.management).text().contains("degraded").then_some(());
    assert!(wait_for(START, flagged).is_some(), "health does not say so");
    let ended = delete("/v1/users/ada/sessions").bearer(&two.key).send(&two.management);
    assert_eq!(ended.status, 200, "{ended:?}");
    let refused = wait_for(START, || Some(validate(&one, &token)).filter(|answer| answer.status == 401));
    assert!(refused.is_some(), "an end was not heard of");
    redis.restart();
    assert_eq!(validate(&one, &token).status, 401);
    assert_eq!(validate(&two, &text(&create(&one), "token")).status, 200);
}
