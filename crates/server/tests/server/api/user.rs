//! Users: lists, history, figures, events, and being disabled or erased. Figures of all.

use super::{ask, create, delete, get, id, post, send, server, validate};
use serde_json::json;

// S16
#[test]
fn lists_are_paged_and_hold_no_token() {
    let server = server();
    let issued: Vec<_> = (0..3).map(|_| create(&server, "alice")).collect();
    let _ = create(&server, "bob");
    let first = ask(&server, get("/v1/users/alice/sessions?limit=2")).expect(200);
    for session in &issued {
        assert!(!first.text().contains(session["token"].as_str().expect("a token")));
    }
    let first = first.json();
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let rest = ask(&server, get(&format!("/v1/users/alice/sessions?limit=2&cursor={cursor}"))).expect(200).json();
    assert!(rest.get("next_cursor").is_none());
    let of = |page: &serde_json::Value| -> Vec<String> {
        let sessions = page["sessions"].as_array().expect("sessions");
        sessions.iter().map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
    };
    let mut listed = [of(&first), of(&rest)].concat();
    let mut made: Vec<_> = issued.iter().map(id).collect();
    listed.sort();
    made.sort();
    assert_eq!(listed, made);
}

// S15
#[test]
fn counts_of_revokes_are_what_turned_invalid() {
    let server = server();
    let issued: Vec<_> = (0..3).map(|_| create(&server, "alice")).collect();
    let filter = json!({"filter": {"user_id": "alice", "except": [issued[0]["session"]["id"]]}, "dry_run": true});
    let dry = send(&server, "/v1/sessions/revoke", &filter).expect(200).json();
    assert_eq!((&dry["matched"], &dry["revoked"]), (&json!(2), &json!(0)));
    let _ = validate(&server, &issued[1]["token"]).expect(200);
    let kept = format!("/v1/users/alice/sessions?except={}", id(&issued[0]));
    assert_eq!(ask(&server, delete(&kept)).expect(200).json()["revoked"], 2);
    let _ = validate(&server, &issued[0]["token"]).expect(200);
    let _ = validate(&server, &issued[1]["token"]).expect(401);
    let rest = send(&server, "/v1/sessions/revoke", &json!({"filter": {"user_id": "alice"}})).expect(200).json();
    assert_eq!((&rest["matched"], &rest["revoked"]), (&json!(1), &json!(1)));
    // Exceptions alone would mean everybody else.
    for filter in [json!({}), json!({"except": [issued[0]["session"]["id"]]})] {
        let empty = send(&server, "/v1/sessions/revoke", &json!({ "filter": filter })).expect(422);
        assert_eq!(empty.json()["field"], "filter");
    }
}

/// A cursor leads to something.
#[test]
fn a_full_last_page_is_the_last() {
    let server = server();
    for _ in 0..4 {
        let _ = create(&server, "alice");
    }
    let _ = ask(&server, delete("/v1/users/alice/sessions")).expect(200);
    for (list, member) in
        [("/v1/users/alice/history?limit=2", "sessions"), ("/v1/users/alice/events?type=session.created&limit=2", "events")]
    {
        let first = ask(&server, get(list)).expect(200).json();
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let last = ask(&server, get(&format!("{list}&cursor={cursor}"))).expect(200).json();
        let count = |page: &serde_json::Value| page[member].as_array().map(Vec::len);
        assert_eq!((count(&first), count(&last)), (Some(2), Some(2)), "{list}");
        assert!(last.get("next_cursor").is_none(), "{last}");
    }
}

// S13
#[test]
fn a_disabled_user_has_no_sessions_until_enabled() {
    let server = server();
    let issued = create(&server, "alice");
    assert_eq!(ask(&server, post("/v1/users/alice/disable")).expect(200).json()["revoked"], 1);
    let _ = validate(&server, &issued["token"]).expect(401);
    let refused = send(&server, "/v1/sessions", &json!({"user_id": "alice"})).expect(403);
    assert_eq!(refused.code(), "user_disabled");
    let _ = ask(&server, post("/v1/users/alice/enable")).expect(200);
    let _ = validate(&server, &issued["token"]).expect(401);
    let again = create(&server, "alice");
    assert_eq!(ask(&server, delete("/v1/users/alice")).expect(200).json()["revoked"], 1);
    let _ = validate(&server, &again["token"]).expect(401);
}

#[test]
fn history_figures_and_events_tell_what_was() {
    let server = server();
    let (first, second) = (create(&server, "alice"), create(&server, "alice"));
    for issued in [&first, &second] {
        let _ = ask(&server, delete(&format!("/v1/sessions/{}", id(issued))).header("X-Request-Id", "req-1")).expect(204);
    }
    let page = ask(&server, get("/v1/users/alice/history?limit=1")).expect(200).json();
    assert_eq!((&page["sessions"][0]["id"], &page["sessions"][0]["end_reason"]), (&second["session"]["id"], &json!("revoked")));
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let rest = ask(&server, get(&format!("/v1/users/alice/history?cursor={cursor}"))).expect(200).json();
    assert_eq!((&rest["sessions"][0]["id"], rest["sessions"].as_array().map(Vec::len)), (&first["session"]["id"], Some(1)));
    let figures = ask(&server, get("/v1/users/alice/analytics")).expect(200).json();
    assert_eq!((&figures["active"], &figures["total"]), (&json!(0), &json!(2)));
    let events = ask(&server, get("/v1/users/alice/events?type=session.ended")).expect(200).json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(2));
    assert_eq!((&events["events"][0]["request_id"], &events["events"][0]["actor"]), (&json!("req-1"), &json!("key:bootstrap")));
    let all = ask(&server, get("/v1/events?limit=1")).expect(200).json();
    assert!(all["next_cursor"].is_string());
    let none = ask(&server, get("/v1/events?until=2020-01-01T00:00:00Z")).expect(200).json();
    assert_eq!(none["events"], json!([]));
    assert_eq!(ask(&server, get("/v1/stats")).expect(200).json()["created_total"], 2);
}
