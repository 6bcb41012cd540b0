//! A forgotten password: the backend fetches a token and sends it, its user sets a new password.

use super::{Browser, PASSWORD, create, is_valid, manage, on_each_form, register, text};
use serde_json::{Value, json};
use std::thread;
use vestibule_testkit::{
    bounds::START,
    process::{Response, Server, ServerOptions, get, post, wait_for},
};

const NEW: &str = "seven green parrots sing";

fn id(browser: &mut Browser<'_>) -> String {
    text(&browser.me().expect(200).json()["user"], "id").to_owned()
}

fn registered(server: &Server, email: &str) -> String {
    text(&register(server, email).expect(201).json()["user"], "id").to_owned()
}

fn fetch(server: &Server, user: &str, body: &Value) -> Value {
    manage(server, post(&format!("/v1/users/{user}/reset")).json(body)).expect(201).json()
}

fn token(server: &Server, user: &str) -> String {
    text(&fetch(server, user, &json!({})), "token").to_owned()
}

fn ask(server: &Server, email: &str) -> Response {
    post("/auth/reset").json(&json!({"email": email})).send(&server.public)
}

fn set(server: &Server, token: &str, password: &str) -> Response {
    post("/auth/reset").json(&json!({"token": token, "new_password": password})).send(&server.public)
}

fn requests(server: &Server, user: &str) -> usize {
    let kinds = super::events(server, user);
    kinds.iter().filter(|(kind, _)| kind == "user.reset_requested").count()
}

// S87
#[test]
fn a_token_sets_a_new_password_once_and_ends_all_sessions() {
    on_each_form(&ServerOptions::default(), |server| {
        let mut browser = Browser::of(server, "ada@example.com");
        let other = Browser::logged_in(server, "ada@example.com");
        let user = id(&mut browser);
        assert_eq!(ask(server, "Ada@Example.com").expect(202).headers_named("set-cookie").len(), 0);
        assert!(
            wait_for(START, || (requests(server, &user) == 1).then_some(())).is_some(),
            "{:?}",
            super::events(server, &user)
        );
        let token = token(server, &user);
        assert!(token.starts_with("vp_"), "{token}");
        assert!(is_valid(server, browser.token()), "asking ends nothing");

        let weak = set(server, &token, "short").expect(422);
        assert_eq!((weak.code().as_str(), weak.json()["field"].as_str()), ("weak_password", Some("new_password")));
        let done = set(server, &token, NEW).expect(204);
        assert!(done.headers_named("set-cookie").is_empty(), "a token logs nobody in");
        assert!(!is_valid(server, browser.token()) && !is_valid(server, other.token()));
        let _ = Browser::new(server).log_in("ada@example.com", PASSWORD).expect(401);
        let _ = Browser::new(server).log_in("ada@example.com", NEW).expect(200);
        assert_eq!(set(server, &token, PASSWORD).expect(400).code(), "reset_invalid");
        let _ = Browser::new(server).log_in("ada@example.com", NEW).expect(200);

        let all = manage(server, get(&format!("/v1/users/{user}/events"))).expect(200).text();
        for kind in ["user.reset_requested", "user.reset_issued", "user.password_changed"] {
            assert!(all.contains(kind), "no {kind} in {all}");
        }
        // After the prefix and the user's tag, which the ids of sessions show too.
        assert!(!all.contains(&token[19..36]), "an event holds the token");
    });
}

// S14
#[test]
fn a_new_password_ends_the_tokens_from_before() {
    on_each_form(&ServerOptions::default(), |server| {
        let mut browser = Browser::of(server, "ada@example.com");
        let user = id(&mut browser);
        let issue = |body: Value| manage(server, post("/v1/tokens").json(&body)).expect(201).json();
        let refresh = |issued: &Value| {
            let body = json!({"refresh_token": issued["refresh_token"]});
            manage(server, post("/v1/tokens/refresh").json(&body))
        };
        let verify = |issued: &Value| {
            let body = json!({"token": issued["access_token"]});
            manage(server, post("/v1/tokens/verify").json(&body)).status
        };
        let session = browser.session_id();
        let (own, apart) = (issue(json!({"session_id": session})), issue(json!({"user_id": user})));
        let change = json!({"current_password": PASSWORD, "new_password": NEW});
        let _ = browser.send(post("/auth/password").json(&change)).expect(200);
        assert_eq!((verify(&apart), refresh(&apart).expect(400).code().as_str()), (401, "token_revoked"));
        assert_eq!(verify(&own), 200, "the session that changed the password goes on, and what belongs to it");

        let again = issue(json!({"user_id": user}));
        let _ = set(server, &token(server, &user), PASSWORD).expect(204);
        for issued in [&own, &again] {
            assert_eq!((verify(issued), refresh(issued).expect(400).code().as_str()), (401, "token_revoked"));
        }
        assert_eq!(verify(&issue(json!({"user_id": user}))), 200);
    });
}

// S87
#[test]
fn a_newer_token_and_a_changed_password_void_the_one_before() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let user = id(&mut browser);
    let (first, second) = (token(&server, &user), token(&server, &user));
    assert_eq!(set(&server, &first, NEW).expect(400).code(), "reset_invalid");
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let _ = browser.send(post("/auth/password").json(&change)).expect(200);
    assert_eq!(set(&server, &second, PASSWORD).expect(400).code(), "reset_invalid");
    let third = token(&server, &user);
    let _ = set(&server, &third, PASSWORD).expect(204);
}

// S87
#[test]
fn a_token_lives_ten_minutes_at_most() {
    let server = Server::start(ServerOptions::default());
    let user = registered(&server, "ada@example.com");
    let before = vestibule::time::Clock::system().now();
    for asked in [json!({}), json!({"ttl": "7d"})] {
        let expires_at = fetch(&server, &user, &asked);
        let expires_at = vestibule::time::Timestamp::parse(text(&expires_at, "expires_at")).expect("a time");
        let life_ms = expires_at.since_ms(before);
        assert!((600_000..620_000).contains(&life_ms), "{life_ms} ms for {asked}");
    }
    let short = fetch(&server, &user, &json!({"ttl": "1ms"}));
    assert_eq!(set(&server, text(&short, "token"), NEW).expect(400).code(), "reset_invalid");
}

// S87
#[test]
fn of_many_that_come_with_one_token_one_is_served() {
    on_each_form(&ServerOptions::default(), |server| {
        let user = registered(server, "ada@example.com");
        let token = token(server, &user);
        let set = |n: usize| set(server, &token, &format!("{NEW} number {n}")).status;
        let statuses: Vec<u16> = thread::scope(|scope| {
            let racers: Vec<_> = (0..8).map(|n| scope.spawn(move || set(n))).collect();
            racers.into_iter().map(|racer| racer.join().expect("no panic")).collect()
        });
        let winners: Vec<usize> = (0..8).filter(|n| statuses[*n] == 204).collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [204, 400].contains(status)), "{statuses:?}");
        let _ = Browser::new(server).log_in("ada@example.com", &format!("{NEW} number {}", winners[0])).expect(200);
    });
}

// S84
#[test]
fn asking_tells_nobody_who_has_an_account() {
    let server = Server::start(ServerOptions::default());
    let off = registered(&server, "off@example.com");
    let _ = registered(&server, "ada@example.com");
    let _ = manage(&server, post(&format!("/v1/users/{off}/disable"))).expect(200);
    for email in ["ada@example.com", "off@example.com", "nobody@example.com", "not an address", ""] {
        let answer = ask(&server, email).expect(202);
        assert_eq!((answer.text().as_str(), answer.header("cache-control")), ("{}", Some("no-store")), "{email}");
    }
}

/// Each request that is noted may become a mail.
#[test]
fn nobody_can_have_somebody_flooded_with_mail() {
    let server = Server::start(ServerOptions::default());
    let user = registered(&server, "ada@example.com");
    for n in 0..10 {
        let body = json!({"email": "ada@example.com"});
        let request = post("/auth/reset").json(&body).header("X-Forwarded-For", &format!("203.0.113.{n}"));
        let _ = request.send(&server.public).expect(202);
    }
    // Events of one process are written in order, so what comes after is there when they are.
    let _ = Browser::new(&server).log_in("ada@example.com", "not the right password").expect(401);
    let failed = || super::events(&server, &user).iter().any(|(kind, _)| kind == "login.failed").then_some(());
    assert!(wait_for(START, failed).is_some());
    assert_eq!(requests(&server, &user), 3);
}

// S87: the second factor is asked for as before.
#[test]
fn a_new_password_is_no_second_factor() {
    let server = Server::start(ServerOptions::default());
    let user = registered(&server, "ada@example.com");
    let _ = set(&server, &token(&server, &user), NEW).expect(204);
    let mut browser = Browser::new(&server);
    assert_eq!(browser.log_in("ada@example.com", NEW).expect(200).json()["session"]["mfa"], false);
    let question = get("/forward-auth?mfa=required")
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "http")
        .header("X-Forwarded-Host", "app.example.com")
        .header("X-Forwarded-Uri", "/");
    assert_eq!(browser.bare(question).send(&server.public).expect(403).code(), "step_up_required");
}

// S95
#[test]
fn what_is_no_request_is_refused_with_its_field() {
    let server = Server::start(ServerOptions::default());
    for (body, field) in [
        (json!({}), "email"),
        (json!({"email": 7}), "email"),
        (json!({"email": "ada@example.com", "token": "vp_x"}), "email"),
        (json!({"token": "vp_x"}), "new_password"),
        (json!({"new_password": NEW}), "token"),
        (json!({"email": "ada@example.com", "user": "ada"}), "user"),
    ] {
        let refused = post("/auth/reset").json(&body).send(&server.public).expect(422);
        assert_eq!((refused.code().as_str(), refused.json()["field"].as_str()), ("invalid_field", Some(field)), "{body}");
    }
    let session = create(&server, &json!({"user_id": "ada"}));
    for garbage in ["", "vp_", "garbage", text(&session, "token"), &"x".repeat(5_000)] {
        assert_eq!(set(&server, garbage, NEW).expect(400).code(), "reset_invalid");
    }
    let foreign = post("/auth/reset").json(&json!({"email": "ada@example.com"})).header("Origin", "https://evil.example");
    assert_eq!(foreign.send(&server.public).expect(403).code(), "csrf_failed");
}

#[test]
fn only_accounts_have_tokens_and_only_with_the_right_key() {
    let server = Server::start(ServerOptions::default());
    let reset = || post("/v1/users/ada/reset");
    assert_eq!(manage(&server, reset()).expect(404).code(), "user_missing");
    let _ = create(&server, &json!({"user_id": "ada"}));
    assert_eq!(manage(&server, reset()).expect(404).code(), "user_missing", "a user of another system has no password here");
    let reader = manage(&server, post("/v1/keys").json(&json!({"name": "r", "scopes": ["users:read"]}))).expect(201).json();
    assert_eq!(reset().bearer(text(&reader, "key")).send(&server.management).expect(403).code(), "scope_missing");
    let ephemeral = Server::start(ServerOptions::default().arg("--ephemeral"));
    assert_eq!(manage(&ephemeral, reset()).expect(501).code(), "record_required");
    assert_eq!(ask(&ephemeral, "ada@example.com").expect(501).code(), "record_required");
}

#[test]
fn the_command_line_fetches_a_token() {
    let server = Server::start(ServerOptions::default());
    let user = registered(&server, "ada@example.com");
    let run = |args: &[&str]| server.command().args(args).output().expect("it runs");
    let done = run(&["users", "reset", &user, "--ttl", "5m", "--json"]);
    assert!(done.status.success(), "{done:?}");
    let answer: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let _ = set(&server, text(&answer, "token"), NEW).expect(204);
    let plain = run(&["users", "reset", &user]);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("vp_"), "{plain:?}");
    assert_eq!(run(&["users", "reset", "nobody"]).status.code(), Some(1));
}
