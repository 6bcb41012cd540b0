//! Secrets that were handed out, looked for wherever the server writes.

use super::client::{Backend, known, text};
use crate::event::Listener;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, get, post};

const PASSWORD: &str = "nine purple lanterns over the quiet harbour";
const NEW_PASSWORD: &str = "seven copper kettles under the loud railway";

/// Everything secret that was handed out or handed in.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() > 16, "{what} is long enough to be searched for");
        self.0.push((what, secret.to_owned()));
    }

    fn add_session(&mut self, body: &Value) {
        self.add("session token", &text(&body["token"]));
        self.add("CSRF token", &text(&body["csrf_token"]));
    }

    fn add_cookie(&mut self, answer: &Response) -> String {
        let token = answer.cookie("vestibule_dev").expect("a session cookie").to_owned();
        self.add("session cookie", &token);
        self.add("CSRF token", &text(&answer.json()["csrf_token"]));
        token
    }

    /// What would betray a secret: its text, and of a token also what the text encodes, and the random part of that.
    fn needles(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut needles = Vec::new();
        for (what, secret) in &self.0 {
            needles.push((*what, secret.clone().into_bytes()));
            let encoded = ["vs_", "vh_", "vp_", "vn_", "vd_"].iter().find_map(|prefix| secret.strip_prefix(prefix));
            if let Some(Ok(raw)) = encoded.map(|encoded| URL_SAFE_NO_PAD.decode(encoded)) {
                needles.push((what, raw[13..45].to_vec()));
                needles.push((what, encoded.expect("it was decoded").as_bytes().to_vec()));
            }
        }
        needles
    }
}

/// Every file of the server's folder: record, log of the record, standard output and error.
fn files(server: &Server) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [server.data(), server.dir.path().to_path_buf()] {
        for entry in folder.read_dir().expect("readable").map(|entry| entry.expect("readable")) {
            if entry.path().is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.insert(name, std::fs::read(entry.path()).expect("readable"));
            }
        }
    }
    files
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn assert_absent(server: &Server, secrets: &Secrets) {
    for (name, bytes) in files(server) {
        for (what, needle) in secrets.needles() {
            assert!(!holds(&bytes, &needle), "a {what} stands in {name}");
        }
    }
}

/// What is told of events, in an export and to whoever follows them from the first one on.
fn assert_untold(server: &Server, secrets: &Secrets) {
    let export = server.command().args(["events", "export"]).output().expect("it runs").stdout;
    assert!(export.len() > 1_000, "there is something to search");
    let first =
        String::from_utf8_lossy(&export).lines().last().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let first = text(&first.expect("events")["id"]);
    let mut listener = Listener::open(server, "", Some(&first));
    let mut told = export.clone();
    for _ in 1..String::from_utf8_lossy(&export).lines().count() {
        told.extend(listener.next().expect("an event").to_string().into_bytes());
    }
    for (what, needle) in secrets.needles() {
        assert!(!holds(&told, &needle), "a {what} is told");
    }
}

fn browser(server: &Server, request: Request) -> Request {
    request.header("Origin", &server.public).header("Sec-Fetch-Site", "same-origin")
}

/// Registers, logs in and changes the password, as a browser does.
fn use_an_account(server: &Server, secrets: &mut Secrets) {
    secrets.add("password", PASSWORD);
    secrets.add("password", NEW_PASSWORD);
    let register = post("/auth/register").json(&json!({"email": "ada@example.com", "password": PASSWORD}));
    browser(server, register).send(&server.public).expect(201);
    let login = post("/auth/login").json(&json!({"email": "ada@example.com", "password": PASSWORD}));
    let answer = browser(server, login).send(&server.public).expect(200);
    let cookie = secrets.add_cookie(&answer);
    secrets.add("known device", answer.cookie("known-device").expect("a cookie of the device"));
    let change = post("/auth/password").json(&json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD}));
    let change = browser(server, change).cookie("vestibule_dev", &cookie);
    let changed = change.header("X-CSRF-Token", &text(&answer.json()["csrf_token"])).send(&server.public).expect(200);
    secrets.add_cookie(&changed);
    let wrong = post("/auth/login").json(&json!({"email": "ada@example.com", "password": PASSWORD}));
    browser(server, wrong).send(&server.public).expect(401);
    forget_the_password(server, &text(&answer.json()["user"]["id"]), secrets);
}

/// Asks for a new password and sets it; of two tokens one is left unused.
fn forget_the_password(server: &Server, user: &str, secrets: &mut Secrets) {
    browser(server, post("/auth/reset").json(&json!({"email": "ada@example.com"}))).send(&server.public).expect(202);
    for use_it in [true, false] {
        let open = post(&format!("/v1/users/{user}/reset")).bearer(&server.key).send(&server.management).expect(201);
        let token = text(&open.json()["token"]);
        secrets.add("reset token", &token);
        if use_it {
            let set = post("/auth/reset").json(&json!({"token": token, "new_password": PASSWORD}));
            browser(server, set).send(&server.public).expect(204);
        }
    }
}

/// Creates, logs in over a session, validates well and badly, and ends, as a backend does.
fn use_sessions(server: &Server, secrets: &mut Secrets) -> Vec<String> {
    let mut backend = Backend::of(server);
    let anonymous = backend.send(post("/v1/sessions").json(&json!({}))).expect("it is up").expect(201).json();
    secrets.add_session(&anonymous);
    let login = json!({"user_id": "bob", "replace_token": anonymous["token"]});
    let bob = known("bob", &backend.send(post("/v1/sessions").json(&login)).expect("it is up").expect(201));
    let other = backend.create("bob");
    for session in [&bob, &other] {
        secrets.add("session token", &session.token);
        secrets.add("CSRF token", &session.csrf);
        backend.validate(&session.token).expect(200);
    }
    hand_on(&mut backend, &bob.id, secrets);
    trust_a_device(&mut backend, secrets);
    backend.try_end(&other.id).expect("it is up").expect(204);
    backend.validate(&other.token).expect(401);
    // A token with one letter changed is as near to a secret as garbage gets.
    backend.validate(&bob.token.replacen("vs_", "vs-", 1)).expect(401);
    vec![bob.id, other.id]
}

/// Trusts a device, logs in on it, and has its token refused.
fn trust_a_device(backend: &mut Backend, secrets: &mut Secrets) {
    let mut ask =
        |path: &str, body: Value, status: u16| backend.send(post(path).json(&body)).expect("it is up").expect(status).json();
    let token = text(&ask("/v1/devices/trust", json!({"user_id": "bob", "device": {"id": "phone"}}), 201)["device_token"]);
    secrets.add("device token", &token);
    secrets.add_session(&ask("/v1/sessions", json!({"user_id": "bob", "device_token": token}), 201));
    secrets.add_session(&ask("/v1/sessions", json!({"user_id": "eve", "device_token": token}), 201));
    ask("/v1/devices/check", json!({"user_id": "eve", "device_token": token}), 200);
}

/// Rotates, steps up, shares and hands off: each makes a secret that is shown once.
fn hand_on(backend: &mut Backend, id: &str, secrets: &mut Secrets) {
    let mut ask = |path: &str, body: Value, status: u16| {
        let request = post(&format!("/v1/sessions/{path}")).json(&body);
        backend.send(request).expect("it is up").expect(status).json()
    };
    secrets.add_session(&ask(&format!("{id}/rotate"), json!({}), 200));
    secrets.add_session(&ask(&format!("{id}/step-up"), json!({"mfa": true}), 200));
    secrets.add("share's token", &text(&ask(&format!("{id}/share"), json!({"scope": ["read"], "ttl": "5m"}), 201)["token"]));
    let code = text(&ask(&format!("{id}/handoff"), json!({}), 201)["code"]);
    secrets.add("hand-off code", &code);
    secrets.add_session(&ask("redeem", json!({"code": code}), 201));
}

// S2, S91
#[test]
fn no_secret_is_found_in_the_record_or_the_logs() {
    let options = ServerOptions::default().env("VESTIBULE_LOG__LEVEL", "debug");
    let mut server = Server::start(options);
    let mut secrets = Secrets(Vec::new());
    secrets.add("management key", &server.key);
    secrets.add("secret of the deployment", server.secret());
    use_an_account(&server, &mut secrets);
    let ids = use_sessions(&server, &mut secrets);

    assert_absent(&server, &secrets);
    assert!(server.stderr().contains("DEBUG"), "there is a log to search");
    // The search finds what is there: an id's own part, which is no secret.
    let serial = &URL_SAFE_NO_PAD.decode(&ids[0]["ses_".len()..]).expect("an id")[12..24];
    assert!(files(&server).iter().any(|(name, bytes)| name.starts_with("vestibule.db") && holds(bytes, serial)));
    assert_untold(&server, &secrets);
    assert!(server.terminate().success());
    assert_absent(&server, &secrets);
    server.restart();
    assert_absent(&server, &secrets);
}

// S16
#[test]
fn lists_show_ids_and_never_tokens() {
    let server = Server::start(ServerOptions::default());
    let mut backend = Backend::of(&server);
    let sessions: Vec<_> = (0..3).map(|_| backend.create("ada")).collect();
    let foreign = backend.create("bob");
    let list = backend.send(get("/v1/users/ada/sessions")).expect("it is up").expect(200).text();
    for session in &sessions {
        assert!(list.contains(&session.id));
        assert!(!list.contains(&session.token[3..]) && !list.contains(&session.csrf));
    }
    assert!(!list.contains(&foreign.id));
}
