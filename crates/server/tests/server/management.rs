//! What every folder asks of the management listener, with its key.

use serde_json::Value;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, post};

/// With a deadline that a busy machine keeps too: most tests are about answers, not about time.
pub(crate) fn patient() -> ServerOptions {
    ServerOptions::default().env("VESTIBULE_STORE__TIMEOUT", "5s")
}

/// Sends with the management key.
pub(crate) fn ask(server: &Server, request: Request) -> Response {
    request.bearer(&server.key).send(&server.management)
}

/// Posts with the management key.
pub(crate) fn send(server: &Server, target: &str, body: &Value) -> Response {
    ask(server, post(target).json(body))
}
