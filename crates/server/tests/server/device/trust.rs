//! Trust, check, list, rename, revoke: what a backend asks.

use super::{ask, check, delete, devices, events, get, json, reasons, refusal, send, server, text, trust};
use vestibule_testkit::{
    bounds::START,
    process::{Request, post, wait_for},
};

fn rename(id: &str, name: &str) -> Request {
    Request::new("PATCH", &format!("/v1/devices/{id}")).json(&json!({ "name": name }))
}

#[test]
fn a_device_is_trusted_listed_renamed_and_revoked() {
    let mut server = server();
    let phone = json!({"id": "phone-1", "fingerprint": "f1", "name": "Phone", "type": "mobile"});
    let trusted = trust(&server, "ada", &phone);
    assert!(text(&trusted, "device_token").starts_with("vd_"));
    let id = text(&trusted["device"], "id").to_owned();
    assert_eq!(trusted["device"]["name"], "Phone");
    assert_eq!(check(&server, "ada", &trusted), (true, None));
    let listed = devices(&server, "ada");
    assert_eq!(listed.len(), 1);
    for (field, value) in [("id", id.as_str()), ("device_id", "phone-1"), ("fingerprint", "f1"), ("type", "mobile")] {
        assert_eq!(listed[0][field], value);
    }
    assert!(listed[0]["last_used_at"].is_string() && listed[0]["expires_at"].is_string());
    let renamed = ask(&server, rename(&id, "Old phone")).expect(200).json();
    assert_eq!(renamed["device"]["name"], "Old phone");
    // What was answered is on disk.
    server.kill();
    server.restart();
    assert_eq!(devices(&server, "ada")[0]["name"], "Old phone");
    assert_eq!(check(&server, "ada", &trusted), (true, None));
    for _ in 0..2 {
        let _ = ask(&server, delete(&format!("/v1/devices/{id}"))).expect(204);
    }
    assert_eq!(refusal(&server, "ada", &trusted), "revoked");
    assert!(devices(&server, "ada").is_empty());
    assert_eq!(ask(&server, rename(&id, "Gone")).expect(404).code(), "device_missing");
    assert_eq!(events(&server, "ada", "device.trusted", 1)[0]["subject"], "ada");
    assert_eq!(reasons(&server, "ada", "device.revoked", 1), ["revoked"]);
    assert_eq!(reasons(&server, "ada", "device.refused", 1), ["revoked"]);
}

// S45
#[test]
fn a_token_is_refused_with_its_reason_and_an_event() {
    let server = server();
    let of_ada = trust(&server, "ada", &json!({"id": "phone"}));
    trust(&server, "bob", &json!({"id": "phone"}));
    assert_eq!(refusal(&server, "bob", &of_ada), "other_user");
    let brief = json!({"user_id": "ada", "device": {"id": "kiosk"}, "ttl": "50ms"});
    let brief = send(&server, "/v1/devices/trust", &brief).expect(201).json();
    wait_for(START, || (!check(&server, "ada", &brief).0).then_some(())).expect("a trust of 50 ms is over");
    assert_eq!(refusal(&server, "ada", &brief), "expired");
    for garbage in ["", "vd_", "vs_AAAA", "no token at all"] {
        assert_eq!(refusal(&server, "ada", &json!({ "device_token": garbage })), "unknown");
    }
    let garbage = json!({"user_id": "ada", "device_token": null});
    assert_eq!(send(&server, "/v1/devices/check", &garbage).expect(422).json()["field"], "device_token");
    let agent = json!({"user_id": "bob", "device_token": "vd_x", "ip": "192.0.2.9", "user_agent": "phone/1"});
    let _ = send(&server, "/v1/devices/check", &agent).expect(200);
    let of_bob = events(&server, "bob", "device.refused", 2);
    let told = of_bob.iter().find(|event| event["reason"] == "unknown").expect("the last one");
    assert_eq!((told["ip"].as_str(), told["user_agent"].as_str()), (Some("192.0.2.9"), Some("phone/1")));
    assert!(told["actor"].as_str().is_some_and(|actor| actor.starts_with("key:")), "{told}");
}

// S45
#[test]
fn disabling_ends_all_trust_and_enabling_revives_none() {
    let server = server();
    let trusted = trust(&server, "ada", &json!({"name": "Laptop"}));
    let _ = send(&server, "/v1/users/ada/disable", &json!({})).expect(200);
    let body = json!({"user_id": "ada", "device": {}});
    assert_eq!(send(&server, "/v1/devices/trust", &body).expect(403).code(), "user_disabled");
    let _ = send(&server, "/v1/users/ada/enable", &json!({})).expect(200);
    assert_eq!(refusal(&server, "ada", &trusted), "user_disabled");
    let again = trust(&server, "ada", &json!({"name": "Laptop"}));
    let _ = ask(&server, delete("/v1/users/ada")).expect(200);
    assert_eq!(refusal(&server, "ada", &again), "revoked");
}

#[test]
fn all_devices_of_a_user_are_revoked_at_once() {
    let server = server();
    for name in ["a", "b", "c"] {
        trust(&server, "ada", &json!({ "id": name }));
    }
    // The same device again replaces its token.
    trust(&server, "ada", &json!({"id": "a"}));
    assert_eq!(devices(&server, "ada").len(), 3);
    let revoked = ask(&server, delete("/v1/users/ada/devices")).expect(200).json();
    assert_eq!(revoked["revoked"], 3);
    assert!(devices(&server, "ada").is_empty());
    assert_eq!(ask(&server, delete("/v1/users/ada/devices")).expect(200).json()["revoked"], 0);
}

#[test]
fn a_trust_is_no_longer_than_policy() {
    let server = server();
    let long = json!({"user_id": "ada", "device": {"id": "a"}, "ttl": "3650d"});
    let long = send(&server, "/v1/devices/trust", &long).expect(201).json();
    let usual = trust(&server, "ada", &json!({"id": "b"}));
    let day = |trusted: &serde_json::Value| text(&trusted["device"], "expires_at")[..10].to_owned();
    assert_eq!(day(&long), day(&usual));
}

#[test]
fn bad_input_is_refused_with_its_field() {
    let server = server();
    for (body, field) in [
        (json!({"device": {}}), "user_id"),
        (json!({"user_id": "ada"}), "device"),
        (json!({"user_id": "a\u{0}", "device": {}}), "user_id"),
        (json!({"user_id": "ada", "device": {"id": ""}}), "device.id"),
        (json!({"user_id": "ada", "device": {"name": "x".repeat(257)}}), "device.name"),
        (json!({"user_id": "ada", "device": {}, "ttl": "0s"}), "ttl"),
        (json!({"user_id": "ada", "device": {}, "more": 1}), "more"),
    ] {
        assert_eq!(send(&server, "/v1/devices/trust", &body).expect(422).json()["field"], field, "{body}");
    }
    let id = text(&trust(&server, "ada", &json!({}))["device"], "id").to_owned();
    assert_eq!(ask(&server, rename(&id, "")).expect(422).json()["field"], "name");
    assert_eq!(ask(&server, rename("nonsense", "x")).expect(404).code(), "device_missing");
    let _ = ask(&server, delete("/v1/devices/nonsense")).expect(204);
}

// S99
#[test]
fn each_route_needs_its_scope() {
    let server = server();
    let key = send(&server, "/v1/keys", &json!({"name": "reader", "scopes": ["devices:read"]})).expect(201).json();
    let with = |request: Request| request.bearer(text(&key, "key")).send(&server.management).status;
    let (trust_body, check_body) = (json!({"user_id": "a", "device": {}}), json!({"user_id": "a", "device_token": "x"}));
    assert_eq!(with(post("/v1/devices/trust").json(&trust_body)), 403);
    assert_eq!(with(delete("/v1/devices/x")), 403);
    assert_eq!(with(delete("/v1/users/a/devices")), 403);
    assert_eq!(with(rename("x", "y")), 403);
    assert_eq!(with(post("/v1/devices/check").json(&check_body)), 200);
    assert_eq!(with(get("/v1/users/a/devices")), 200);
}
