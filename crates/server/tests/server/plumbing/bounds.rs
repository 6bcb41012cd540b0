//! What a client may send, and how long it may take.

use serde_json::json;
use std::time::{Duration, Instant};
use vestibule_testkit::process::{Connection, Server, ServerOptions, get, post};

#[test]
fn a_head_of_a_megabyte_is_refused_on_both_listeners() {
    // S95
    let server = Server::start(ServerOptions::default());
    for address in [&server.public, &server.management] {
        let answer = get("/livez").header("X-Padding", &"x".repeat(1 << 20)).send(address).expect(431);
        assert!(!answer.text().contains("vestibule"), "{}", answer.text());
        let _ = get("/livez").header("X-Padding", &"x".repeat(12 << 10)).send(address).expect(200);
        let _ = get("/livez").header("X-Padding", &"x".repeat(20 << 10)).send(address).expect(431);
    }
}

#[test]
fn the_bound_of_a_head_is_configured() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__HEADER_LIMIT", "32KiB"));
    let _ = get("/livez").header("X-Padding", &"x".repeat(30 << 10)).send(&server.public).expect(200);
    let _ = get("/livez").header("X-Padding", &"x".repeat(33 << 10)).send(&server.public).expect(431);
}

#[test]
fn a_body_over_its_bound_is_told_so_and_nothing_is_stored() {
    let server = Server::start(ServerOptions::default());
    let body = json!({"user_id": "ada", "data": {"text": "x".repeat(1 << 20)}});
    let answer = post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management).expect(413);
    assert_eq!(answer.code(), "body_too_large");
    let listed = get("/v1/users/ada/sessions").bearer(&server.key).send(&server.management).expect(200);
    assert_eq!(listed.json()["sessions"], json!([]));
}

#[test]
fn the_bound_of_a_body_is_configured() {
    let options = ServerOptions::default()
        .env("VESTIBULE_HTTP__BODY_LIMIT", "256KiB")
        .env("VESTIBULE_SESSIONS__MAX_DATA_BYTES", "200KiB");
    let server = Server::start(options);
    let create = |bytes: usize| {
        let body = json!({"user_id": "ada", "data": {"text": "x".repeat(bytes)}});
        post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management)
    };
    let _ = create(100 << 10).expect(201);
    let _ = create(300 << 10).expect(413);
}

#[test]
fn a_body_without_a_length_is_bounded_too() {
    let server = Server::start(ServerOptions::default());
    let mut connection = Connection::open(&server.management).expect("a connection");
    let head = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.key
    );
    connection.write(head.as_bytes()).expect("written");
    let chunk = format!("{:x}\r\n{}\r\n", 100 << 10, " ".repeat(100 << 10));
    connection.write(chunk.as_bytes()).expect("written");
    assert_eq!(connection.read(false).expect("an answer").expect(413).code(), "body_too_large");
}

#[test]
fn a_head_that_does_not_come_ends_its_connection() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__HEADER_TIMEOUT", "300ms"));
    let mut connection = Connection::open(&server.public).expect("a connection");
    connection.write(b"GET /livez HTTP/1.1\r\nHost: a\r\n").expect("written");
    let start = Instant::now();
    assert!(connection.read(false).is_err(), "an answer to half a request");
    assert!(start.elapsed() < Duration::from_secs(10), "the connection was kept for {:?}", start.elapsed());
    let _ = get("/livez").send(&server.public).expect(200);
}

#[test]
fn connections_over_the_bound_wait_and_are_served_when_one_ends() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_HTTP__MAX_CONNECTIONS", "1"));
    let mut first = Connection::open(&server.public).expect("a connection");
    first.send(&get("/livez")).expect("an answer").expect(200);
    let waiting = server.public.clone();
    let (told, hears) = std::sync::mpsc::channel();
    let second = std::thread::spawn(move || {
        let answer = get("/livez").send(&waiting).status;
        let _ = told.send(());
        answer
    });
    assert!(hears.recv_timeout(Duration::from_millis(300)).is_err(), "a second connection was served");
    // Whoever fills the public listener does not lock the operator out.
    get("/livez").send(&server.management).expect(200);
    drop(first);
    assert_eq!(second.join().expect("an answer"), 200);
}
