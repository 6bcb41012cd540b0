//! Who may do what.

use super::{Request, ask, get, json, post, send, server};

/// One route of each scope.
const ROUTES: &[(&str, &str, &str)] = &[
    ("POST", "/v1/sessions", "sessions:write"),
    ("POST", "/v1/sessions/validate", "sessions:validate"),
    ("GET", "/v1/users/alice/sessions", "sessions:read"),
    ("GET", "/v1/users/alice/history", "users:read"),
    ("POST", "/v1/users/alice/disable", "users:write"),
    ("GET", "/v1/keys", "keys:read"),
    ("POST", "/v1/keys", "keys:write"),
    ("GET", "/v1/events", "events:read"),
    ("GET", "/v1/stats", "stats:read"),
    ("POST", "/v1/import/sessions", "import:write"),
    ("POST", "/v1/tokens", "tokens:write"),
    ("POST", "/v1/tokens/verify", "tokens:introspect"),
    ("POST", "/v1/tokens/revoke", "tokens:revoke"),
    ("GET", "/v1/tokens/deny-list", "tokens:read"),
    ("POST", "/v1/users/import", "users:write"),
    ("POST", "/v1/passwords/hash", "passwords:write"),
    ("POST", "/v1/passwords/verify", "passwords:read"),
    ("POST", "/v1/passwords/check", "passwords:read"),
];

#[test]
fn a_route_needs_a_key_and_its_scope() {
    let server = server();
    let made = send(&server, "/v1/keys", &json!({"name": "other", "scopes": ["jobs:read", "keys:write"]})).expect(201).json();
    let key = made["key"].as_str().expect("a key").to_owned();
    for (method, path, scope) in ROUTES {
        let request = Request::new(method, path);
        assert_eq!(request.send(&server.management).expect(401).code(), "key_invalid", "{path}");
        assert_eq!(request.clone().bearer("vk_wrong").send(&server.management).expect(401).code(), "key_invalid", "{path}");
        let _ = request.send(&server.public).expect(404);
        if *scope != "keys:write" {
            assert_eq!(request.bearer(&key).send(&server.management).expect(403).code(), "scope_missing", "{path}");
        }
    }
    let beyond = post("/v1/keys").json(&json!({"name": "more", "scopes": ["*"]})).bearer(&key).send(&server.management);
    assert_eq!(beyond.expect(403).code(), "scope_missing");
}

#[test]
fn the_document_is_served_to_everybody() {
    let server = server();
    let document = get("/openapi.json").send(&server.management).expect(200).json();
    assert!(document["paths"]["/v1/sessions/{id}/rotate"]["post"].is_object());
    let _ = ask(&server, get("/v1/nothing")).expect(404);
}
