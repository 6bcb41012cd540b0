//! Somebody else judges responses to challenges: `[limits.siteverify]`.

use super::{allowed, ask, check, json, rule, show, with};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};
use vestibule::limit::bounds::RESPONSE_TRIES;
use vestibule_testkit::{
    bounds::START,
    process::{Response, Server, ServerOptions, get, post, wait_for},
};

const SECRET: &str = "0x4AAAAAAA the secret of a site & more";

/// Answers as a siteverify service does, by the text of the response.
struct Verifier {
    port: u16,
    asked: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
}

impl Verifier {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let verifier = Self { port: listener.local_addr().expect("an address").port(), asked: Arc::default() };
        let asked = verifier.asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(form) = read(&stream) else { continue };
                let (status, body) = judge(&form);
                asked.lock().expect("not poisoned").push(form);
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = (&stream).write_all((head + &body).as_bytes());
            }
        });
        verifier
    }

    /// How often a response was judged.
    fn asked_for(&self, response: &str) -> usize {
        self.asked.lock().expect("not poisoned").iter().filter(|form| form["response"] == response).count()
    }
}

fn judge(form: &BTreeMap<String, String>) -> (u16, String) {
    let no = |code: &str| (200, json!({"success": false, "error-codes": [code]}).to_string());
    match form["response"].as_str() {
        _ if form["secret"] != SECRET => no("invalid-input-secret"),
        "elsewhere" => (200, json!({"success": true, "hostname": "evil.example"}).to_string()),
        "nonsense" => (200, "<html>".to_owned()),
        "refused" => (500, json!({"success": true, "hostname": "app.example"}).to_string()),
        "huge" => (200, json!({"success": true, "hostname": "app.example", "more": "x".repeat(100_000)}).to_string()),
        // A verifier that is unwell or asked too often may say no to anything.
        "unwell" => (503, json!({"success": false}).to_string()),
        "crowded" => (429, json!({"success": false}).to_string()),
        "strict" => (400, no("invalid-input-response").1),
        "secret" => no("invalid-input-secret"),
        "broken" => no("internal-error"),
        right if right.starts_with("right") => (200, json!({"success": true, "hostname": "app.example"}).to_string()),
        _ => no("invalid-input-response"),
    }
}

fn read(stream: &TcpStream) -> Option<BTreeMap<String, String>> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        let header = line.trim_end().to_ascii_lowercase();
        length = header.strip_prefix("content-length: ").map_or(length, |text| text.parse().expect("a length"));
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8(body).ok()?;
    Some(text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), decoded(value))).collect())
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("text")
}

fn options(port: u16, secret: &str) -> ServerOptions {
    let section = format!(
        "[limits.siteverify]\nurl = \"http://127.0.0.1:{port}/siteverify\"\nsecret = \"{secret}\"\nhostname = \"app.example\"\nallow_private = true\n"
    );
    with(&[
        section,
        rule("hard", "custom", "1/1h", "challenge = true"),
        rule("me", "ip", "1/1h", "challenge = true\napply = [\"/auth/me\"]"),
    ])
}

fn bring(server: &Server, response: &str) -> Response {
    let body = json!({"rule": "hard", "key": "k", "response": response, "ip": "192.0.2.7"});
    ask(server, post("/v1/limits/solve").json(&body))
}

fn outcome(server: &Server, response: &str) -> Value {
    bring(server, response).expect(200).json()["outcome"].clone()
}

#[test]
fn a_response_is_judged_once_by_somebody_else() {
    let verifier = Verifier::start();
    let server = Server::start(options(verifier.port, SECRET));
    assert_eq!(allowed(&server, "hard", "k", 1), 1);
    let answer = check(&server, "hard", "k");
    assert_eq!((&answer["outcome"], &answer["challenge"]["type"]), (&json!("challenge"), &json!("response")));
    assert!(answer["challenge"].get("puzzle").is_none(), "{answer}");
    for wrong in ["wrong", "elsewhere", "strict"] {
        assert_eq!(outcome(&server, wrong), "wrong");
    }
    assert_eq!(show(&server, "hard", "k")["remaining"], 0);
    assert_eq!(outcome(&server, "right & so on"), "cleared");
    assert_eq!(outcome(&server, "right & so on"), "used");
    assert_eq!(verifier.asked_for("right & so on"), 1, "a response is brought to the verifier once");
    assert_eq!(verifier.asked.lock().expect("not poisoned")[0]["remoteip"], "192.0.2.7");
    assert_eq!(show(&server, "hard", "k")["remaining"], 1);
    let puzzle = json!({"rule": "hard", "key": "k", "puzzle": "p", "solution": "s"});
    assert_eq!(ask(&server, post("/v1/limits/solve").json(&puzzle)).expect(200).json()["outcome"], "wrong");
}

/// A verifier that gives no clear answer lets nobody pass, and uses up nothing.
#[test]
fn a_verifier_that_is_away_is_no_pass() {
    let verifier = Verifier::start();
    let server = Server::start(options(verifier.port, SECRET));
    assert_eq!(allowed(&server, "hard", "k", 2), 1);
    for odd in ["nonsense", "refused", "huge", "secret", "broken", "unwell", "crowded"] {
        for _ in 0..2 {
            assert_eq!(bring(&server, odd).expect(503).code(), "verifier_unavailable", "{odd}");
        }
        assert_eq!(verifier.asked_for(odd), 2, "{odd} is not used up");
    }
    assert_eq!(show(&server, "hard", "k")["remaining"], 0);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let server = Server::start(options(nobody, SECRET));
    assert_eq!(bring(&server, "right").expect(503).code(), "verifier_unavailable");
    let logged = wait_for(START, || server.stderr().contains("was not verified").then_some(()));
    assert!(logged.is_some(), "{}", server.stderr());
    assert!(!server.stderr().contains(SECRET), "the secret is not logged");
}

/// A flood of wrong responses costs the verifier and everybody else little: the key is told when it may try again.
#[test]
fn one_key_has_few_wrong_responses() {
    let verifier = Verifier::start();
    let server = Server::start(options(verifier.port, SECRET));
    assert_eq!(allowed(&server, "hard", "k", 2), 1);
    // A try comes back every few seconds, so that a slow machine has some more.
    let mut wrong = (0..4 * RESPONSE_TRIES).map(|number| format!("wrong {number}"));
    let refused = wrong.find_map(|text| Some((bring(&server, &text), text)).filter(|(answer, _)| answer.status != 200));
    let (refused, text) = refused.expect("tries end");
    let refused = refused.expect(429);
    assert_eq!(refused.code(), "rate_limited");
    assert!(refused.header("retry-after").is_some_and(|seconds| ["1", "2", "3", "4"].contains(&seconds)), "{refused:?}");
    assert_eq!(verifier.asked_for(&text), 0);
    let other = json!({"rule": "hard", "key": "other", "response": "right"});
    assert_eq!(ask(&server, post("/v1/limits/solve").json(&other)).expect(200).json()["outcome"], "cleared");
    let with = |response: &str| get("/auth/me").header("X-Vestibule-Solution", response).send(&server.public);
    let _ = with("").expect(401);
    for number in 0..=RESPONSE_TRIES {
        let denied = with(&format!("wrong {number}")).expect(429);
        assert_eq!(denied.header("x-vestibule-challenge"), Some("response"), "it is denied as by the rule");
    }
}

/// In front of a route the widget's response travels with the request.
#[test]
fn a_request_brings_its_response() {
    let verifier = Verifier::start();
    let server = Server::start(options(verifier.port, SECRET));
    let me = || get("/auth/me");
    let _ = me().send(&server.public).expect(401);
    let denied = me().send(&server.public).expect(429);
    assert_eq!(denied.header("x-vestibule-challenge"), Some("response"));
    let with = |response: &str| me().header("X-Vestibule-Solution", response).send(&server.public);
    let _ = with("wrong").expect(429);
    assert_eq!(with("broken").expect(503).code(), "temporary_reduced_capacity");
    let _ = with("right").expect(401);
    let _ = with("right").expect(429);
    assert_eq!(verifier.asked_for("right"), 1);
}
