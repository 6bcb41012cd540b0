//! What proxies ask: session and limit in one question.

use super::{ask, json, post, rule, show, with};
use vestibule_testkit::process::{Redis, Response, Server, get};

fn forward(server: &Server, token: &str, demands: &str) -> Response {
    get(&format!("/forward-auth{demands}"))
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "app.example")
        .header("X-Forwarded-Uri", "/search?q=1")
        .bearer(token)
        .send(&server.public)
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
    assert_eq!(show(&server, "pages", "/search")["remaining"], 2);
    assert_eq!(show(&server, "all-proxied", "127.0.0.1")["remaining"], 96, "a request that is denied takes nothing");
    let _ = forward(&server, "garbage", "?limit=people").expect(401);
    for wrong in ["?limit=none", "?limit=", "?limits=people"] {
        assert_eq!(forward(&server, &ada, wrong).expect(400).code(), "invalid_query", "{wrong}");
    }
}
