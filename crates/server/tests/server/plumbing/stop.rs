//! How the server stops.

use serde_json::json;
use std::time::{Duration, Instant};
use vestibule_testkit::{
    bounds::STOP,
    process::{Connection, Server, ServerOptions, get, post, wait_for},
};

const BODY: &[u8] = br#"{"user_id": "ada"}"#;

fn begin_request(server: &Server) -> Connection {
    let mut connection = Connection::open(&server.management).expect("a connection");
    let head = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        server.key,
        BODY.len()
    );
    connection.write(head.as_bytes()).expect("written");
    // The server asks for the body once a handler wants it: the request is under way.
    let _ = connection.read(true).expect("a word of the server").expect(100);
    connection
}

#[test]
fn a_request_under_way_ends_well_and_readiness_fails_before() {
    // O20
    let mut server = Server::start(ServerOptions::default());
    let mut idle = Connection::open(&server.public).expect("a connection");
    let _ = idle.send(&get("/readyz")).expect("an answer").expect(200);
    let mut under_way = begin_request(&server);
    server.signal("TERM");
    let seen = wait_for(STOP, || match get("/readyz").try_send(&server.public) {
        Ok(answer) => (answer.status == 503).then_some(true),
        Err(_) => Some(false),
    });
    assert_eq!(seen, Some(true), "the listener closed before readiness failed");
    let _ = get("/livez").send(&server.public).expect(200);
    under_way.write(BODY).expect("written");
    let answer = under_way.read(false).expect("an answer").expect(201);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(server.wait().success());
    server.restart();
    let listed = get("/v1/users/ada/sessions").bearer(&server.key).send(&server.management).expect(200);
    assert_eq!(listed.json()["sessions"].as_array().map(Vec::len), Some(1));
}

#[test]
fn idle_connections_hold_up_no_stop() {
    let mut server = Server::start(ServerOptions::default());
    let mut used = Connection::open(&server.public).expect("a connection");
    let _ = used.send(&get("/livez")).expect("an answer").expect(200);
    let _never_used = Connection::open(&server.public).expect("a connection");
    let start = Instant::now();
    assert!(server.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
}

#[test]
fn a_request_that_does_not_end_is_cut_when_the_grace_is_over() {
    let mut server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__SHUTDOWN_GRACE", "500ms"));
    let _under_way = begin_request(&server);
    let start = Instant::now();
    assert!(server.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    assert!(server.stderr().contains("shutdown_grace"), "{}", server.stderr());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__SHUTDOWN_GRACE", "10m"));
    let _under_way = begin_request(&server);
    server.signal("TERM");
    let told = wait_for(STOP, || server.stderr().contains("stopping").then_some(()));
    assert!(told.is_some(), "{}", server.stderr());
    server.signal("INT");
    let _ = server.wait();
}

#[test]
fn what_was_acknowledged_is_there_after_a_stop() {
    let mut server = Server::start(ServerOptions::default());
    let body = json!({"user_id": "ada"});
    let made = post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management).expect(201).json();
    assert!(server.terminate().success());
    server.restart();
    let token = json!({"token": made["token"]});
    let valid = post("/v1/sessions/validate").bearer(&server.key).json(&token).send(&server.management).expect(200);
    assert_eq!(valid.json()["session"]["id"], made["session"]["id"]);
}
