//! Requests that are wrong, and what each is told.

use super::{Request, ask, create, get, id, json, post, send, server};
use serde_json::Value;

// S95
#[test]
fn wrong_bodies_name_their_field() {
    let server = server();
    let session = format!("/v1/sessions/{}", id(&create(&server, "alice")));
    let to = |end: &str| format!("{session}/{end}");
    let long = "x".repeat(10_000);
    let cases: Vec<(String, Value, &str)> = vec![
        ("/v1/sessions".into(), json!({"user_id": 7}), "user_id"),
        ("/v1/sessions".into(), json!({"user_id": ""}), "user_id"),
        ("/v1/sessions".into(), json!({"user_id": "a\u{0}b"}), "user_id"),
        ("/v1/sessions".into(), json!({"user_id": long}), "user_id"),
        ("/v1/sessions".into(), json!({"user": "alice"}), "user"),
        ("/v1/sessions".into(), json!({"roles": "admin"}), "roles"),
        ("/v1/sessions".into(), json!({"data": []}), "data"),
        ("/v1/sessions".into(), json!({"ip": "here"}), "ip"),
        ("/v1/sessions".into(), json!({"mfa": "yes"}), "mfa"),
        ("/v1/sessions".into(), json!({"device": {"colour": "red"}}), "device.colour"),
        ("/v1/sessions".into(), json!({"lifetime": "0s"}), "lifetime"),
        ("/v1/sessions".into(), json!({"lifetime": "-1h"}), "lifetime"),
        ("/v1/sessions".into(), json!({"idle_timeout": "soon"}), "idle_timeout"),
        ("/v1/sessions".into(), json!({"auth_time": "yesterday"}), "auth_time"),
        ("/v1/sessions".into(), json!({"auth_time": "2999-01-01T00:00:00Z"}), "auth_time"),
        ("/v1/sessions".into(), json!({"profile": "none"}), "profile"),
        ("/v1/sessions".into(), json!({"actor": {}}), "actor.user_id"),
        ("/v1/sessions".into(), json!({"device": ["id", "print", "name", "type"]}), "device"),
        ("/v1/sessions".into(), json!([]), "body"),
        ("/v1/sessions/validate".into(), json!(["x", null, null, null, null, null]), "body"),
        ("/v1/sessions/redeem".into(), json!(["x", null, null]), "body"),
        ("/v1/sessions/revoke".into(), json!({"filter": ["alice", null, null, null, []]}), "filter"),
        (to("rotate"), json!([]), "body"),
        (to("rotate"), json!(null), "body"),
        ("/v1/sessions/validate".into(), json!({}), "token"),
        ("/v1/sessions/validate".into(), json!({"token": 1}), "token"),
        ("/v1/sessions/validate".into(), json!({"token": null}), "token"),
        ("/v1/sessions/redeem".into(), json!({}), "code"),
        ("/v1/sessions/revoke".into(), json!({}), "filter"),
        ("/v1/sessions/revoke".into(), json!({"filter": {"created_before": "x"}}), "filter.created_before"),
        ("/v1/sessions/revoke".into(), json!({"filter": {"device_id": ""}}), "filter.device_id"),
        ("/v1/sessions/revoke".into(), json!({"filter": {"user_id": ""}}), "filter.user_id"),
        (to("step-up"), json!({}), "mfa"),
        (to("extend"), json!({"ttl": "1 h"}), "ttl"),
        (to("activity"), json!({"activity": 1}), "activity"),
        (to("share"), json!({"scope": [], "ttl": "1m"}), "scope"),
        (to("share"), json!({"scope": ["read"]}), "ttl"),
        (to("handoff"), json!({"ttl": "0s"}), "ttl"),
        (to("rotate"), json!({"ttl": "1s"}), "ttl"),
        ("/v1/keys".into(), json!({"name": "a", "scopes": ["sessions:fly"]}), "scopes"),
        ("/v1/keys".into(), json!({"name": "a", "scopes": []}), "scopes"),
        ("/v1/keys".into(), json!({"name": "", "scopes": ["*"]}), "name"),
        ("/v1/keys".into(), json!({"name": "a", "scopes": ["*"], "expires": "2020-01-01T00:00:00Z"}), "expires"),
    ];
    for (target, body, field) in cases {
        let refused = send(&server, &target, &body).expect(422);
        assert_eq!(
            (refused.code().as_str(), refused.json()["field"].as_str()),
            ("invalid_field", Some(field)),
            "{target} {body}"
        );
        assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    assert_eq!(ask(&server, get("/v1/stats")).expect(200).json()["created_total"], 1);
}

/// A filter without a value is a mistake of the caller and not a wish for everything, or for nothing.
#[test]
fn empty_filters_name_their_field() {
    let server = server();
    let of_events = ["type", "since", "until", "limit", "cursor"].map(|field| ("/v1/events", field));
    let of_user = ["device_id", "limit", "cursor"].map(|field| ("/v1/users/alice/sessions", field));
    let of_streams = ["type", "user_id", "session_id"].map(|field| ("/v1/events/stream", field));
    for (target, field) in of_events.into_iter().chain(of_user).chain(of_streams) {
        let refused = ask(&server, get(&format!("{target}?{field}="))).expect(422);
        assert_eq!(refused.json()["field"], field, "{target}?{field}=");
    }
}

// S36 S99
#[test]
fn wrong_requests_have_their_status() {
    let server = server();
    let json_type = |request: Request| request.header("Content-Type", "application/json");
    let long = "x".repeat(5_000);
    let cases: Vec<(Request, u16, &str)> = vec![
        (json_type(post("/v1/sessions")).body(b"{"), 400, "malformed_json"),
        (json_type(post("/v1/sessions")).body(b"{\"mfa\":true,\"mfa\":false}"), 400, "malformed_json"),
        (json_type(post("/v1/sessions")).body(b"{\"user_id\":\"\xff\"}"), 400, "malformed_json"),
        (post("/v1/sessions").body(b"{}"), 415, "unsupported_media_type"),
        (post("/v1/sessions").header("Content-Type", "text/plain").body(b"{}"), 415, "unsupported_media_type"),
        (json_type(post("/v1/sessions")).body(&vec![b' '; 1 << 20]), 413, "body_too_large"),
        (get("/v1/sessions/validate"), 405, "method_not_allowed"),
        (Request::new("OPTIONS", "/v1/sessions"), 405, "method_not_allowed"),
        (Request::new("PUT", "/v1/keys"), 405, "method_not_allowed"),
        (get("/v1/unknown"), 404, "not_found"),
        (get(&format!("/v1/sessions/{long}")), 404, "session_missing"),
        (get(&format!("/v1/users/{long}/sessions")), 422, "invalid_field"),
        (get("/v1/users/a%00b/sessions"), 422, "invalid_field"),
        (get("/v1/users/%ff/sessions"), 400, "invalid_request"),
        (get("/health/%ff"), 400, "invalid_request"),
        (get("/health/unknown"), 404, "not_found"),
        (get("/v1/users/a/sessions?limit=0"), 422, "invalid_field"),
        (get("/v1/users/a/sessions?cursor=x"), 422, "invalid_field"),
        (get("/v1/users/a/sessions?colour=x"), 422, "invalid_field"),
        (get("/v1/users/a/history?cursor=1-2"), 422, "invalid_field"),
        (get("/v1/events?cursor=x"), 422, "invalid_field"),
        (get("/v1/events?since=x"), 422, "invalid_field"),
        (get("/v1/events?type=x"), 422, "invalid_field"),
    ];
    for (request, status, code) in cases {
        let refused = ask(&server, request.clone());
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{request:?}");
        assert_eq!(refused.header("allow").is_some(), status == 405, "{request:?}");
    }
    let head = ask(&server, Request::new("HEAD", "/v1/sessions"));
    assert_eq!(head.status, 405);
}

// S23
#[test]
fn tokens_in_urls_are_refused() {
    let server = server();
    for name in ["token", "session", "sid", "access_token"] {
        let refused = ask(&server, post(&format!("/v1/sessions/validate?{name}=x")).json(&json!({"token": "x"})));
        assert_eq!(refused.expect(400).code(), "token_in_url", "{name}");
    }
    for token in ["", "garbage"] {
        assert_eq!(send(&server, "/v1/sessions/validate", &json!({"token": token})).expect(401).code(), "session_missing");
    }
}

#[test]
fn request_ids_are_taken_over_if_they_may_be() {
    let server = server();
    let long = "x".repeat(65);
    for (given, taken) in [("abc-1", true), (long.as_str(), false), ("a b", false)] {
        let answer = ask(&server, get("/v1/nothing").header("X-Request-Id", given));
        assert_eq!(answer.header("x-request-id") == Some(given), taken, "{given}");
        assert_eq!(answer.json()["request_id"].as_str(), answer.header("x-request-id"));
    }
}
