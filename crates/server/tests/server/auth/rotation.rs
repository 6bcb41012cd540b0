//! A session's token is replaced.

use super::{create, is_valid, manage, text, validate};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use vestibule_testkit::{
    bounds::START,
    process::{Connection, Server, ServerOptions, post, wait_for},
};

fn rotate(server: &Server, created: &Value) -> Value {
    manage(server, post(&format!("/v1/sessions/{}/rotate", text(&created["session"], "id")))).expect(200).json()
}

/// Tells callers to stop, also where the test fails before it would have told them.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// S6: fifty callers with the old token notice nothing until the overlap is over, and then all of them do.
#[test]
fn nobody_notices_a_rotation_within_its_overlap() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__ROTATION_OVERLAP", "2s"));
    let created = create(&server, &json!({"user_id": "ada"}));
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let running = Stop(&stop);
        let callers: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(&server.management).expect("a connection");
                    let body = json!({"token": text(&created, "token")});
                    let request = post("/v1/sessions/validate").bearer(&server.key).json(&body);
                    while !stop.load(Ordering::Relaxed) {
                        let answer = connection.send(&request).expect("an answer");
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let asked_for = |more: usize| {
            let reached = asked.load(Ordering::Relaxed) + more;
            let busy = wait_for(START, || (asked.load(Ordering::Relaxed) >= reached).then_some(()));
            assert!(busy.is_some(), "the callers stand still");
        };
        asked_for(200);
        let rotated = rotate(&server, &created);
        assert_ne!(rotated["token"], created["token"]);
        assert!(is_valid(&server, text(&rotated, "token")));
        asked_for(500);
        drop(running);
        callers.into_iter().for_each(|caller| caller.join().expect("no caller is refused"));
        let over = wait_for(START, || (!is_valid(&server, text(&created, "token"))).then_some(()));
        assert!(over.is_some(), "the overlap does not end");
        let refused = validate(&server, &json!({"token": text(&created, "token")})).expect(401);
        assert_eq!(refused.code(), "session_revoked");
        assert!(is_valid(&server, text(&rotated, "token")));
    });
}

/// S5: a step-up replaces the token; in the overlap the old one works with the privilege from before.
#[test]
fn a_step_up_replaces_the_token() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__ROTATION_OVERLAP", "2s"));
    let created = create(&server, &json!({"user_id": "ada"}));
    let path = format!("/v1/sessions/{}/step-up", text(&created["session"], "id"));
    let raised = manage(&server, post(&path).json(&json!({"mfa": true, "amr": ["otp"]}))).expect(200).json();
    assert_eq!(raised["session"]["id"], created["session"]["id"]);
    let of = |token: &Value| validate(&server, &json!({"token": token})).expect(200).json()["session"]["mfa"].clone();
    assert_eq!((of(&raised["token"]), of(&created["token"])), (json!(true), json!(false)));
    let over = wait_for(START, || (!is_valid(&server, text(&created, "token"))).then_some(()));
    assert!(over.is_some(), "the overlap does not end");
}

/// S34: inside the overlap each token goes with its own CSRF token; the pairs do not mix.
#[test]
fn tokens_and_csrf_tokens_go_in_pairs() {
    let server = Server::start(ServerOptions::default());
    let created = create(&server, &json!({"user_id": "ada"}));
    let rotated = rotate(&server, &created);
    let status = |token: &Value, csrf: &Value| {
        validate(&server, &json!({"token": token["token"], "csrf_token": csrf["csrf_token"], "method": "POST"})).status
    };
    assert_eq!(status(&created, &created), 200);
    assert_eq!(status(&rotated, &rotated), 200);
    assert_eq!(status(&created, &rotated), 403);
    assert_eq!(status(&rotated, &created), 403);
    let other = create(&server, &json!({"user_id": "ada"}));
    assert_eq!(status(&rotated, &other), 403);
}

/// A lost answer is asked for again by the revision of the first try, and is the same.
#[test]
fn a_lost_answer_is_given_again() {
    let server = Server::start(ServerOptions::default());
    let created = create(&server, &json!({"user_id": "ada"}));
    let path = format!("/v1/sessions/{}/rotate", text(&created["session"], "id"));
    let again = || manage(&server, post(&path).header("If-Match", &format!("\"{}\"", created["session"]["revision"])));
    let (first, second) = (again().expect(200).json(), again().expect(200).json());
    assert_eq!(first["token"], second["token"]);
    let _ = manage(&server, post(&path)).expect(200);
    assert_eq!(again().expect(412).code(), "version_conflict");
}
