//! Management keys: shown once, and no more than their maker.

use super::{ask, delete, get, json, post, send, server};
use serde_json::Value;
use vestibule_testkit::process::{Response, Server};

fn key(made: &Value) -> String {
    made["key"].as_str().expect("a key").to_owned()
}

fn list_with(server: &Server, key: &str) -> Response {
    get("/v1/users/alice/sessions").bearer(key).send(&server.management)
}

// S99
#[test]
fn a_key_is_shown_once_and_stays_dead() {
    let mut server = server();
    let body = json!({"name": "app", "scopes": ["sessions:read"], "expires": "1d"});
    let made = send(&server, "/v1/keys", &body).expect(201).json();
    let kept = send(&server, "/v1/keys", &body).expect(201).json();
    let list = ask(&server, get("/v1/keys")).expect(200);
    assert!(!list.text().contains(&key(&made)));
    assert_eq!(list.json()["keys"][0]["id"], made["id"]);
    let _ = list_with(&server, &key(&made)).expect(200);
    let target = format!("/v1/keys/{}", made["id"].as_str().expect("an id"));
    let _ = ask(&server, delete(&target)).expect(204);
    assert_eq!(ask(&server, delete(&target)).expect(404).code(), "key_missing");
    assert_eq!(list_with(&server, &key(&made)).expect(401).code(), "key_invalid");
    server.kill();
    server.restart();
    assert_eq!(list_with(&server, &key(&made)).expect(401).code(), "key_invalid");
    let _ = list_with(&server, &key(&kept)).expect(200);
}

#[test]
fn a_key_does_not_outlive_its_maker() {
    let server = server();
    let body = json!({"name": "short", "scopes": ["keys:write", "sessions:read"], "expires": "1h"});
    let maker = send(&server, "/v1/keys", &body).expect(201).json();
    let make = |body: &Value| post("/v1/keys").json(body).bearer(&key(&maker)).send(&server.management);
    for (expires, inherited) in [(json!(null), true), (json!("30d"), true), (json!("5m"), false)] {
        let made = make(&json!({"name": "made", "scopes": ["sessions:read"], "expires": expires})).expect(201).json();
        assert_eq!(made["expires_at"] == maker["expires_at"], inherited, "{made}");
    }
    let beyond = make(&json!({"name": "made", "scopes": ["sessions:write"]}));
    assert_eq!(beyond.expect(403).code(), "scope_missing");
}
