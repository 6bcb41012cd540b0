//! Rate limits from outside: over HTTP, on the command line, in front of the routes of accounts, and while Redis is in trouble.

mod apply;
mod challenge;
mod check;
mod fields;
mod load;
mod proxy;
mod reload;
mod store;
mod verifier;

use crate::management::ask;
use serde_json::{Value, json};
use vestibule_testkit::process::{Response, Server, ServerOptions, get, post};

const SECRET: &str = "a secret that all servers have in common 1234567890";

/// A rule of a configuration file.
fn rule(name: &str, level: &str, rate: &str, more: &str) -> String {
    format!("[[limits.rules]]\nname = \"{name}\"\nlevel = \"{level}\"\nrate = \"{rate}\"\n{more}\n")
}

fn with(rules: &[String]) -> ServerOptions {
    let file = format!("mode = \"dev\"\n{}", rules.join(""));
    ServerOptions::default().config(&file).env("VESTIBULE_SECRET", SECRET).env("VESTIBULE_STORE__TIMEOUT", "5s")
}

fn check_all(server: &Server, checks: &Value) -> Response {
    ask(server, post("/v1/limits/check").json(&json!({ "checks": checks })))
}

/// Takes one unit: the whole answer.
fn check(server: &Server, rule: &str, key: &str) -> Value {
    check_all(server, &json!([{"rule": rule, "key": key}])).expect(200).json()
}

/// Where a key stands.
fn show(server: &Server, rule: &str, key: &str) -> Value {
    ask(server, get(&format!("/v1/limits/{rule}/{key}"))).expect(200).json()
}

fn allowed(server: &Server, rule: &str, key: &str, asked: usize) -> usize {
    (0..asked).filter(|_| check(server, rule, key)["allowed"] == true).count()
}
