//! What may not pass although its token is good, and what passes without anybody being asked.

use super::{COOKIE, ada, forwarded, text};
use serde_json::json;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, delete, get, post};

fn manage(server: &Server, request: Request) -> Response {
    request.bearer(&server.key).send(&server.management)
}

fn ask(server: &Server, method: &str, token: &str) -> Response {
    forwarded(get("/forward-auth"), method).bearer(token).send(&server.public)
}

/// S48: a share reads and does not write; it ends with its parent, and its parent does not end with it.
#[test]
fn a_share_reads_for_as_long_as_its_parent_lives() {
    let server = Server::start(ServerOptions::default());
    let parent = ada(&server);
    let path = format!("/v1/sessions/{}/share", text(&parent["session"], "id"));
    let share = || {
        let body = json!({"scope": ["read"], "ttl": "5m"});
        manage(&server, post(&path).json(&body)).expect(201).json()
    };
    let (first, second) = (share(), share());
    for method in ["GET", "HEAD"] {
        ask(&server, method, text(&first, "token")).expect(200);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "BREW"] {
        let refused = ask(&server, method, text(&first, "token")).expect(403);
        assert_eq!(refused.code(), "share_forbidden", "{method}");
    }
    manage(&server, delete(&format!("/v1/sessions/{}", text(&first["session"], "id")))).expect(204);
    ask(&server, "GET", text(&first, "token")).expect(401);
    ask(&server, "GET", text(&parent, "token")).expect(200);
    manage(&server, delete(&format!("/v1/sessions/{}", text(&parent["session"], "id")))).expect(204);
    ask(&server, "GET", text(&second, "token")).expect(401);
}

/// S24: nobody without a token, and no rubbish, reaches the store.
#[test]
fn without_credentials_nothing_is_looked_up() {
    let server = Server::start(ServerOptions::default());
    let made = ada(&server);
    let lookups = || {
        let body = manage(&server, get("/metrics")).expect(200).text();
        let line = body.lines().find(|line| line.starts_with("vestibule_session_lookups_total ")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    let before = lookups();
    for _ in 0..100 {
        forwarded(get("/forward-auth"), "GET").send(&server.public).expect(401);
        forwarded(get("/forward-auth"), "GET").cookie(COOKIE, "rubbish").send(&server.public).expect(401);
        ask(&server, "POST", "vs_rubbish").expect(401);
    }
    assert_eq!(lookups(), before);
    forwarded(get("/forward-auth"), "GET").cookie(COOKIE, text(&made, "token")).send(&server.public).expect(200);
    assert_eq!(lookups(), before + 1);
}

/// S94: a store that does not answer is 503 for a proxy, never a yes and never a no.
#[test]
fn a_store_that_fails_is_neither_yes_nor_no() {
    use vestibule_testkit::process::Postgres;
    let postgres = Postgres::start();
    let mut server = Server::start(ServerOptions::default().env("DATABASE_URL", &postgres.database()));
    let made = ada(&server);
    // A server that has just started holds nobody in memory: it has to ask.
    server.kill();
    server.restart();
    postgres.kill();
    let answer = ask(&server, "GET", text(&made, "token")).expect(503);
    assert_eq!(answer.code(), "store_unavailable");
    assert!(answer.header("retry-after").is_some());
}
