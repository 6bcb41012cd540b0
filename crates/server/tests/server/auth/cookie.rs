//! The cookie over the wire.

use super::{Browser, PASSWORD, create, register, text};
use serde_json::json;
use vestibule_testkit::process::{Server, ServerOptions, get, post};

/// A production server on loopback: the cookie as users get it.
fn production() -> ServerOptions {
    ServerOptions::default().env("VESTIBULE_MODE", "production")
}

fn attributes(cookie: &str) -> Vec<&str> {
    cookie.split(';').skip(1).map(str::trim).collect()
}

/// S27, S29: bound to its host, for HTTPS and HTTP only, and gone with the browser unless remembering was asked for.
#[test]
fn the_cookie_is_bound_to_its_host() {
    let server = Server::start(production());
    let _ = register(&server, "ada@example.com").expect(201);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = post("/auth/login").json(&body).send(&server.public).expect(200);
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-vestibule=vs_") && cookie.len() <= 4096, "{cookie}");
    let attributes = attributes(cookie);
    for wanted in ["Secure", "HttpOnly", "Path=/", "SameSite=Lax"] {
        assert!(attributes.contains(&wanted), "{wanted} is not in {cookie}");
    }
    assert!(attributes.iter().all(|attribute| !attribute.starts_with("Domain")), "{cookie}");
}

/// S27: with a Domain the name says so.
#[test]
fn a_cookie_of_a_domain_is_named_so() {
    let server = Server::start(production().env("VESTIBULE_COOKIE__DOMAIN", "example.com"));
    let _ = register(&server, "ada@example.com").expect(201);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = post("/auth/login").json(&body).send(&server.public).expect(200);
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Secure-vestibule=") && attributes(cookie).contains(&"Domain=example.com"), "{cookie}");
    assert!(server.stderr().contains("cookie.domain"), "a warning is expected: {}", server.stderr());
}

/// S29: one that does not outlive the browser has no age; one that does is at most 400 days old.
#[test]
fn a_cookie_is_as_persistent_as_configured() {
    for (persistent, ages) in [("false", false), ("true", true)] {
        let server = Server::start(production().env("VESTIBULE_COOKIE__PERSISTENT", persistent));
        let _ = register(&server, "ada@example.com").expect(201);
        let body = json!({"email": "ada@example.com", "password": PASSWORD, "remember": true});
        let answer = post("/auth/login").json(&body).send(&server.public).expect(200);
        let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
        let age = attributes(&cookie).iter().find_map(|attribute| attribute.strip_prefix("Max-Age=")?.parse::<u64>().ok());
        assert_eq!(age.is_some(), ages, "{cookie}");
        assert!(age.is_none_or(|age| age > 0 && age <= 400 * 24 * 3_600), "{cookie}");
        assert!(!cookie.contains("Expires"), "{cookie}");
    }
}

/// S28: only the exact name is read.
#[test]
fn another_spelling_is_another_cookie() {
    let server = Server::start(production());
    let created = create(&server, &json!({"user_id": "ada"}));
    let token = text(&created, "token");
    let me = |name: &str| get("/auth/me").cookie(name, token).send(&server.public).status;
    assert_eq!(me("__Host-vestibule"), 200);
    for other in ["__hOsT-vestibule", "__HOST-vestibule", "__Host-Vestibule", "vestibule_dev"] {
        assert_eq!(me(other), 401, "{other}");
    }
}

/// S3: a token that nobody issued starts nothing and is never set.
#[test]
fn a_token_that_was_never_issued_is_never_set() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let foreign = Server::start(ServerOptions::default());
    let created = create(&foreign, &json!({"user_id": "ada"}));
    let mut browser = Browser::new(&server);
    browser.cookie = Some(text(&created, "token").to_owned());
    let planted = browser.token().to_owned();
    let refused = browser.me().expect(401);
    assert!(refused.headers_named("set-cookie").iter().all(|cookie| !cookie.contains(&planted)));
    let answer = browser.log_in("ada@example.com", PASSWORD).expect(200);
    assert!(answer.headers_named("set-cookie").iter().all(|cookie| !cookie.contains(&planted)));
    assert_ne!(browser.token(), planted);
}
