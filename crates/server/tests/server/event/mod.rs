//! Events from outside: as they happen, whether they are all there, and posted to others.

mod listener;
mod receiver;
mod stream;
mod verify;
mod webhook;

pub(crate) use listener::Listener;
use serde_json::{Value, json};
use vestibule_testkit::process::{Response, Server, ServerOptions, delete, post};

/// Starts a session of a user.
fn create(server: &Server, body: &Value) -> Value {
    post("/v1/sessions").bearer(&server.key).json(body).send(&server.management).expect(201).json()
}

/// Starts a session of a user and gives its id.
fn login(server: &Server, user: &str) -> String {
    create(server, &json!({"user_id": user}))["session"]["id"].as_str().expect("an id").to_owned()
}

fn end_all(server: &Server, user: &str) -> Response {
    delete(&format!("/v1/users/{user}/sessions")).bearer(&server.key).send(&server.management).expect(200)
}
