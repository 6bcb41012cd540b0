//! Scripts of other origins.

use super::{Browser, PASSWORD, register};
use serde_json::json;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, get, post};

const LISTED: &str = "https://app.example.com";

fn server() -> Server {
    Server::start(ServerOptions::default().env("VESTIBULE_PUBLIC__ALLOWED_ORIGINS", LISTED))
}

fn preflight(origin: &str) -> Request {
    Request::new("OPTIONS", "/auth/login").header("Origin", origin).header("Access-Control-Request-Method", "POST")
}

/// The names in a list.
fn names<'a>(answer: &'a Response, header: &str) -> impl Iterator<Item = &'a str> {
    answer.header(header).unwrap_or_default().split(',').map(str::trim)
}

/// S37: an origin that is not listed gets no CORS header; nobody ever gets a wildcard.
#[test]
fn only_a_listed_origin_is_answered() {
    let server = server();
    let answer = preflight(LISTED).send(&server.public).expect(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    for name in ["content-type", "x-csrf-token", "x-vestibule-solution"] {
        assert!(names(&answer, "access-control-allow-headers").any(|allowed| allowed == name), "{name}");
    }
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

/// A script learns that it asks too often, when it may again, and what it can do instead.
#[test]
fn a_listed_origin_reads_what_a_limit_says() {
    let rule = "[[limits.rules]]\nname = \"me\"\nlevel = \"ip\"\nrate = \"1/1h\"\nchallenge = true\napply = [\"/auth/me\"]\n";
    let options = ServerOptions::default().config(&format!("mode = \"dev\"\n{rule}"));
    let server = Server::start(options.env("VESTIBULE_PUBLIC__ALLOWED_ORIGINS", LISTED));
    let me = || get("/auth/me").header("Origin", LISTED).send(&server.public);
    let (_, denied) = (me().expect(401), me().expect(429));
    for (name, _) in denied.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)) {
        let is_of_limits = name == "retry-after" || name.contains("ratelimit") || name.starts_with("x-vestibule");
        assert!(!is_of_limits || names(&denied, "access-control-expose-headers").any(|shown| shown == name), "{name}");
    }
    assert!(denied.header("x-vestibule-challenge").is_some());
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
