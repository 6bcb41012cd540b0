//! Each command does what it says.

use super::{finish, json, run, server, stderr, stdout, text};

fn member<'a>(value: &'a serde_json::Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn a_session_is_started_checked_turned_and_ended() {
    let server = server();
    let created = json(&server, &["sessions", "create", "--user", "u/1", "--role", "admin", "--data", "{\"a\":1}"]);
    let (token, id) = (member(&created, "/token"), member(&created, "/session/id"));
    assert!(text(&server, &["sessions", "list", "--user", "u/1"]).contains(id));
    assert!(text(&server, &["sessions", "get", id]).contains("admin"));
    let piped = finish(server.command().args(["sessions", "validate", "-", "--json"]), &format!("{token}\n"));
    assert_eq!(piped.status.code(), Some(0), "{piped:?}");
    let kept = finish(server.command().args(["sessions", "validate"]).env("VESTIBULE_TOKEN", token), "");
    assert!(stdout(&kept).contains("u/1"), "{kept:?}");

    let extended = json(&server, &["sessions", "extend", id, "--ttl", "20m"]);
    assert_eq!(member(&extended, "/session/id"), id);
    let rotated = json(&server, &["sessions", "rotate", id]);
    assert_ne!(member(&rotated, "/token"), token);
    assert_eq!(json(&server, &["sessions", "end", id]), serde_json::json!({}));
    let refused = finish(server.command().args(["sessions", "validate", "-", "--json"]), member(&rotated, "/token"));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn a_session_is_changed() {
    let server = server();
    let created = json(&server, &["sessions", "create", "--user", "u1", "--role", "admin", "--data", r#"{"a":1,"b":2}"#]);
    let id = member(&created, "/session/id");
    let changed =
        json(&server, &["sessions", "patch", id, "--data", r#"{"a":null,"c":3}"#, "--role", "editor", "--role", "author"]);
    assert_eq!(changed["session"]["data"], serde_json::json!({"b": 2, "c": 3}));
    assert_eq!(changed["session"]["roles"], serde_json::json!(["editor", "author"]));
    let revision = changed["session"]["revision"].to_string();
    let none = json(&server, &["sessions", "patch", id, "--no-roles", "--data", r#"{"d":4}"#, "--revision", &revision]);
    assert_eq!((&none["session"]["roles"], &none["session"]["data"]["d"]), (&serde_json::json!([]), &serde_json::json!(4)));
    let late = run(&server, &["sessions", "patch", id, "--data", "{}", "--revision", &revision]);
    assert!(late.status.code() == Some(1) && stderr(&late).contains("version_conflict"), "{late:?}");
    let nothing = run(&server, &["sessions", "patch", id]);
    assert!(nothing.status.code() == Some(1) && stderr(&nothing).contains("nothing to change"), "{nothing:?}");

    let stepped = json(&server, &["sessions", "step-up", id, "--mfa", "--amr", "otp"]);
    assert_eq!(stepped["session"]["mfa"], true);
    assert_ne!(member(&stepped, "/token"), member(&created, "/token"));
    assert!(text(&server, &["sessions", "activity", id, "opened invoice 7"]).contains(id));
    let noted = json(&server, &["sessions", "get", id]);
    assert!(noted["session"]["activity"].to_string().contains("opened invoice 7"), "{noted}");
}

#[test]
fn a_session_has_children() {
    let server = server();
    let created = json(&server, &["sessions", "create", "--user", "u1"]);
    let id = member(&created, "/session/id");
    let share = json(&server, &["sessions", "share", id, "--scope", "orders:read", "--ttl", "5m", "--label", "for Bert"]);
    assert_eq!((member(&share, "/session/parent_id"), member(&share, "/session/label")), (id, "for Bert"));
    let handed = json(&server, &["sessions", "handoff", id, "--ttl", "30s"]);
    let code = member(&handed, "/code");
    let argued = run(&server, &["sessions", "redeem", code]);
    assert!(argued.status.code() == Some(1) && !stderr(&argued).contains(code), "{argued:?}");
    let redeemed = finish(server.command().args(["sessions", "redeem", "-", "--json"]), &format!("{code}\n"));
    assert!(stdout(&redeemed).contains("\"u1\""), "{redeemed:?}");
    let again = finish(server.command().args(["sessions", "redeem"]).env("VESTIBULE_CODE", code), "");
    assert!(again.status.code() == Some(1) && stderr(&again).contains("handoff_invalid"), "{again:?}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let server = server();
    for _ in 0..3 {
        json(&server, &["sessions", "create", "--user", "u1"]);
    }
    for dry in [
        ["sessions", "revoke", "--user", "u1", "--dry-run"].as_slice(),
        &["users", "logout", "u1", "--dry-run"],
        &["users", "disable", "u1", "--dry-run"],
        &["users", "delete", "u1", "--dry-run"],
    ] {
        assert_eq!(json(&server, dry)["matched"], 3, "{dry:?}");
        assert!(text(&server, dry).contains('3'), "{dry:?}");
    }
    let kept = json(&server, &["users", "sessions", "u1"]);
    let kept = member(&kept, "/sessions/0/id");
    assert_eq!(json(&server, &["users", "logout", "u1", "--except", kept])["revoked"], 2);
    assert_eq!(json(&server, &["sessions", "revoke", "--user", "u1"])["revoked"], 1);
}

#[test]
fn a_user_is_disabled_enabled_looked_at_and_deleted() {
    let server = server();
    json(&server, &["sessions", "create", "--user", "u1"]);
    assert_eq!(json(&server, &["users", "disable", "u1"])["revoked"], 1);
    json(&server, &["users", "enable", "u1"]);
    json(&server, &["sessions", "create", "--user", "u1"]);
    assert_eq!(json(&server, &["users", "analytics", "u1"])["active"], 1);
    assert!(text(&server, &["users", "history", "u1"]).contains("ses_"));
    assert!(text(&server, &["users", "events", "u1", "--type", "session.created"]).contains("session.created"));
    let page = json(&server, &["events", "list", "--limit", "1"]);
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    let more = json(&server, &["events", "list", "--limit", "1", "--cursor", member(&page, "/next_cursor")]);
    assert_ne!(member(&more, "/events/0/id"), member(&page, "/events/0/id"));
    json(&server, &["users", "delete", "u1"]);
    assert_eq!(text(&server, &["users", "sessions", "u1"]), "no sessions\n");
}

#[test]
fn a_key_is_made_used_and_deleted() {
    let server = server();
    let created = json(&server, &["keys", "create", "shop", "--scope", "keys:read", "--expires", "30d"]);
    let (id, key) = (member(&created, "/id"), member(&created, "/key"));
    let listed = finish(server.command().args(["keys", "list"]).env("VESTIBULE_KEY", key), "");
    assert!(stdout(&listed).contains("shop") && !stdout(&listed).contains(key), "{listed:?}");
    json(&server, &["keys", "delete", id]);
    let refused = finish(server.command().args(["keys", "list"]).env("VESTIBULE_KEY", key), "");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn the_server_is_looked_at() {
    let server = server();
    json(&server, &["sessions", "create", "--user", "u1"]);
    assert_eq!(json(&server, &["stats"])["sessions"], 1);
    assert_eq!(json(&server, &["health"])["status"], "ok");
    assert!(text(&server, &["health", "store"]).contains("ok"));
    assert!(json(&server, &["openapi"])["paths"].is_object());
    assert!(json(&server, &["config", "check"]).is_object());
    assert!(text(&server, &["config", "default"]).contains("[sessions]"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&server, &["completions", shell]).contains("vestibule"), "{shell}");
    }
}

#[test]
fn load_is_measured_and_leaves_nothing() {
    let server = server();
    for work in ["validate", "create"] {
        let report = json(&server, &["bench", work, "--concurrency", "2", "--duration", "200ms"]);
        assert!(report["requests"].as_u64() > Some(0) && report["failed"] == 0, "{report}");
        assert!(report["p50_ms"].as_f64() <= report["p99_ms"].as_f64(), "{report}");
        assert_eq!(json(&server, &["stats"])["sessions"], 0, "sessions of the load are left");
    }
}
