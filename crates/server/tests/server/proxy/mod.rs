//! Reverse proxies: plain calls as proxies make them, and a real nginx.

mod nginx;
mod plain;
mod share;

use serde_json::{Value, json};
use vestibule_testkit::process::{Request, Server, post};

/// The session cookie of development mode.
const COOKIE: &str = "vestibule_dev";

/// A session as its backend makes it: the answer with `token`, `csrf_token` and `session`.
fn login(server: &Server, body: &Value) -> Value {
    post("/v1/sessions").bearer(&server.key).json(body).send(&server.management).expect(201).json()
}

fn ada(server: &Server) -> Value {
    login(server, &json!({"user_id": "ada", "roles": ["staff", "night shift"]}))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// Adds the original request as Traefik and Caddy tell it.
fn forwarded(request: Request, method: &str) -> Request {
    let request = request.header("X-Forwarded-Method", method).header("X-Forwarded-Proto", "https");
    request.header("X-Forwarded-Host", "app.example").header("X-Forwarded-Uri", "/orders?token=theirs")
}
