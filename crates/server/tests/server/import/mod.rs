//! Sessions of other systems: written as those systems write them, imported by the command, used with their old cookies.

mod database;
mod layout;
mod window;

use serde_json::Value;
use std::process::{Output, Stdio};
use vestibule_testkit::process::{Redis, Response, Server, ServerOptions, get};

const TOKEN: &str = "6f1c0b0e-7a33-4a8e-9d3b-0f6f7f0f1a11";
const HOUR_MS: u64 = 3_600_000;

/// With an open window, and a deadline that a busy machine keeps too.
fn accepting() -> ServerOptions {
    ServerOptions::default().env("VESTIBULE_IMPORT__LEGACY_UNTIL", "2099-01-01T00:00:00Z").env("VESTIBULE_STORE__TIMEOUT", "5s")
}

/// Writes a session as its system would: any bytes, and what is left of its time.
fn put(redis: &Redis, key: &str, value: &[u8], left_ms: u64) {
    let escaped: String = value.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let answer = redis.command(&format!("SET {key} \"{escaped}\" PX {left_ms}"));
    assert!(answer.contains("OK"), "{answer}");
}

/// Runs the command with the source in the environment.
fn run(server: &Server, from: &str, arguments: &[&str]) -> Output {
    let mut command = server.command();
    command.arg("import").args(arguments).env("VESTIBULE_IMPORT_FROM", from);
    command.stdin(Stdio::null()).output().expect("the binary starts")
}

/// Imports and returns the report; the exit code must say the same.
fn import(server: &Server, from: &str, arguments: &[&str]) -> Value {
    let output = run(server, from, &[arguments, &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let skipped = report["skipped"].as_object().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(output.status.code(), Some(if skipped.is_empty() { 0 } else { 2 }), "{output:?}");
    report
}

/// What a proxy asks for a browser that still has the old cookie.
fn forward(server: &Server, cookie: &str, token: &str) -> Response {
    let request = get("/forward-auth").header("X-Forwarded-Method", "GET").header("X-Forwarded-Proto", "https");
    let request = request.header("X-Forwarded-Host", "app.example").header("X-Forwarded-Uri", "/orders");
    request.cookie(cookie, token).send(&server.public)
}

fn user_of(answer: &Response) -> Option<&str> {
    answer.header("X-Vestibule-User")
}
