//! Saying the password again.

use super::{Browser, PASSWORD, create, is_valid, manage, register, text};
use serde_json::json;
use vestibule_testkit::process::{Response, Server, ServerOptions, delete, get, post};

/// A browser with a session of the account whose proof of identity is long ago.
fn stale<'a>(server: &'a Server, user: &str) -> Browser<'a> {
    let session = json!({"user_id": user, "auth_time": "2026-01-01T00:00:00Z", "amr": ["sso"], "mfa": false});
    let created = create(server, &session);
    let mut browser = Browser::new(server);
    browser.cookie = Some(text(&created, "token").to_owned());
    browser.csrf_token = text(&created, "csrf_token").to_owned();
    browser
}

fn step_up(browser: &mut Browser<'_>, password: &str) -> Response {
    browser.send(post("/auth/step-up").json(&json!({"password": password})))
}

// S17, S5
#[test]
fn the_password_opens_what_needs_a_recent_proof() {
    super::on_each_form(&ServerOptions::default(), |server| {
        let user = text(&register(server, "ada@example.com").expect(201).json()["user"], "id").to_owned();
        let mut other = Browser::logged_in(server, "ada@example.com");
        let other_id = other.session_id();
        let mut browser = stale(server, &user);
        let (id, before) = (browser.session_id(), browser.token().to_owned());
        let end_other = || delete(&format!("/auth/sessions/{other_id}"));
        assert_eq!(browser.send(end_other()).expect(403).code(), "step_up_required");

        assert_eq!(step_up(&mut browser, "not the right password").expect(400).code(), "wrong_password");
        assert_eq!(browser.send(end_other()).expect(403).code(), "step_up_required");
        let csrf_token = browser.csrf_token.clone();
        let proved = step_up(&mut browser, PASSWORD).expect(200).json();
        assert_ne!(browser.token(), before);
        assert_ne!(browser.csrf_token, csrf_token);
        assert_eq!((text(&proved["session"], "id"), &proved["session"]["amr"]), (id.as_str(), &json!(["sso", "pwd"])));
        assert_eq!(proved["session"]["mfa"], false, "a password is one factor, however often it is said");
        let _ = browser.send(end_other()).expect(204);
        assert!(!is_valid(server, other.token()));
    });
}

// S33, S49: only the user themselves, and only from our own pages.
#[test]
fn nobody_else_proves_who_a_user_is() {
    let server = Server::start(ServerOptions::default());
    let user = text(&register(&server, "ada@example.com").expect(201).json()["user"], "id").to_owned();
    let mut browser = stale(&server, &user);
    let proof = || post("/auth/step-up").json(&json!({"password": PASSWORD}));
    assert_eq!(browser.bare(proof()).send(&server.public).expect(403).code(), "csrf_failed");
    let foreign = proof().header("Origin", "https://evil.example");
    assert_eq!(browser.send(foreign).expect(403).code(), "csrf_failed");
    assert_eq!(proof().send(&server.public).expect(401).code(), "unauthenticated");
    assert_eq!(browser.send(post("/auth/step-up").json(&json!({}))).expect(400).code(), "wrong_password");

    let acted = create(&server, &json!({"user_id": user, "actor": {"user_id": "support"}}));
    let mut support = Browser::new(&server);
    support.cookie = Some(text(&acted, "token").to_owned());
    support.csrf_token = text(&acted, "csrf_token").to_owned();
    assert_eq!(support.send(proof()).expect(403).code(), "impersonation_forbidden");
    let change = json!({"current_password": PASSWORD, "new_password": "seven green parrots sing"});
    assert_eq!(support.send(post("/auth/password").json(&change)).expect(403).code(), "impersonation_forbidden");
    assert_eq!(support.send(delete("/auth/sessions")).expect(403).code(), "impersonation_forbidden");
}

/// Whoever logs users in by other means proves them by other means.
#[test]
fn a_user_without_an_account_has_no_password_to_say() {
    let server = Server::start(ServerOptions::default());
    let mut browser = stale(&server, "ada");
    assert_eq!(step_up(&mut browser, PASSWORD).expect(404).code(), "user_missing");
    let id = browser.session_id();
    let _ = manage(&server, post(&format!("/v1/sessions/{id}/step-up")).json(&json!({"mfa": false}))).expect(200);
    let _ = manage(&server, get(&format!("/v1/sessions/{id}"))).expect(200);
}
