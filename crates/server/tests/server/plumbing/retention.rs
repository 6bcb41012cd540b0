//! What is past its retention is forgotten, and nothing else.

use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use vestibule_testkit::{
    bounds::ANSWER,
    process::{Server, ServerOptions, delete, post, wait_for},
};

/// Ended sessions, live sessions, events.
fn rows(server: &Server) -> (i64, i64, i64) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(server.data().join("vestibule.db"), flags).expect("the record");
    let count = |sql: &str| database.query_row(sql, [], |row| row.get(0)).expect("a count");
    (
        count("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL"),
        count("SELECT count(*) FROM sessions WHERE ended_at IS NULL"),
        count("SELECT count(*) FROM events"),
    )
}

fn live_and_end(server: &Server) {
    let create =
        || post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management).expect(201);
    let _stays = create();
    let ends = create().json();
    let path = format!("/v1/sessions/{}", ends["session"]["id"].as_str().expect("an id"));
    let _ = delete(&path).bearer(&server.key).send(&server.management).expect(204);
}

#[test]
fn what_is_past_its_retention_is_forgotten_and_live_sessions_stay() {
    // S93, with three seconds for ninety days
    let server = Server::start(ServerOptions::default().env("VESTIBULE_EVENTS__RETENTION", "3s"));
    live_and_end(&server);
    let (ended, live, events) = rows(&server);
    assert_eq!((ended, live), (1, 1));
    assert!(events >= 3, "{events}");
    let forgotten = wait_for(ANSWER, || (rows(&server) == (0, 1, 0)).then_some(()));
    assert!(forgotten.is_some(), "{:?}", rows(&server));
}

#[test]
fn what_is_young_is_kept_across_a_start() {
    let mut server = Server::start(ServerOptions::default());
    live_and_end(&server);
    let before = rows(&server);
    // The first round of forgetting comes with the start.
    server.restart();
    let _ = server.terminate();
    assert_eq!(rows(&server), before);
}
