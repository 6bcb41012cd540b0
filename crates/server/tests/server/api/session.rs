//! One session: its changes, its children, its end.

use super::{ask, create, delete, get, id, patch, post, send, server, validate};
use serde_json::json;

// S22
#[test]
fn data_is_patched_against_a_revision() {
    let server = server();
    let issued = create(&server, "alice");
    let (target, revision) = (format!("/v1/sessions/{}/data", id(&issued)), issued["session"]["revision"].clone());
    let tag = format!("\"{revision}\"");
    let first = patch(&server, &target, Some(&tag), &json!({"cart": {"a": 1}})).expect(200);
    let now = first.json()["session"]["revision"].clone();
    assert_eq!(first.header("etag"), Some(format!("\"{now}\"").as_str()));
    let second = patch(&server, &target, Some(&tag), &json!({"cart": null})).expect(412);
    assert_eq!(second.code(), "version_conflict");
    let merged = patch(&server, &target, None, &json!({"seen": true})).expect(200).json();
    assert_eq!(merged["session"]["data"], json!({"cart": {"a": 1}, "seen": true}));
    for tag in ["7", "W/\"1\"", "\"x\"", "\"1\", \"2\""] {
        let refused = patch(&server, &target, Some(tag), &json!({})).expect(422);
        assert_eq!(refused.json()["field"], "If-Match", "{tag}");
    }
}

// S5 S34
#[test]
fn a_rotation_keeps_the_id_and_repeats_by_revision() {
    let server = server();
    let issued = create(&server, "alice");
    let target = format!("/v1/sessions/{}/rotate", id(&issued));
    let tag = format!("\"{}\"", issued["session"]["revision"]);
    let rotate = || ask(&server, post(&target).header("If-Match", &tag)).expect(200).json();
    let (first, again) = (rotate(), rotate());
    assert_eq!(id(&first), id(&issued));
    assert_ne!(first["token"], issued["token"]);
    assert_ne!(first["csrf_token"], issued["csrf_token"]);
    assert_eq!((&first["token"], &first["csrf_token"]), (&again["token"], &again["csrf_token"]));
    let stepped = send(&server, &format!("/v1/sessions/{}/step-up", id(&issued)), &json!({"mfa": true, "amr": ["otp"]}));
    let stepped = stepped.expect(200).json();
    assert_eq!((&stepped["session"]["mfa"], &stepped["session"]["amr"]), (&json!(true), &json!(["otp"])));
    let wrong = json!({"token": stepped["token"], "method": "POST", "csrf_token": first["csrf_token"]});
    assert_eq!(send(&server, "/v1/sessions/validate", &wrong).expect(403).code(), "csrf_failed");
}

#[test]
fn a_session_is_amended_extended_and_noted() {
    let server = server();
    let issued = create(&server, "alice");
    let target = format!("/v1/sessions/{}", id(&issued));
    let amended = patch(&server, &target, None, &json!({"roles": ["admin"]})).expect(200).json();
    assert_eq!(amended["session"]["roles"], json!(["admin"]));
    let old = patch(&server, &target, Some("\"999\""), &json!({"roles": []})).expect(412);
    assert_eq!(old.code(), "version_conflict");
    assert_eq!(patch(&server, &target, None, &json!({"profile": "none"})).expect(422).json()["field"], "profile");
    let extended = send(&server, &format!("{target}/extend"), &json!({"ttl": "1h"})).expect(200).json();
    assert_eq!(id(&extended), id(&issued));
    let _ = ask(&server, post(&format!("{target}/extend"))).expect(200);
    let _ = send(&server, &format!("{target}/activity"), &json!({"activity": "looked at the cart"})).expect(204);
    let seen = ask(&server, get(&target)).expect(200).json();
    assert_eq!(seen["session"]["activity"][0]["activity"], "looked at the cart");
}

// S48
#[test]
fn a_share_ends_with_its_parent() {
    let server = server();
    let parent = create(&server, "alice");
    let body = json!({"scope": ["read"], "ttl": "5m", "label": "guest"});
    let share = send(&server, &format!("/v1/sessions/{}/share", id(&parent)), &body).expect(201).json();
    assert_eq!((&share["session"]["parent_id"], &share["session"]["scope"]), (&parent["session"]["id"], &json!(["read"])));
    assert!(share.get("csrf_token").is_none());
    let nested = send(&server, &format!("/v1/sessions/{}/share", id(&share)), &body).expect(403);
    assert_eq!(nested.code(), "share_nested");
    let raised = send(&server, &format!("/v1/sessions/{}/step-up", id(&share)), &json!({"mfa": true})).expect(403);
    assert_eq!(raised.code(), "share_forbidden");
    let share = ask(&server, post(&format!("/v1/sessions/{}/rotate", id(&share)))).expect(200).json();
    assert_eq!((&share["csrf_token"], validate(&server, &share["token"]).status), (&json!(null), 200));
    let _ = ask(&server, delete(&format!("/v1/sessions/{}", id(&parent)))).expect(204);
    assert_eq!(validate(&server, &share["token"]).expect(401).code(), "session_revoked");
}

// S47
#[test]
fn a_hand_off_code_is_taken_once() {
    let server = server();
    let issued = create(&server, "alice");
    let code = ask(&server, post(&format!("/v1/sessions/{}/handoff", id(&issued)))).expect(201).json();
    assert!(code["expires_at"].is_string());
    let redeem = || send(&server, "/v1/sessions/redeem", &json!({"code": code["code"], "ip": "192.0.2.1"}));
    let redeemed = redeem().expect(201).json();
    assert_eq!(redeemed["session"]["user_id"], "alice");
    let _ = validate(&server, &redeemed["token"]).expect(200);
    assert_eq!(redeem().expect(400).code(), "handoff_invalid");
}

// S49
#[test]
fn an_impersonation_does_not_nest() {
    let server = server();
    let body = json!({"user_id": "alice", "actor": {"user_id": "admin"}});
    let first = send(&server, "/v1/sessions", &body).expect(201).json();
    assert_eq!(first["session"]["actor"]["user_id"], "admin");
    let nested = json!({"user_id": "bob", "actor": {"user_id": "alice", "session_id": first["session"]["id"]}});
    assert_eq!(send(&server, "/v1/sessions", &nested).expect(403).code(), "impersonation_nested");
    let share = send(&server, &format!("/v1/sessions/{}/share", id(&first)), &json!({"scope": ["read"], "ttl": "5m"}));
    assert_eq!(share.expect(403).code(), "impersonation_forbidden");
}

#[test]
fn csrf_is_checked_on_unsafe_and_unknown_methods_only() {
    let server = server();
    let issued = create(&server, "alice");
    for (method, csrf, status) in [
        ("GET", None, 200),
        ("GET", Some("wrong"), 200),
        ("POST", None, 403),
        ("POST", Some("wrong"), 403),
        ("PROPFIND", None, 403),
        ("POST", issued["csrf_token"].as_str(), 200),
    ] {
        let body = json!({"token": issued["token"], "method": method, "csrf_token": csrf});
        assert_eq!(send(&server, "/v1/sessions/validate", &body).status, status, "{method} {csrf:?}");
    }
}

#[test]
fn what_ended_is_missing_and_ends_again() {
    let server = server();
    let issued = create(&server, "alice");
    let target = format!("/v1/sessions/{}", id(&issued));
    for _ in 0..2 {
        let _ = ask(&server, delete(&target)).expect(204);
    }
    let _ = ask(&server, delete("/v1/sessions/nonsense")).expect(204);
    assert_eq!(ask(&server, get(&target)).expect(404).code(), "session_missing");
    for (end, body) in [
        ("rotate", json!({})),
        ("step-up", json!({"mfa": true})),
        ("extend", json!({})),
        ("activity", json!({"activity": "x"})),
        ("share", json!({"scope": ["read"], "ttl": "1m"})),
        ("handoff", json!({})),
    ] {
        assert_eq!(send(&server, &format!("{target}/{end}"), &body).expect(404).code(), "session_missing", "{end}");
    }
}
