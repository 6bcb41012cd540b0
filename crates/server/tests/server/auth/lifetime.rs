//! How long sessions live. The policies are short, and a test waits for what it expects, not for a time.

use super::{create, events, is_valid, manage, text, validate};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vestibule_testkit::{
    bounds::START,
    process::{Server, ServerOptions, get, wait_for},
};

fn ended_because(server: &Server, user: &str, reason: &str) -> bool {
    let noted = || {
        let all = events(server, user);
        all.iter().any(|(kind, why)| kind == "session.expired" && why == reason).then_some(())
    };
    wait_for(START, noted).is_some()
}

/// S7: who rests too long is out, and the timeline says that it was for resting.
#[test]
fn a_resting_session_ends_as_idle() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__IDLE_TIMEOUT", "1s"));
    let created = create(&server, &json!({"user_id": "ada"}));
    assert!(ended_because(&server, "ada", "idle"), "{:?}", events(&server, "ada"));
    let refused = validate(&server, &json!({"token": text(&created, "token")})).expect(401);
    assert_eq!(refused.code(), "session_expired_idle");
    let id = text(&created["session"], "id");
    let history = manage(&server, get("/v1/users/ada/history")).expect(200).json();
    let ended = &history["sessions"][0];
    assert_eq!((text(ended, "id"), text(ended, "end_reason")), (id, "idle"));
}

/// S8: use keeps no session beyond its lifetime.
#[test]
fn a_session_in_constant_use_ends_as_absolute() {
    let server = Server::start(
        ServerOptions::default()
            .env("VESTIBULE_SESSIONS__IDLE_TIMEOUT", "1s")
            .env("VESTIBULE_SESSIONS__LIFETIME", "2s")
            .env("VESTIBULE_SESSIONS__TOUCH_THROTTLE", "100ms"),
    );
    let start = Instant::now();
    let created = create(&server, &json!({"user_id": "ada"}));
    let token = text(&created, "token");
    let refused = wait_for(START, || Some(validate(&server, &json!({"token": token}))).filter(|answer| answer.status != 200));
    assert!(start.elapsed() >= Duration::from_millis(1_900), "it was in use all the time: {:?}", start.elapsed());
    assert_eq!(refused.expect("it ends").code(), "session_expired_absolute");
    assert!(ended_because(&server, "ada", "absolute"), "{:?}", events(&server, "ada"));
}

fn seconds_between(from: &Value, to: &Value) -> i64 {
    let parse = |time: &Value| -> i64 {
        let text = time.as_str().unwrap_or_else(|| panic!("no time: {time}"));
        let clock: Vec<i64> = text[11..19].split(':').map(|part| part.parse().expect("a number")).collect();
        let day: i64 = text[8..10].parse().expect("a day");
        ((day * 24 + clock[0]) * 60 + clock[1]) * 60 + clock[2]
    };
    parse(to) - parse(from)
}

/// S9, S10: what is asked for is cut at the policy; a hundred uses within the throttle are one.
#[test]
fn a_hundred_uses_within_the_throttle_move_the_deadline_once_at_most() {
    let server = Server::start(ServerOptions::default());
    let created = create(&server, &json!({"user_id": "ada", "lifetime": "20h", "idle_timeout": "20h"}));
    let session = &created["session"];
    assert_eq!(seconds_between(&session["created_at"], &session["idle_expires_at"]), 30 * 60);
    let token = text(&created, "token");
    let mut seen: Vec<Value> = (0..100)
        .map(|_| validate(&server, &json!({"token": token})).expect(200).json()["session"]["last_seen_at"].clone())
        .collect();
    seen.dedup();
    assert_eq!(seen, [session["created_at"].clone()]);
}

/// S20: what expired is neither listed nor counted towards the cap.
#[test]
fn expired_sessions_do_not_count() {
    let server = Server::start(
        ServerOptions::default()
            .env("VESTIBULE_SESSIONS__LIFETIME", "1s")
            .env("VESTIBULE_SESSIONS__CAP", "2")
            .env("VESTIBULE_SESSIONS__CAP_POLICY", "deny"),
    );
    let first = create(&server, &json!({"user_id": "ada"}));
    let _ = create(&server, &json!({"user_id": "ada"}));
    let gone = wait_for(START, || (!is_valid(&server, text(&first, "token"))).then_some(()));
    assert!(gone.is_some());
    let emptied = wait_for(START, || {
        let listed = manage(&server, get("/v1/users/ada/sessions")).expect(200).json();
        (listed["sessions"] == json!([])).then_some(())
    });
    assert!(emptied.is_some());
    let _ = create(&server, &json!({"user_id": "ada"}));
    let _ = create(&server, &json!({"user_id": "ada"}));
}

/// Remembered sessions live as long as their policy says, and named profiles have their own.
#[test]
fn profiles_and_remembering_choose_the_policy() {
    let server = Server::start(ServerOptions::default().config(
        "[sessions]\nlifetime = \"1h\"\nidle_timeout = \"10m\"\n[sessions.profiles.kiosk]\nlifetime = \"5m\"\nidle_timeout = \"1m\"\n",
    ).env("VESTIBULE_MODE", "dev"));
    let lives = |body: &Value| {
        let session = create(&server, body)["session"].clone();
        (
            seconds_between(&session["created_at"], &session["idle_expires_at"]),
            seconds_between(&session["created_at"], &session["expires_at"]),
        )
    };
    assert_eq!(lives(&json!({"user_id": "ada"})), (600, 3_600));
    assert_eq!(lives(&json!({"user_id": "ada", "profile": "kiosk"})), (60, 300));
    let refused =
        manage(&server, vestibule_testkit::process::post("/v1/sessions").json(&json!({"user_id": "ada", "profile": "nope"})))
            .expect(422);
    assert_eq!(refused.json()["field"], "profile");
}
