//! What browsers and others send that is not what was asked for.

use super::{Browser, PASSWORD, register};
use serde_json::json;
use vestibule_testkit::process::{Request, Server, ServerOptions, get, post};

/// Path, body, and what comes back: status, code, field.
type Case<'a> = (&'a str, Vec<u8>, u16, &'a str, Option<&'a str>);

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn raw(path: &str, body: &[u8]) -> Request {
    post(path).header(JSON.0, JSON.1).body(body)
}

/// S95: each a 4xx problem with a stable code, and with the field where there is one; never a word about our insides.
#[test]
fn bad_input_is_told_by_code_and_field() {
    let server = Server::start(ServerOptions::default());
    let big = format!("{{\"email\": \"{}\"}}", "x".repeat(1 << 20));
    let long = "x".repeat(10_000);
    let long_address = json!({"email": format!("{long}@example.com"), "password": PASSWORD}).to_string();
    let long_name = json!({"email": "a@example.com", "password": PASSWORD, "name": long}).to_string();
    let nul_name = json!({"email": "a@example.com", "password": PASSWORD, "name": "a\u{0}b"}).to_string();
    let cases: Vec<Case<'_>> = vec![
        ("/auth/login", b"{".to_vec(), 400, "malformed_json", None),
        ("/auth/login", b"".to_vec(), 400, "malformed_json", None),
        ("/auth/login", b"[]".to_vec(), 422, "invalid_field", Some("body")),
        ("/auth/login", b"\"text\"".to_vec(), 422, "invalid_field", Some("body")),
        ("/auth/login", b"{\"email\": \"a\xff\", \"password\": \"x\"}".to_vec(), 400, "malformed_json", None),
        ("/auth/login", b"{\"email\":\"a\",\"email\":\"b\",\"password\":\"x\"}".to_vec(), 400, "malformed_json", None),
        ("/auth/login", b"{\"password\": \"x\"}".to_vec(), 422, "invalid_field", Some("email")),
        ("/auth/login", b"{\"email\": 7, \"password\": \"x\"}".to_vec(), 422, "invalid_field", Some("email")),
        ("/auth/login", b"{\"email\": \"a\", \"password\": null}".to_vec(), 422, "invalid_field", Some("password")),
        (
            "/auth/login",
            b"{\"email\":\"a\",\"password\":\"x\",\"remember\":\"yes\"}".to_vec(),
            422,
            "invalid_field",
            Some("remember"),
        ),
        ("/auth/login", b"{\"email\":\"a\",\"password\":\"x\",\"admin\":true}".to_vec(), 422, "invalid_field", Some("admin")),
        ("/auth/login", big.into_bytes(), 413, "body_too_large", None),
        (
            "/auth/register",
            b"{\"email\":\"no address\",\"password\":\"four brown foxes jump\"}".to_vec(),
            422,
            "invalid_field",
            Some("email"),
        ),
        ("/auth/register", long_address.into_bytes(), 422, "invalid_field", Some("email")),
        ("/auth/register", long_name.into_bytes(), 422, "invalid_field", Some("name")),
        ("/auth/register", nul_name.into_bytes(), 422, "invalid_field", Some("name")),
    ];
    for (path, body, status, code, field) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = raw(path, &body).send(&server.public);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {shown}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["field"].as_str(), field, "{path} {shown}: {problem}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["request_id"].as_str(), answer.header("x-request-id"), "{path} {shown}");
        for inside in ["panicked", "src/", ".rs", "serde", "axum", env!("CARGO_PKG_VERSION")] {
            assert!(!answer.text().contains(inside), "{inside} in {}", answer.text());
        }
    }
    let _ = register(&server, "a@example.com").expect(201);
}

#[test]
fn another_type_of_content_is_refused() {
    let server = Server::start(ServerOptions::default());
    for (path, kind) in [
        ("/auth/login", "text/plain"),
        ("/auth/login", "multipart/form-data; boundary=x"),
        ("/auth/register", "application/x-www-form-urlencoded"),
        ("/auth/reset", "application/x-www-form-urlencoded"),
    ] {
        let request = post(path).header("Content-Type", kind).body(b"email=a&password=b");
        assert_eq!(request.send(&server.public).expect(415).code(), "unsupported_media_type", "{path} {kind}");
    }
}

#[test]
fn the_public_listener_knows_no_management_route() {
    let server = Server::start(ServerOptions::default());
    for path in ["/v1/sessions", "/v1/stats", "/v1/users/ada/sessions", "/metrics", "/health", "/nothing", "/auth/unknown"] {
        let answer = get(path).bearer(&server.key).send(&server.public).expect(404);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
}

/// S24: nobody without a cookie gets further than 401, and is told nothing.
#[test]
fn without_a_cookie_everything_is_401() {
    let server = Server::start(ServerOptions::default());
    for request in [
        get("/auth/me"),
        get("/auth/sessions"),
        Request::new("DELETE", "/auth/sessions"),
        get("/auth/me").cookie("vestibule_dev", ""),
    ] {
        let answer = request.send(&server.public).expect(401);
        assert_eq!(answer.code(), "unauthenticated");
    }
    let mut browser = Browser::new(&server);
    for garbage in ["garbage", "vs_", "vs_AAAA", &format!("vs_{}", "A".repeat(80)), &"x".repeat(5_000)] {
        browser.cookie = Some(garbage.to_owned());
        let answer = browser.me().expect(401);
        assert!(answer.headers_named("set-cookie").iter().all(|cookie| !cookie.contains(garbage)));
    }
}
