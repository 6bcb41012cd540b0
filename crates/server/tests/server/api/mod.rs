//! The management API: every route, its answers and its errors.

mod input;
mod key;
mod scope;
mod session;
mod user;

use crate::management::{ask, patient, send};
use serde_json::{Value, json};
use vestibule_testkit::process::{Request, Response, Server, delete, get, post};

fn server() -> Server {
    Server::start(patient())
}

fn patch(server: &Server, target: &str, revision: Option<&str>, body: &Value) -> Response {
    let request = Request::new("PATCH", target).json(body);
    ask(server, revision.into_iter().fold(request, |request, tag| request.header("If-Match", tag)))
}

/// A new session: `{token, csrf_token, session}`.
fn create(server: &Server, user: &str) -> Value {
    send(server, "/v1/sessions", &json!({"user_id": user})).expect(201).json()
}

fn id(issued: &Value) -> String {
    issued["session"]["id"].as_str().expect("an id").to_owned()
}

fn validate(server: &Server, token: &Value) -> Response {
    send(server, "/v1/sessions/validate", &json!({"token": token}))
}
