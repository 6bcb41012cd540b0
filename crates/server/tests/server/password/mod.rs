//! Passwords: hashes of other systems, what is accepted, and what hashing may take.

mod command;
mod import;
mod judge;
mod legacy;
mod pool;
mod time;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, post};

/// What every hash begins with that is kept.
const STRONG: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// A hash made by the library that other systems make it with.
#[derive(serde::Deserialize)]
struct Fixture {
    format: String,
    password: String,
    hash: String,
}

/// One hash of each format, of passwords that take turns.
fn fixtures() -> Vec<Fixture> {
    let all: Vec<Fixture> =
        serde_json::from_str(include_str!("../../../../core/tests/password/legacy.json")).expect("a list of fixtures");
    all.into_iter().enumerate().filter(|(place, _)| place % 4 == 0).map(|(_, fixture)| fixture).collect()
}

/// With a deadline that a busy machine keeps too: these tests are about answers, not about time.
fn options() -> ServerOptions {
    ServerOptions::default().env("VESTIBULE_STORE__TIMEOUT", "5s").env("VESTIBULE_LOGIN_THROTTLE__ADDRESS", "off")
}

fn manage(server: &Server, request: Request) -> Response {
    request.bearer(&server.key).send(&server.management)
}

fn send(server: &Server, target: &str, body: &Value) -> Response {
    manage(server, post(target).json(body))
}

fn log_in(server: &Server, email: &str, password: &str) -> Response {
    post("/auth/login").json(&json!({"email": email, "password": password})).send(&server.public)
}

fn import(server: &Server, users: &Value) -> Value {
    send(server, "/v1/users/import", &json!({"users": users})).expect(200).json()
}

/// The hashes at rest, by address.
fn at_rest(server: &Server) -> BTreeMap<String, String> {
    let record = rusqlite::Connection::open(server.data().join("vestibule.db")).expect("the record");
    let mut rows = record.prepare("SELECT email, password_hash FROM accounts").expect("the accounts");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}
