//! When an imported session ends, and when its token stops being one.

use super::{HOUR_MS, TOKEN, accepting, forward, import, put, user_of};
use serde_json::json;
use vestibule_testkit::{
    bounds::START,
    process::{Redis, Server, ServerOptions, delete, post, wait_for},
};

fn imported(options: ServerOptions, left_ms: u64) -> Server {
    let (server, redis) = (Server::start(options), Redis::start());
    let value = json!({"user_id": "ada", "user_data": {"id": "ada"}});
    put(&redis, &format!("session:{TOKEN}"), value.to_string().as_bytes(), left_ms);
    let done = import(&server, &redis.url(), &["--layout", "build-yourself"]);
    assert_eq!(done["imported"], 1);
    server
}

#[test]
fn an_imported_session_ends_when_it_would_have_ended() {
    let server = imported(accepting(), 8_000);
    assert_eq!(user_of(&forward(&server, "session_id", TOKEN)), Some("ada"));
    let ended = wait_for(START, || (forward(&server, "session_id", TOKEN).status == 401).then_some(()));
    assert!(ended.is_some(), "it goes on after its end");
}

#[test]
fn an_imported_session_ends_with_all_of_its_user() {
    let server = imported(accepting(), HOUR_MS);
    assert_eq!(forward(&server, "session_id", TOKEN).status, 200);
    let ended = delete("/v1/users/ada/sessions").bearer(&server.key).send(&server.management).expect(200);
    assert_eq!(ended.json()["revoked"], 1);
    assert_eq!(forward(&server, "session_id", TOKEN).status, 401);
}

/// The session is there, but nobody asks a store for such a token.
#[test]
fn a_closed_window_takes_no_foreign_tokens() {
    for until in [None, Some("2020-01-01T00:00:00Z")] {
        let options =
            until.into_iter().fold(ServerOptions::default().env("VESTIBULE_STORE__TIMEOUT", "5s"), |options, until| {
                options.env("VESTIBULE_IMPORT__LEGACY_UNTIL", until)
            });
        let server = imported(options, HOUR_MS);
        assert_eq!(forward(&server, "session_id", TOKEN).status, 401);
        let listed = vestibule_testkit::process::get("/v1/users/ada/sessions").bearer(&server.key).send(&server.management);
        assert_eq!(listed.expect(200).json()["sessions"].as_array().map(Vec::len), Some(1));
    }
}

/// Backends validate old tokens too, and a rotation gives the session one of ours.
#[test]
fn a_backend_validates_old_tokens_and_rotates_them() {
    let server = imported(accepting().env("VESTIBULE_SESSIONS__ROTATION_OVERLAP", "1ms"), HOUR_MS);
    let validate =
        |token: &str| post("/v1/sessions/validate").bearer(&server.key).json(&json!({"token": token})).send(&server.management);
    let found = validate(TOKEN).expect(200).json();
    let id = found["session"]["id"].as_str().expect("an id");
    let rotated = post(&format!("/v1/sessions/{id}/rotate")).bearer(&server.key).send(&server.management).expect(200).json();
    let token = rotated["token"].as_str().expect("a token");
    assert!(token.starts_with("vs_"));
    assert_eq!(validate(token).status, 200);
    let refused = wait_for(START, || Some(validate(TOKEN)).filter(|answer| answer.status == 401));
    assert_eq!(refused.map(|answer| answer.code()), Some("session_revoked".to_owned()));
    assert_eq!(forward(&server, "vestibule_dev", token).status, 200);
}

/// Our own cookie counts, whatever old ones a browser still has.
#[test]
fn old_cookies_come_last_and_only_by_their_names() {
    let options = accepting().env("VESTIBULE_IMPORT__COOKIE_NAMES", "their.sid");
    let server = imported(options, HOUR_MS);
    assert_eq!(forward(&server, "session_id", TOKEN).status, 401);
    assert_eq!(user_of(&forward(&server, "their.sid", TOKEN)), Some("ada"));
    let created = post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "bob"})).send(&server.management);
    let token = created.expect(201).json()["token"].as_str().expect("a token").to_owned();
    let both = forward(&server, "their.sid", &format!("{TOKEN}; vestibule_dev={token}"));
    assert_eq!(user_of(&both), Some("bob"));
}
