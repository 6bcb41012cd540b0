//! Revocation and introspection as OAuth has them.

use super::{form, get, issue, json, options, part, post, refresh, send, server, text, verify};
use vestibule_testkit::process::{Redis, Server};

fn introspect(server: &Server, token: &serde_json::Value) -> serde_json::Value {
    form(server, "/oauth/introspect", &format!("token={}", text(token))).expect(200).json()
}

// S73 S74
#[test]
fn a_revoked_refresh_token_takes_its_access_tokens_along() {
    let server = server();
    let body = json!({"user_id": "ada", "client_id": "app"});
    let tokens = send(&server, "/v1/tokens", &body).expect(201).json();
    let refresh_token = text(&tokens["refresh_token"]);
    let revoke = |rest: &str| form(&server, "/oauth/revoke", &format!("token={refresh_token}{rest}"));
    let other = revoke("&client_id=other").expect(400).json();
    assert_eq!((&other["error"], &other["code"]), (&json!("invalid_client"), &json!("token_bound")));
    assert_eq!(introspect(&server, &tokens["access_token"])["active"], json!(true));
    // The hint is wrong, and nothing depends on it.
    let _ = revoke("&client_id=app&token_type_hint=access_token&more=ignored").expect(200);
    assert_eq!(introspect(&server, &tokens["access_token"]), json!({"active": false}));
    assert_eq!(refresh(&server, &tokens).expect(400).code(), "token_revoked");
    let _ = revoke("").expect(200);
    let _ = form(&server, "/oauth/revoke", "token=unknown").expect(200);

    let alone = send(&server, "/v1/tokens", &body).expect(201).json();
    let access = text(&alone["access_token"]);
    let _ = form(&server, "/oauth/revoke", &format!("token={access}&client_id=other")).expect(400);
    let _ = form(&server, "/oauth/revoke", &format!("token={access}&token_type_hint=refresh_token")).expect(200);
    assert_eq!(verify(&server, &alone).expect(401).code(), "token_revoked");
    let _ = refresh(&server, &alone).expect(200);
}

// S76 S77
#[test]
fn introspection_tells_callers_with_a_key_and_only_of_good_tokens() {
    let server = server();
    let tokens = issue(&server, "ada");
    let claims = part(text(&tokens["access_token"]), 1);
    let active = introspect(&server, &tokens["access_token"]);
    for name in ["sub", "aud", "iss", "exp", "iat", "jti", "client_id"] {
        assert_eq!(active[name], claims[name], "{name}");
    }
    assert_eq!((&active["active"], &active["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(introspect(&server, &tokens["refresh_token"]), json!({"active": false}));
    let for_other = format!("token={}&audience=other", text(&tokens["access_token"]));
    assert_eq!(form(&server, "/oauth/introspect", &for_other).expect(200).json(), json!({"active": false}));

    for target in ["/oauth/introspect", "/oauth/revoke"] {
        let body = b"token=x";
        let kind = "application/x-www-form-urlencoded";
        let unknown = post(target).header("Content-Type", kind).body(body).send(&server.public).expect(401);
        assert!(unknown.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
        let _ = post(target).header("Content-Type", kind).body(body).bearer("vk_wrong").send(&server.public).expect(401);
        assert_eq!(get(target).bearer(&server.key).send(&server.public).expect(405).header("allow"), Some("POST"));
        for bad in ["", "token=", "hint=x", "token=a&token=b"] {
            assert_eq!(form(&server, target, bad).expect(400).json()["error"], json!("invalid_request"), "{bad}");
        }
        let _ = post(target).json(&json!({"token": "x"})).bearer(&server.key).send(&server.public).expect(415);
        let made = send(&server, "/v1/keys", &json!({"name": "reader", "scopes": ["sessions:read"]})).expect(201).json();
        let request = post(target).header("Content-Type", kind).body(body).bearer(text(&made["key"]));
        assert_eq!(request.send(&server.public).expect(403).code(), "scope_missing");
    }
}

// S75
#[test]
fn a_revocation_that_reaches_no_store_is_not_claimed() {
    let redis = Redis::start();
    let server = Server::start(options().env("REDIS_URL", &redis.url()).env("VESTIBULE_STORE__TIMEOUT", "250ms"));
    let tokens = issue(&server, "ada");
    redis.kill();
    let refused = form(&server, "/oauth/revoke", &format!("token={}", text(&tokens["refresh_token"]))).expect(503);
    assert!(refused.header("retry-after").is_some());
    // Nor is a token believed for longer than a node can be sure of itself.
    let unsure = || Some(verify(&server, &tokens)).filter(|answer| answer.status == 503);
    let unsure = vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, unsure).expect("not a yes for ever");
    assert!(unsure.header("retry-after").is_some());
}
