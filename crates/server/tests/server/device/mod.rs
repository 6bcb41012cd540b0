//! Trusted devices and devices that logins name, over HTTP and the command line.

mod browser;
mod cli;
mod login;
mod trust;

use crate::management::{ask, patient, send};
use serde_json::{Value, json};
use vestibule_testkit::{
    bounds::START,
    process::{Server, delete, get, wait_for},
};

fn server() -> Server {
    Server::start(patient())
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}"))
}

/// A device that a user trusts: `{device_token, device}`.
fn trust(server: &Server, user: &str, device: &Value) -> Value {
    send(server, "/v1/devices/trust", &json!({"user_id": user, "device": device})).expect(201).json()
}

/// What the server says of a device token: whether it is trusted, and why not.
fn check(server: &Server, user: &str, trusted: &Value) -> (bool, Option<String>) {
    let body = json!({"user_id": user, "device_token": trusted["device_token"]});
    let answer = send(server, "/v1/devices/check", &body).expect(200).json();
    (answer["trusted"].as_bool().expect("a verdict"), answer["reason"].as_str().map(ToOwned::to_owned))
}

/// Why a device token is not accepted.
fn refusal(server: &Server, user: &str, trusted: &Value) -> String {
    match check(server, user, trusted) {
        (false, Some(reason)) => reason,
        other => panic!("expected a refusal, not {other:?}"),
    }
}

fn devices(server: &Server, user: &str) -> Vec<Value> {
    let body = ask(server, get(&format!("/v1/users/{user}/devices"))).expect(200).json();
    body["devices"].as_array().expect("a list").clone()
}

/// The events of a type of a user, newest first. Observations are written a moment later: it waits for as many as are expected.
fn events(server: &Server, user: &str, kind: &str, expected: usize) -> Vec<Value> {
    let target = format!("/v1/users/{user}/events?type={kind}&limit=1000");
    let look = || {
        let body = ask(server, get(&target)).expect(200).json();
        let events = body["events"].as_array().expect("a list").clone();
        assert!(events.len() <= expected, "{kind}: {events:#?}");
        (events.len() == expected).then_some(events)
    };
    wait_for(START, look).unwrap_or_else(|| panic!("fewer than {expected} {kind}"))
}

/// The reasons of the events of a type of a user, newest first.
fn reasons(server: &Server, user: &str, kind: &str, expected: usize) -> Vec<String> {
    let events = events(server, user, kind, expected);
    events.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
}
