//! Access and refresh tokens, over HTTP.

mod cli;
mod fleet;
mod forged;
mod key;
mod oauth;
mod race;
mod refresh;
mod revoke;
mod verify;

use crate::management::{ask, patient as options, send};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use vestibule_testkit::process::{Response, Server, delete, get, post};

fn server() -> Server {
    Server::start(options())
}

/// Two tokens for a user.
fn issue(server: &Server, user: &str) -> Value {
    send(server, "/v1/tokens", &json!({"user_id": user, "audience": "api"})).expect(201).json()
}

/// A session, and two tokens of it.
fn issue_of_session(server: &Server, user: &str) -> (Value, Value) {
    let created = send(server, "/v1/sessions", &json!({"user_id": user, "roles": ["admin"]})).expect(201).json();
    let tokens = send(server, "/v1/tokens", &json!({"session_id": created["session"]["id"]})).expect(201).json();
    (created, tokens)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}"))
}

fn verify(server: &Server, tokens: &Value) -> Response {
    send(server, "/v1/tokens/verify", &json!({"token": tokens["access_token"]}))
}

fn refresh(server: &Server, tokens: &Value) -> Response {
    send(server, "/v1/tokens/refresh", &json!({"refresh_token": tokens["refresh_token"]}))
}

fn revoke(server: &Server, body: &Value) -> u64 {
    send(server, "/v1/tokens/revoke", body).expect(200).json()["revoked"].as_u64().expect("a number")
}

/// A form, as OAuth's endpoints take it.
fn form(server: &Server, target: &str, body: &str) -> Response {
    let request = post(target).header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes());
    request.bearer(&server.key).send(&server.public)
}

/// One of the first two parts of a token, as JSON.
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}
