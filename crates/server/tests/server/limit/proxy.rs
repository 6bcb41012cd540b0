//! What proxies ask: session and limit in one question.

use super::{ask, json, post, rule, show, with};
use vestibule_testkit::process::{Redis, Request, Response, Server, delete, get};

/// What a proxy asks of a request.
pub(super) fn forwarded(demands: &str) -> Request {
    forwarded_to("/search?q=1", demands)
}

fn forwarded_to(uri: &str, demands: &str) -> Request {
    get(&format!("/forward-auth{demands}"))
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example")
        .header("X-Forwarded-Uri", uri)
}

fn forward(server: &Server, token: &str, demands: &str) -> Response {
    forwarded(demands).bearer(token).send(&server.public)
}

fn token(server: &Server, user: &str) -> String {
    let created = ask(server, post("/v1/sessions").json(&json!({"user_id": user}))).expect(201).json();
    created["token"].as_str().expect("a token").to_owned()
}

#[test]
fn a_proxy_asks_for_session_and_limit_together() {
    let redis = Redis::start();
    let rules = [
        rule("people", "user", "2/1h", ""),
        rule("pages", "endpoint", "3/1h", ""),
        rule("all-proxied", "ip", "100/1h", "apply = [\"/forward-auth\"]"),
    ];
    let server = Server::start(with(&rules).env("REDIS_URL", &redis.url()));
    let (ada, bob) = (token(&server, "ada"), token(&server, "bob"));
    let passed = forward(&server, &ada, "?limit=people&limit=pages").expect(200);
    assert_eq!(passed.header("x-vestibule-user"), Some("ada"));
    assert!(passed.header("ratelimit").is_some_and(|field| field.contains("\"people\";r=1")), "{passed:?}");
    assert_eq!(show(&server, "people", "ada")["remaining"], 1);
    let _ = forward(&server, &ada, "?limit=people").expect(200);
    let denied = forward(&server, &ada, "?limit=people").expect(429);
    assert!(denied.header("retry-after").is_some() && denied.header("x-vestibule-user").is_none(), "{denied:?}");
    let _ = forward(&server, &bob, "?limit=people").expect(200);
    let _ = forward(&server, &ada, "").expect(200);
    assert_eq!(show(&server, "pages", "%2Fsearch")["remaining"], 2);
    assert_eq!(show(&server, "all-proxied", "127.0.0.1")["remaining"], 96, "a request that is denied takes nothing");
    let _ = forward(&server, "garbage", "?limit=people").expect(401);
    for wrong in ["?limit=none", "?limit=", "?limits=people"] {
        assert_eq!(forward(&server, &ada, wrong).expect(400).code(), "invalid_query", "{wrong}");
    }
}

/// Whoever is refused uses up nothing of a user's or an endpoint's; only trying, by address, is counted.
#[test]
fn who_is_turned_away_uses_up_nothing_of_others() {
    let rules = [
        rule("people", "user", "2/1h", ""),
        rule("pages", "endpoint", "2/1h", ""),
        rule("addresses", "ip", "100/1h", ""),
        rule("failures", "ip", "100/1h", "count = \"failure\""),
    ];
    let server = Server::start(with(&rules));
    let token = token(&server, "ada");
    let all = "?limit=people&limit=pages&limit=addresses&limit=failures";
    let remaining = |rule: &str, key: &str| show(&server, rule, key)["remaining"].clone();
    let _ = forward(&server, &token, all).expect(200);
    assert_eq!((remaining("addresses", "127.0.0.1"), remaining("failures", "127.0.0.1")), (json!(99), json!(100)));
    let _ = forward(&server, &token, &format!("{all}&role=admin")).expect(403);
    let _ = ask(&server, delete("/v1/users/ada/sessions")).expect(200);
    for _ in 0..5 {
        let refused = forward(&server, &token, all).expect(401);
        assert!(refused.header("ratelimit").is_some_and(|field| field.contains("\"people\";r=1")), "{refused:?}");
        let _ = forward(&server, "garbage", all).expect(401);
    }
    assert_eq!((remaining("people", "ada"), remaining("pages", "%2Fsearch")), (json!(1), json!(1)));
    assert_eq!((remaining("addresses", "127.0.0.1"), remaining("failures", "127.0.0.1")), (json!(88), json!(89)));
}

/// What is applied to the endpoint holds without being asked for, for users too.
#[test]
fn a_rule_of_users_holds_where_proxies_ask() {
    let server = Server::start(with(&[rule("people", "user", "1/1h", "apply = [\"/forward-auth\"]")]));
    let (ada, bob) = (token(&server, "ada"), token(&server, "bob"));
    let _ = forward(&server, &ada, "").expect(200);
    let _ = forward(&server, &ada, "").expect(429);
    let _ = forward(&server, &bob, "").expect(200);
    let _ = forwarded("").send(&server.public).expect(401);
}

/// Who spells a path in another way gets no other count.
#[test]
fn all_spellings_of_a_path_are_one_endpoint() {
    let server = Server::start(with(&[rule("pages", "endpoint", "100/1h", "")]));
    let ada = token(&server, "ada");
    for spelling in ["/search", "//search", "/%73earch?q=1", "/./search", "/x/../search/"] {
        let _ = forwarded_to(spelling, "?limit=pages").bearer(&ada).send(&server.public).expect(200);
    }
    assert_eq!(show(&server, "pages", "%2Fsearch")["remaining"], 95);
}

/// A user is the same by a session and by an access token.
#[test]
fn an_access_token_counts_as_its_user() {
    let server = Server::start(with(&[rule("people", "user", "2/1h", "")]));
    let issued = ask(&server, post("/v1/tokens").json(&json!({"user_id": "ada"}))).expect(201).json();
    let access = issued["access_token"].as_str().expect("a token");
    let _ = forward(&server, access, "?limit=people").expect(200);
    let _ = forward(&server, &token(&server, "ada"), "?limit=people").expect(200);
    let _ = forward(&server, access, "?limit=people").expect(429);
}
