//! Scripts of other origins.

use super::{Browser, PASSWORD, register};
use serde_json::json;
use vestibule_testkit::process::{Request, Server, ServerOptions, get, post};

const LISTED: &str = "https://app.example.com";

fn server() -> Server {
    Server::start(ServerOptions::default().env("VESTIBULE_PUBLIC__ALLOWED_ORIGINS", LISTED))
}

fn preflight(origin: &str) -> Request {
    Request::new("OPTIONS", "/auth/login").header("Origin", origin).header("Access-Control-Request-Method", "POST")
}

/// S37: an origin that is not listed gets no CORS header; nobody ever gets a wildcard.
#[test]
fn only_a_listed_origin_is_answered() {
    let server = server();
    let answer = preflight(LISTED).send(&server.public).expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(answer.header("access-control-allow-headers").is_some_and(|names| names.contains("x-csrf-token")));
    assert!(answer.header("access-control-allow-methods").is_some_and(|names| names.contains("DELETE")));
    for foreign in ["https://evil.example", "null", "https://app.example.com.evil.example", "http://app.example.com", "*"] {
        let answer = preflight(foreign).send(&server.public).expect(405);
        let plain = get("/auth/me").header("Origin", foreign).send(&server.public).expect(401);
        for answer in [answer, plain] {
            assert!(
                answer.headers.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control")),
                "{foreign}"
            );
            assert!(answer.header("vary").is_some_and(|vary| vary.eq_ignore_ascii_case("origin")));
        }
    }
}

#[test]
fn a_listed_origin_logs_in_with_credentials() {
    let server = server();
    let _ = register(&server, "ada@example.com").expect(201);
    let mut browser = Browser::new(&server);
    let login = post("/auth/login").json(&json!({"email": "ada@example.com", "password": PASSWORD})).header("Origin", LISTED);
    let answer = browser.send(login.header("Sec-Fetch-Site", "cross-site")).expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
    let me = browser.send(get("/auth/me").header("Origin", LISTED)).expect(200);
    assert_eq!(me.header("access-control-allow-origin"), Some(LISTED));
}
