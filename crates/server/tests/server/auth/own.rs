//! A user's own sessions.

use super::{Browser, COOKIE, CSRF, create, events, is_valid, text, validate};
use serde_json::json;
use vestibule_testkit::process::{Server, ServerOptions, delete, get, post};

/// S16: only one's own, the current one marked, and no token or digest anywhere.
#[test]
fn a_list_shows_ones_own_and_no_token() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let phone = Browser::logged_in(&server, "ada@example.com");
    let other = Browser::of(&server, "bob@example.com");
    let current = browser.session_id();
    let answer = browser.send(get("/auth/sessions")).expect(200);
    let body = answer.json();
    let sessions = body["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        assert_eq!(session["current"], json!(text(session, "id") == current));
        assert_eq!(session["user_id"], sessions[0]["user_id"]);
    }
    for token in [browser.token(), phone.token(), other.token()] {
        assert!(!answer.text().contains(token) && !answer.text().contains(&token[20..40]), "{}", answer.text());
    }
    assert!(!answer.text().contains("digest"), "{}", answer.text());
}

#[test]
fn ending_another_own_session_ends_it_alone() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let mut phone = Browser::logged_in(&server, "ada@example.com");
    let mut other = Browser::of(&server, "bob@example.com");
    let (phone_id, foreign) = (phone.session_id(), other.session_id());
    let refused = browser.send(delete(&format!("/auth/sessions/{foreign}"))).expect(404);
    assert_eq!(refused.code(), "session_missing");
    let _ = browser.send(delete("/auth/sessions/nonsense")).expect(404);
    assert_eq!(browser.send(delete("/auth/sessions/%ff")).expect(400).code(), "invalid_request");
    let _ = browser.send(delete(&format!("/auth/sessions/{phone_id}"))).expect(204);
    let _ = phone.me().expect(401);
    let _ = browser.me().expect(200);
    let _ = other.me().expect(200);
    let _ = browser.send(delete(&format!("/auth/sessions/{phone_id}"))).expect(404);
}

#[test]
fn all_or_all_others_end() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let _phone = Browser::logged_in(&server, "ada@example.com");
    let _tablet = Browser::logged_in(&server, "ada@example.com");
    let answer = browser.send(delete("/auth/sessions?except=current")).expect(200);
    assert_eq!(answer.json()["revoked"], 2);
    let _ = browser.me().expect(200);
    let _ = browser.send(delete("/auth/sessions?except=what")).expect(422);
    let answer = browser.send(delete("/auth/sessions")).expect(200);
    assert_eq!(answer.json()["revoked"], 1);
    assert_eq!(answer.cookie(COOKIE), Some(""));
    let _ = browser.me().expect(401);
}

/// S17: ending another own session needs a recent proof of identity; ending the current one does not.
#[test]
fn an_old_proof_of_identity_ends_no_other_session() {
    let server = Server::start(ServerOptions::default());
    let long_ago = "2020-01-01T00:00:00Z";
    let old = create(&server, &json!({"user_id": "ada", "auth_time": long_ago}));
    let other = create(&server, &json!({"user_id": "ada"}));
    let mut browser = Browser::new(&server);
    browser.cookie = Some(text(&old, "token").to_owned());
    browser.csrf_token = text(&old, "csrf_token").to_owned();
    for path in [format!("/auth/sessions/{}", text(&other["session"], "id")), "/auth/sessions".to_owned()] {
        let refused = browser.send(delete(&path)).expect(403);
        assert_eq!(refused.code(), "step_up_required");
        assert!(refused.header("www-authenticate").is_some_and(|hint| hint.contains("max_age=\"900\"")), "{refused:?}");
    }
    assert!(is_valid(&server, text(&other, "token")));
    let _ = browser.send(delete(&format!("/auth/sessions/{}", text(&old["session"], "id")))).expect(204);
}

/// S48: whoever was given a share sees that share and no other session, and can do nothing unsafe with it.
#[test]
fn a_share_sees_itself_alone() {
    let server = Server::start(ServerOptions::default());
    let own = create(&server, &json!({"user_id": "ada", "data": {"private": true}}));
    let path = format!("/v1/sessions/{}/share", text(&own["session"], "id"));
    let share = super::manage(&server, post(&path).json(&json!({"scope": ["read"], "ttl": "5m"}))).expect(201).json();
    let token = text(&share, "token");
    let listed = get("/auth/sessions").cookie(COOKIE, token).send(&server.public).expect(200).json();
    let sessions = listed["sessions"].as_array().expect("a list");
    assert_eq!((sessions.len(), &sessions[0]["id"]), (1, &share["session"]["id"]), "{listed}");
    for request in [
        delete(&format!("/auth/sessions/{}", text(&own["session"], "id"))),
        delete("/auth/sessions"),
        post("/auth/password").json(&json!({"current_password": "x", "new_password": "seven green parrots sing"})),
    ] {
        for request in
            [request.clone().cookie(COOKIE, token), request.cookie(COOKIE, token).header(CSRF, text(&own, "csrf_token"))]
        {
            request.send(&server.public).expect(403);
        }
    }
    assert!(is_valid(&server, text(&own, "token")));
}

/// S49: an impersonation neither ends sessions nor changes a password.
#[test]
fn who_is_not_the_user_decides_nothing_for_them() {
    let server = Server::start(ServerOptions::default());
    let own = create(&server, &json!({"user_id": "ada"}));
    let acting = create(&server, &json!({"user_id": "ada", "actor": {"user_id": "support-7"}}));
    assert_eq!(acting["session"]["actor"]["user_id"], "support-7");
    let own_id = text(&own["session"], "id");
    for (request, code) in [
        (delete(&format!("/auth/sessions/{own_id}")), "impersonation_forbidden"),
        (delete("/auth/sessions"), "impersonation_forbidden"),
        (
            post("/auth/password").json(&json!({"current_password": "x", "new_password": "seven green parrots sing"})),
            "impersonation_forbidden",
        ),
    ] {
        let request = request.cookie(COOKIE, text(&acting, "token")).header(CSRF, text(&acting, "csrf_token"));
        let refused = request.send(&server.public).expect(403);
        assert_eq!(refused.code(), code);
    }
    assert!(is_valid(&server, text(&own, "token")));
}

/// S41, S42: another address is an event, a step-up or a refusal, as configured; another one of the same network is nothing.
#[test]
fn an_address_is_bound_as_configured() {
    for (mode, status, code) in [("log", 200, ""), ("step_up", 403, "step_up_required"), ("strict", 401, "ip_mismatch")] {
        let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__IP_BINDING", mode));
        let created = create(&server, &json!({"user_id": "ada", "ip": "192.0.2.10"}));
        let token = text(&created, "token");
        for near in ["192.0.2.10", "192.0.2.200", "::ffff:192.0.2.7"] {
            assert_eq!(validate(&server, &json!({"token": token, "ip": near})).status, 200, "{mode} {near}");
        }
        assert!(events(&server, "ada").iter().all(|(kind, _)| kind != "session.binding_mismatch"));
        let answer = validate(&server, &json!({"token": token, "ip": "198.51.100.1"})).expect(status);
        assert_eq!(answer.code(), code, "{mode}");
        let noted = vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || {
            events(&server, "ada").iter().any(|(kind, _)| kind == "session.binding_mismatch").then_some(())
        });
        assert!(noted.is_some(), "{mode}: {:?}", events(&server, "ada"));
        assert_eq!(validate(&server, &json!({"token": token, "ip": "192.0.2.11"})).status, 200, "the session has not ended");
    }
}

/// S42: the same for IPv6, by /64.
#[test]
fn an_ipv6_network_is_one_address() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__IP_BINDING", "strict"));
    let created = create(&server, &json!({"user_id": "ada", "ip": "2001:db8:1:2::1"}));
    let token = text(&created, "token");
    assert_eq!(validate(&server, &json!({"token": token, "ip": "2001:db8:1:2:ffff::9"})).status, 200);
    assert_eq!(validate(&server, &json!({"token": token, "ip": "2001:db8:1:3::1"})).code(), "ip_mismatch");
}

/// A logout works from anywhere, whatever the binding says: nobody gains anything by it.
#[test]
fn a_bound_session_is_ended_from_anywhere() {
    for mode in ["step_up", "strict"] {
        let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__IP_BINDING", mode));
        let created = create(&server, &json!({"user_id": "ada", "ip": "192.0.2.10"}));
        let mut browser = Browser::new(&server);
        browser.cookie = Some(text(&created, "token").to_owned());
        browser.csrf_token = text(&created, "csrf_token").to_owned();
        let answer = browser.send(post("/auth/logout")).expect(204);
        assert_eq!(answer.cookie(COOKIE), Some(""));
        let listed = super::manage(&server, get("/v1/users/ada/sessions")).expect(200).json();
        assert_eq!(listed["sessions"], json!([]), "{mode}");
    }
}
