//! Register, log in, log out, change the password.

use super::{Browser, PASSWORD, events, is_valid, manage, register, text};
use serde_json::json;
use vestibule_testkit::process::{Server, ServerOptions, delete, get, post};

#[test]
fn an_account_is_registered_once_whatever_the_case_of_its_address() {
    let server = Server::start(ServerOptions::default());
    let body = json!({"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"});
    let answer = post("/auth/register").json(&body).send(&server.public).expect(201);
    let user = &answer.json()["user"];
    assert_eq!((text(user, "email"), text(user, "name")), ("ada@example.com", "Ada"));
    assert!(text(user, "id").starts_with("usr_"));
    assert!(answer.headers_named("set-cookie").is_empty(), "registering logs nobody in");
    let taken = register(&server, "ADA@EXAMPLE.COM").expect(409);
    assert_eq!(taken.code(), "email_taken");
    let _ = Browser::new(&server).log_in("aDa@eXample.com", PASSWORD).expect(200);
}

/// S32, S31: the token of a browser is in its cookie and nowhere else, and no cache keeps the answer.
#[test]
fn a_login_by_cookie_shows_no_token() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let mut browser = Browser::new(&server);
    let answer = browser.log_in("ada@example.com", PASSWORD).expect(200);
    assert!(!answer.text().contains(browser.token()), "{}", answer.text());
    assert!(!answer.text().contains("vs_"), "{}", answer.text());
    for answer in [answer, browser.me(), browser.send(get("/auth/sessions"))] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let body = browser.me().expect(200).json();
    assert_eq!(body["user"]["email"], "ada@example.com");
    assert_eq!(body["session"]["user_id"], body["user"]["id"]);
    assert!(is_valid(&server, browser.token()));
}

/// S4: a login takes the place of the session before it, which may be anonymous.
#[test]
fn a_login_replaces_the_session_before_it() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let anonymous = super::create(&server, &json!({"data": {"basket": [1]}}));
    assert_eq!(anonymous["session"]["user_id"], json!(null));
    let mut browser = Browser::new(&server);
    browser.cookie = Some(text(&anonymous, "token").to_owned());
    let mut known = vec![(browser.token().to_owned(), text(&anonymous["session"], "id").to_owned())];
    for _ in 0..2 {
        let _ = browser.log_in("ada@example.com", PASSWORD).expect(200);
        let id = browser.session_id();
        assert!(known.iter().all(|(token, old)| token != browser.token() && *old != id));
        for (token, _) in &known {
            assert!(!is_valid(&server, token), "a session from before the login is still valid");
        }
        known.push((browser.token().to_owned(), id));
    }
}

/// S84: unknown address, wrong password, no address at all and a disabled user get one answer.
#[test]
fn a_refused_login_tells_nothing() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let off = register(&server, "off@example.com").expect(201).json();
    let disable = format!("/v1/users/{}/disable", text(&off["user"], "id"));
    let _ = manage(&server, post(&disable)).expect(200);
    let mut seen = Vec::new();
    for (email, password) in [
        ("ada@example.com", "not the right password"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("off@example.com", PASSWORD),
    ] {
        let answer = Browser::new(&server).log_in(email, password).expect(401);
        assert_eq!(answer.code(), "invalid_credentials");
        assert!(answer.headers_named("set-cookie").is_empty());
        let mut body = answer.json();
        body["request_id"] = json!(null);
        seen.push(body);
    }
    assert!(seen.iter().all(|body| *body == seen[0]), "{seen:?}");
}

/// S11, S30: after a logout the token is refused everywhere, and the cookie is cleared.
#[test]
fn a_logout_ends_the_session_at_once() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_PUBLIC__CLEAR_SITE_DATA", "true"));
    let mut browser = Browser::of(&server, "ada@example.com");
    let token = browser.token().to_owned();
    let answer = browser.send(post("/auth/logout")).expect(204);
    assert!(answer.header("clear-site-data").is_some_and(|value| value.contains("\"cookies\"")));
    let cleared = answer.header("set-cookie").expect("the cookie is cleared");
    assert!(cleared.starts_with("vestibule_dev=;") && cleared.contains("Max-Age=0") && cleared.contains("Path=/"), "{cleared}");
    assert!(!is_valid(&server, &token));
    let _ = browser.me().expect(401);
    // Nobody there any more: the browser may forget all the same.
    let _ = post("/auth/logout").send(&server.public).expect(204);
}

/// S14, S87: a change of password needs the current one, ends the others and gives the current session another token.
#[test]
fn a_changed_password_ends_the_other_sessions() {
    const NEW: &str = "seven green parrots sing";
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let other = Browser::logged_in(&server, "ada@example.com");
    let before = browser.token().to_owned();
    let id = browser.session_id();
    for body in [json!({"current_password": "not the right password", "new_password": NEW}), json!({"new_password": NEW})] {
        let answer = browser.send(post("/auth/password").json(&body)).expect(400);
        assert_eq!(answer.code(), "wrong_password");
    }
    assert!(is_valid(&server, other.token()), "nothing has changed yet");
    let answer =
        browser.send(post("/auth/password").json(&json!({"current_password": PASSWORD, "new_password": NEW}))).expect(200);
    assert_eq!(answer.json()["revoked"], 1);
    assert_ne!(browser.token(), before);
    assert!(!is_valid(&server, &before) && !is_valid(&server, other.token()));
    assert_eq!(browser.session_id(), id);
    let _ = browser.send(post("/auth/logout")).expect(204);
    let _ = Browser::new(&server).log_in("ada@example.com", PASSWORD).expect(401);
    let _ = Browser::new(&server).log_in("ada@example.com", NEW).expect(200);
}

/// S79, S80: short and common passwords, and those that repeat the address, are refused with reasons.
#[test]
fn a_weak_password_is_refused_with_its_reasons() {
    let server = Server::start(ServerOptions::default());
    for weak in ["tiny", "password12345678", "123456789012345", "ada@example.com!"] {
        let body = json!({"email": "ada@example.com", "password": weak});
        let answer = post("/auth/register").json(&body).send(&server.public).expect(422);
        let problem = answer.json();
        assert_eq!((text(&problem, "code"), text(&problem, "field")), ("weak_password", "password"));
        assert!(!problem["reasons"].as_array().expect("reasons").is_empty(), "{problem}");
        assert!(!answer.text().contains(weak), "{}", answer.text());
    }
}

/// S78, S81: long passwords of any script, in either normal form.
#[test]
fn a_password_may_be_long_and_of_any_script() {
    let server = Server::start(ServerOptions::default());
    let long = "Grüße aus dem Süden, ".repeat(6);
    let composed = "cafe\u{301} noir très chaud";
    for (email, password, same) in
        [("long@example.com", long.as_str(), long.as_str()), ("nfc@example.com", composed, "caf\u{e9} noir tre\u{300}s chaud")]
    {
        let _ = post("/auth/register").json(&json!({"email": email, "password": password})).send(&server.public).expect(201);
        let _ = Browser::new(&server).log_in(email, same).expect(200);
    }
    let cut: String = long.chars().take(72).collect();
    let _ = Browser::new(&server).log_in("long@example.com", &format!("{cut}another end of it")).expect(401);
}

/// S88: whoever finds a fresh server has no credential that works.
#[test]
fn no_default_credential_works() {
    let server = Server::start(ServerOptions::default());
    for (email, password) in [
        ("admin", "admin"),
        ("admin@example.com", "password"),
        ("admin@localhost", "changeme"),
        ("root@localhost", "root"),
        ("", ""),
    ] {
        let _ = Browser::new(&server).log_in(email, password).expect(401);
    }
    for key in ["", "admin", "vestibule", "vk_", "changeme", "secret"] {
        let answer = get("/v1/keys").bearer(key).send(&server.management).expect(401);
        assert_eq!(answer.code(), "key_invalid", "{key}");
    }
    let _ = get("/v1/keys").send(&server.management).expect(401);
}

/// S13: whoever is disabled or deleted has no session any more, and enabling brings none back.
#[test]
fn a_disabled_or_deleted_user_is_out() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let user = text(&browser.me().json()["user"], "id").to_owned();
    let disabled = manage(&server, post(&format!("/v1/users/{user}/disable"))).expect(200);
    assert_eq!(disabled.json()["revoked"], 1);
    assert!(!is_valid(&server, browser.token()));
    let _ = browser.me().expect(401);
    let enabled = manage(&server, post(&format!("/v1/users/{user}/enable")));
    assert!((200..300).contains(&enabled.status), "{enabled:?}");
    assert!(!is_valid(&server, browser.token()), "enabling revives nothing");
    let mut browser = Browser::logged_in(&server, "ada@example.com");
    let deleted = manage(&server, delete(&format!("/v1/users/{user}")));
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    let _ = browser.me().expect(401);
    let _ = Browser::new(&server).log_in("ada@example.com", PASSWORD).expect(401);
    let _ = register(&server, "ada@example.com").expect(201);
}

/// S89: what an account does is in its timeline, with who, from where and in which request.
#[test]
fn a_login_and_a_failed_one_are_events() {
    let server = Server::start(ServerOptions::default());
    let mut browser = Browser::of(&server, "ada@example.com");
    let user = text(&browser.me().json()["user"], "id").to_owned();
    let request =
        post("/auth/login").header("User-Agent", "test/1").json(&json!({"email": "ada@example.com", "password": "wrong"}));
    let refused = request.send(&server.public).expect(401);
    let _ = browser.send(post("/auth/logout")).expect(204);
    let failed = vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || {
        events(&server, &user).iter().any(|(kind, _)| kind == "login.failed").then_some(())
    });
    assert!(failed.is_some(), "{:?}", events(&server, &user));
    let all: Vec<String> = events(&server, &user).into_iter().map(|(kind, _)| kind).collect();
    for kind in ["session.ended", "login.succeeded", "session.created", "user.registered"] {
        assert!(all.iter().any(|seen| seen == kind), "no {kind} in {all:?}");
    }
    let body = manage(&server, get(&format!("/v1/users/{user}/events?type=login.failed"))).expect(200).json();
    let event = &body["events"][0];
    assert_eq!((text(event, "ip"), text(event, "user_agent")), ("127.0.0.1", "test/1"));
    assert_eq!(event["request_id"].as_str(), refused.header("x-request-id"));
}

#[test]
fn without_a_record_there_are_no_accounts() {
    let server = Server::start(ServerOptions::default().arg("--ephemeral"));
    let answer = register(&server, "ada@example.com").expect(501);
    assert_eq!(answer.code(), "record_required");
    let created = super::create(&server, &json!({"user_id": "ada"}));
    let mut browser = Browser::new(&server);
    browser.cookie = Some(text(&created, "token").to_owned());
    assert_eq!(browser.me().expect(200).json()["user"]["id"], "ada");
}
