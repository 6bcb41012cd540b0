//! A user's own devices: by cookie, on the public listener.

use super::{ask, devices, events, get, json, refusal, send, server, text, trust};
use serde_json::Value;
use vestibule_testkit::process::{Request, Response, Server, delete, post};

const SESSION: &str = "vestibule_dev";
const DEVICE: &str = "trusted-device";
const PASSWORD: &str = "four brown foxes jump";

/// A browser with a session, and perhaps a device token.
struct Browser<'a> {
    server: &'a Server,
    session: String,
    csrf_token: String,
    device: Option<String>,
}

impl<'a> Browser<'a> {
    /// One whose session the backend began, after a login of its own.
    fn of(server: &'a Server, login: &Value) -> Self {
        let issued = send(server, "/v1/sessions", login).expect(201).json();
        Self {
            server,
            session: text(&issued, "token").to_owned(),
            csrf_token: text(&issued, "csrf_token").to_owned(),
            device: None,
        }
    }

    fn send(&mut self, request: Request) -> Response {
        let request = request.cookie(SESSION, &self.session).header("X-CSRF-Token", &self.csrf_token);
        let request = self.device.iter().fold(request, |request, token| request.cookie(DEVICE, token));
        let answer = request.send(&self.server.public);
        match answer.cookie(DEVICE) {
            Some("") => self.device = None,
            Some(token) => self.device = Some(token.to_owned()),
            None => {}
        }
        answer
    }

    fn trust(&mut self) -> Response {
        self.send(post("/auth/devices").json(&json!({"name": "My laptop"})))
    }

    fn list(&mut self) -> Vec<Value> {
        self.send(get("/auth/devices")).expect(200).json()["devices"].as_array().expect("a list").clone()
    }
}

#[test]
fn a_user_trusts_a_browser_and_ends_it() {
    let server = server();
    let mut browser = Browser::of(&server, &json!({"user_id": "ada", "mfa": true}));
    let answer = browser.trust().expect(201);
    let token = browser.device.clone().expect("a cookie");
    assert!(token.starts_with("vd_") && !answer.text().contains(&token), "the token is in the cookie only");
    let id = text(&answer.json()["device"], "id").to_owned();
    let of_event = events(&server, "ada", "device.trusted", 1);
    assert_eq!((&of_event[0]["actor"], of_event[0]["session_id"].is_string()), (&json!("ada"), true));
    trust(&server, "ada", &json!({"name": "Phone"}));
    let listed = browser.list();
    let current: Vec<_> = listed.iter().map(|device| device["current"] == true).collect();
    assert_eq!(current, [true, false]);
    let renamed = Request::new("PATCH", &format!("/auth/devices/{id}")).json(&json!({"name": "Work"}));
    assert_eq!(browser.send(renamed).expect(200).json()["device"]["name"], "Work");
    // The same browser again has another token, and its trust is still one.
    let _ = browser.trust().expect(201);
    assert_eq!(browser.list().len(), 2);
    assert_eq!(refusal(&server, "ada", &json!({ "device_token": token })), "replaced");
    let id = text(&browser.list()[1], "id").to_owned();
    let _ = browser.send(delete(&format!("/auth/devices/{id}"))).expect(204);
    assert_eq!(browser.device, None, "its own token is cleared");
    assert_eq!(browser.send(delete("/auth/devices")).expect(200).json()["revoked"], 1);
    assert!(devices(&server, "ada").is_empty());
}

/// A password alone must not open the way around the second factor.
#[test]
fn only_a_fresh_second_factor_is_remembered() {
    let server = server();
    let mut password_only = Browser::of(&server, &json!({"user_id": "ada"}));
    assert_eq!(password_only.trust().expect(403).code(), "step_up_required");
    let login = json!({"user_id": "ada", "mfa": true, "auth_time": "2026-01-01T00:00:00Z"});
    assert_eq!(Browser::of(&server, &login).trust().expect(403).code(), "step_up_required");
    assert!(devices(&server, "ada").is_empty());
}

// S33, S48, S49
#[test]
fn nobody_else_touches_a_users_devices() {
    let server = server();
    let of_bob = trust(&server, "bob", &json!({"name": "Phone"}));
    let id = text(&of_bob["device"], "id").to_owned();
    let mut ada = Browser::of(&server, &json!({"user_id": "ada", "mfa": true}));
    assert_eq!(ada.send(delete(&format!("/auth/devices/{id}"))).expect(404).code(), "device_missing");
    ada.csrf_token.clear();
    assert_eq!(ada.trust().expect(403).code(), "csrf_failed");
    assert_eq!(ada.send(delete("/auth/devices")).expect(403).code(), "csrf_failed");
    let helpdesk = json!({"user_id": "bob", "mfa": true, "actor": {"user_id": "helpdesk"}});
    let mut helpdesk = Browser::of(&server, &helpdesk);
    assert_eq!(helpdesk.trust().expect(403).code(), "impersonation_forbidden");
    assert_eq!(helpdesk.send(delete("/auth/devices")).expect(403).code(), "impersonation_forbidden");
    let parent = send(&server, "/v1/sessions", &json!({"user_id": "bob"})).expect(201).json();
    let target = format!("/v1/sessions/{}/share", text(&parent["session"], "id"));
    let share = send(&server, &target, &json!({"scope": ["read"], "ttl": "1h"})).expect(201).json();
    let answer = get("/auth/devices").cookie(SESSION, text(&share, "token")).send(&server.public);
    assert_eq!(answer.expect(403).code(), "share_forbidden");
    assert_eq!(get("/auth/devices").send(&server.public).expect(401).code(), "unauthenticated");
    assert_eq!(devices(&server, "bob").len(), 1);
}

// S50
#[test]
fn a_browser_is_new_at_its_first_login() {
    let server = server();
    let account = json!({"email": "ada@example.com", "password": PASSWORD});
    let user = post("/auth/register").json(&account).send(&server.public).expect(201).json();
    let user = text(&user["user"], "id").to_owned();
    let log_in = |known: Option<&str>| {
        let request = post("/auth/login").json(&account);
        let request = known.into_iter().fold(request, |request, token| request.cookie("known-device", token));
        request.send(&server.public).expect(200).cookie("known-device").expect("a cookie").to_owned()
    };
    let known = log_in(None);
    let known = log_in(Some(&known));
    let _ = log_in(Some(&known));
    events(&server, &user, "device.new", 1);
    let _ = log_in(None);
    events(&server, &user, "device.new", 2);
}

// S44, S45
#[test]
fn a_login_presents_the_device_until_the_password_changes() {
    let server = server();
    let account = json!({"email": "ada@example.com", "password": PASSWORD});
    let user = post("/auth/register").json(&account).send(&server.public).expect(201).json();
    let user = text(&user["user"], "id").to_owned();
    let trusted = trust(&server, &user, &json!({"name": "Laptop"}));
    let log_in = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password});
        let request = post("/auth/login").json(&body).cookie(DEVICE, text(&trusted, "device_token"));
        request.send(&server.public).expect(200)
    };
    let answer = log_in(PASSWORD);
    assert!(answer.json()["session"]["amr"].as_array().is_some_and(|amr| amr.contains(&json!("trusted_device"))));
    assert_eq!(answer.json()["session"]["mfa"], false);
    let (cookie, csrf_token) = (answer.cookie(SESSION).expect("a session").to_owned(), answer.json());
    let change = json!({"current_password": PASSWORD, "new_password": "five grey foxes rest"});
    let request = post("/auth/password").json(&change).cookie(SESSION, &cookie);
    let _ = request.header("X-CSRF-Token", text(&csrf_token, "csrf_token")).send(&server.public).expect(200);
    let amr = log_in("five grey foxes rest").json()["session"]["amr"].clone();
    assert!(amr.as_array().is_some_and(|amr| !amr.contains(&json!("trusted_device"))), "{amr}");
    assert_eq!(events(&server, &user, "device.refused", 1)[0]["reason"], "password_changed");
    assert_eq!(refusal(&server, &user, &trusted), "password_changed");
    let _ = ask(&server, get(&format!("/v1/users/{user}/devices"))).expect(200);
}
