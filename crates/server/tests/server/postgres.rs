//! The server with its record in Postgres.

use serde_json::json;
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Response, Server, ServerOptions, post, wait_for},
};

fn over(url: &str) -> ServerOptions {
    ServerOptions::default().env("DATABASE_URL", url)
}

fn create(server: &Server) -> Response {
    post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management)
}

fn validate(server: &Server, token: &str) -> Response {
    post("/v1/sessions/validate").bearer(&server.key).json(&json!({"token": token})).send(&server.management)
}

fn token(created: &Response) -> String {
    assert_eq!(created.status, 201, "{created:?}");
    created.json()["token"].as_str().expect("a token").to_owned()
}

#[test]
fn sessions_outlive_the_server() {
    let postgres = Postgres::shared();
    let mut server = Server::start(over(&postgres.database()));
    let token = token(&create(&server));
    server.kill();
    server.restart();
    assert_eq!(validate(&server, &token).status, 200);
}

#[test]
fn one_process_has_the_database_for_itself() {
    let postgres = Postgres::shared();
    let url = postgres.database();
    let _first = Server::start(over(&url));
    let refused = Server::try_start(over(&url)).expect_err("the second must not start");
    assert!(refused.stderr.contains("another process uses this database"), "{}", refused.stderr);
    assert!(!refused.stderr.contains(&url), "an address may hold a password: {}", refused.stderr);
}

/// S94: while the database is away sessions are served from memory, changes are refused in time, and afterwards all goes on.
#[test]
fn a_dead_database_refuses_changes_and_nothing_else() {
    let postgres = Postgres::start();
    let server = Server::start(over(&postgres.database()));
    let token = token(&create(&server));
    postgres.kill();
    assert_eq!(validate(&server, &token).status, 200);
    let refused = create(&server);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.code(), "store_unavailable");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    postgres.restart();
    let again = wait_for(START, || Some(create(&server)).filter(|answer| answer.status == 201));
    assert!(again.is_some(), "the server does not find back to its database\n{}", server.stderr());
    assert_eq!(validate(&server, &token).status, 200);
}
