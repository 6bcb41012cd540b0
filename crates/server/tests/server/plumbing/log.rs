//! What is logged, and what never is.

use serde_json::{Value, json};
use vestibule_testkit::{
    bounds::START,
    process::{Server, ServerOptions, get, post, wait_for},
};

fn lines(server: &Server) -> Vec<String> {
    server.stderr().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn what_a_client_says_stays_on_its_line() {
    // S90
    for format in ["text", "json"] {
        let options = ServerOptions::default().env("VESTIBULE_LOG__LEVEL", "debug").env("VESTIBULE_LOG__FORMAT", format);
        let server = Server::start(options);
        // Line ends and escapes cannot stand in a header at all; what can is quoted.
        for broken in [&b"evil\x1b[31m"[..], b"evil\rINFO all is well"] {
            let _ = get("/livez").header_bytes("User-Agent", broken).send(&server.public).expect(400);
        }
        let agent = b"evil\tagent \"quoted\" \xff\xc2\x9b31m";
        let body = json!({"user_id": "eve\r\nINFO all is well \u{1b}[2J"});
        let _ = post("/v1/sessions").bearer(&server.key).json(&body).send(&server.management);
        let answer = get("/nowhere").header_bytes("User-Agent", agent).send(&server.public).expect(404);
        let id = answer.header("x-request-id").expect("a request id").to_owned();
        let found: Vec<_> = lines(&server).into_iter().filter(|line| line.contains(&id)).collect();
        assert_eq!(found.len(), 1, "{}", server.stderr());
        assert!(found[0].contains("evil"), "{}", found[0]);
        let log = server.stderr();
        assert!(!log.contains('\u{1b}'), "{log:?}");
        assert!(!log.lines().any(|line| line.starts_with("INFO all is well")), "{log}");
        if format == "json" {
            for line in lines(&server) {
                let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
            }
        }
    }
}

#[test]
fn no_log_holds_a_secret() {
    // S91
    let server = Server::start(ServerOptions::default().env("VESTIBULE_LOG__LEVEL", "trace"));
    let password = "a staple for the horse of nobody";
    let account = json!({"email": "ada@example.com", "password": password});
    let _ = post("/auth/register").json(&account).send(&server.public).expect(201);
    let login = post("/auth/login").json(&account).send(&server.public).expect(200);
    let cookie = login.cookie("vestibule_dev").expect("a cookie").to_owned();
    let csrf = login.json()["csrf_token"].as_str().expect("a CSRF token").to_owned();
    let _ = get("/auth/me").cookie("vestibule_dev", &cookie).send(&server.public).expect(200);
    let made = post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management).expect(201);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    let _ = get(&format!("/v1/sessions/{token}")).bearer(&server.key).send(&server.management);
    let _ = get(&format!("/{token}?token={token}")).bearer(&token).send(&server.public);
    let _ = get("/nowhere").bearer(&server.key).send(&server.management).expect(404);
    let (log, printed) = (server.stderr(), server.stdout());
    assert!(log.contains("request"), "the log says nothing of requests\n{log}");
    for secret in [password, &cookie, &csrf, &token, &server.key, server.secret()] {
        assert!(!log.contains(secret) && !printed.contains(secret), "{secret} is in\n{log}{printed}");
    }
}

#[test]
fn warnings_of_the_configuration_are_logged() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_COOKIE__DOMAIN", "example.com"));
    assert!(server.stderr().contains("WARN"), "{}", server.stderr());
}

/// What a proxy asks is logged as any request is, and holds nothing of the original one that may be a credential.
#[test]
fn what_a_proxy_asks_stands_in_the_log() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_LOG__LEVEL", "debug"));
    let asked = get("/auth-request").cookie("vestibule_dev", "vs_nobodys").header("User-Agent", "a browser");
    let asked = asked.header("X-Original-Method", "GET").header("X-Original-Uri", "/private?token=theirs");
    let asked = asked.header("X-Original-Proto", "https").header("X-Original-Host", "app.example");
    let answer = asked.send(&server.public).expect(401);
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    let line = wait_for(START, || lines(&server).into_iter().find(|line| line.contains(&id) && line.contains("request")));
    let line = line.unwrap_or_else(|| panic!("{}", server.stderr()));
    for part in ["/auth-request", "401", "unauthenticated", "a browser", "127.0.0.1"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!server.stderr().contains("theirs") && !server.stderr().contains("vs_nobodys"), "{}", server.stderr());
}
