//! The management API: every route, its answers and its errors.

mod input;
mod key;
mod scope;
mod session;
mod user;

use serde_json::{Value, json};
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, delete, get, post};

/// With a deadline that a busy machine keeps too: these tests are about answers, not about time.
fn server() -> Server {
    Server::start(ServerOptions::default().env("VESTIBULE_STORE__TIMEOUT", "5s"))
}

/// Sends with the management key.
fn ask(server: &Server, request: Request) -> Response {
    request.bearer(&server.key).send(&server.management)
}

fn send(server: &Server, target: &str, body: &Value) -> Response {
    ask(server, post(target).json(body))
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
