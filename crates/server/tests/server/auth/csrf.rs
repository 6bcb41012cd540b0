//! Requests that another site makes a browser send.

use super::{Browser, CSRF, PASSWORD, is_valid, register};
use serde_json::json;
use vestibule_testkit::process::{Request, Server, ServerOptions, delete, get, post};

/// S33, S35: without the right CSRF token nothing unsafe happens, whatever metadata the browser sends or not.
#[test]
fn an_unsafe_request_needs_its_csrf_token() {
    let server = Server::start(ServerOptions::default());
    let browser = Browser::of(&server, "ada@example.com");
    let other = Browser::of(&server, "bob@example.com");
    let own = server.public.clone();
    let requests: [fn() -> Request; 3] = [
        || post("/auth/logout"),
        || delete("/auth/sessions"),
        || post("/auth/password").json(&json!({"current_password": PASSWORD, "new_password": "seven green parrots sing"})),
    ];
    for request in requests {
        for wrong in [None, Some(""), Some("wrong"), Some(other.csrf_token.as_str())] {
            for (name, value) in [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin"), ("X-Nothing", "at all")] {
                let mut request = browser.bare(request()).header(name, value);
                if let Some(wrong) = wrong {
                    request = request.header(CSRF, wrong);
                }
                let refused = request.send(&server.public).expect(403);
                assert_eq!(refused.code(), "csrf_failed", "{wrong:?} {name}");
            }
        }
    }
    assert!(is_valid(&server, browser.token()));
    let _ = Browser::logged_in(&server, "ada@example.com");
}

/// S35: a foreign page is refused even with the right token.
#[test]
fn a_foreign_page_is_refused_even_with_the_right_token() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let refused = browser.send(post("/auth/logout").header(name, value)).expect(403);
        assert_eq!(refused.code(), "csrf_failed", "{name}: {value}");
    }
    assert!(is_valid(&server, browser.token()));
    let _ = browser.send(post("/auth/logout").header("Origin", &server.public)).expect(204);
}

/// S38: nobody is logged in by another site's form.
#[test]
fn another_site_logs_nobody_in() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    for (name, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Origin", "null")] {
        let login = post("/auth/login").json(&json!({"email": "ada@example.com", "password": PASSWORD})).header(name, value);
        let refused = login.send(&server.public).expect(403);
        assert_eq!(refused.code(), "csrf_failed");
        assert!(refused.headers_named("set-cookie").is_empty());
    }
}

/// S34: the CSRF token from before a login or a change of password serves nothing after it.
#[test]
fn a_csrf_token_from_before_is_refused() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let before = browser.csrf_token.clone();
    let _ = browser.log_in("ada@example.com", PASSWORD).expect(200);
    assert_ne!(browser.csrf_token, before);
    let stale =
        |browser: &Browser<'_>, token: &str| browser.bare(post("/auth/logout")).header(CSRF, token).send(&server.public);
    assert_eq!(stale(&browser, &before).expect(403).code(), "csrf_failed");
    let before = browser.csrf_token.clone();
    let change = json!({"current_password": PASSWORD, "new_password": "seven green parrots sing"});
    let _ = browser.send(post("/auth/password").json(&change)).expect(200);
    assert_eq!(stale(&browser, &before).expect(403).code(), "csrf_failed");
    let given = browser.csrf_token.clone();
    let _ = browser.me().expect(200);
    assert_eq!(browser.csrf_token, given, "me gives the same one again");
    let _ = stale(&browser, &given).expect(204);
}

/// S36: safe methods on a route that changes something change nothing.
#[test]
fn safe_methods_change_nothing() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    for path in ["/auth/logout", "/auth/password", "/auth/register", "/auth/reset", "/auth/step-up"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let answer = browser.send(Request::new(method, path)).expect(405);
            assert_eq!(answer.header("allow"), Some("POST"), "{method} {path}");
        }
    }
    // The page of a login is no login.
    let credentials = format!("/auth/login?email=ada%40example.com&password={}", PASSWORD.replace(' ', "+"));
    assert!(get(&credentials).send(&server.public).expect(200).headers_named("set-cookie").is_empty());
    let _ = browser.send(get("/auth/me")).expect(200);
}
