//! Work instead of waiting: over HTTP, on the command line, in front of routes and for proxies.

use super::{allowed, ask, check, json, rule, show, with};
use serde_json::Value;
use vestibule::limit::{Puzzle, solution_of};
use vestibule_testkit::process::{Redis, Response, Server, get, post};

const PENALTY: &str = "challenge = true\npenalty = { base = \"10m\", factor = 4, cap = \"1d\" }";

/// What an answer asks for, and the text that solves it.
fn solved(challenge: &Value) -> (String, String) {
    let puzzle: Puzzle = serde_json::from_value(json!({
        "puzzle": challenge["puzzle"], "difficulty": challenge["difficulty"], "expires_at": challenge["expires_at"],
    }))
    .expect("a puzzle");
    let text = solution_of(&puzzle);
    (puzzle.puzzle, text)
}

fn solve(server: &Server, rule: &str, key: &str, puzzle: &str, text: &str) -> Value {
    let body = json!({"rule": rule, "key": key, "puzzle": puzzle, "solution": text});
    ask(server, post("/v1/limits/solve").json(&body)).expect(200).json()
}

/// Once, by all nodes together, for its rule and key; and the next one is harder.
#[test]
fn a_challenge_is_solved_once() {
    let redis = Redis::start();
    let rules = [rule("hard", "custom", "1/1h", PENALTY), rule("other", "custom", "1/1h", "challenge = true")];
    let start = || Server::start(with(&rules).env("REDIS_URL", &redis.url()));
    let (one, two) = (start(), start());
    assert_eq!(allowed(&one, "hard", "k", 1), 1);
    let answer = check(&one, "hard", "k");
    let challenge = &answer["challenge"];
    assert_eq!(
        (&answer["outcome"], &challenge["type"], &challenge["key"]),
        (&json!("challenge"), &json!("puzzle"), &json!("k"))
    );
    let (puzzle, text) = solved(challenge);
    assert_eq!(solve(&one, "hard", "k", &puzzle, "wrong")["outcome"], "wrong");
    assert_eq!(solve(&one, "hard", "another", &puzzle, &text)["outcome"], "wrong");
    assert_eq!(solve(&one, "other", "k", &puzzle, &text)["outcome"], "wrong");
    assert_eq!(allowed(&one, "hard", "k", 1), 0);
    assert_eq!(solve(&two, "hard", "k", &puzzle, &text), json!({"solved": true, "outcome": "cleared"}));
    assert_eq!(solve(&one, "hard", "k", &puzzle, &text)["outcome"], "used");
    assert_eq!(allowed(&two, "hard", "k", 1), 1);
    let again = check(&two, "hard", "k");
    assert_eq!((&again["limits"][0]["strikes"], &again["challenge"]["difficulty"]), (&json!(2), &json!(20)), "{again}");
    redis.kill();
    let body =
        json!({"rule": "hard", "key": "k", "puzzle": again["challenge"]["puzzle"], "solution": solved(&again["challenge"]).1});
    let _ = ask(&two, post("/v1/limits/solve").json(&body)).expect(503);
}

#[test]
fn what_is_no_solution_is_refused_with_its_field() {
    let server = Server::start(with(&[rule("hard", "custom", "1/1h", "challenge = true")]));
    let refused = |body: Value, field: &str| {
        let answer = ask(&server, post("/v1/limits/solve").json(&body)).expect(422);
        assert_eq!(answer.json()["field"], field, "{body}");
    };
    refused(json!({"rule": "hard", "key": "k"}), "puzzle");
    refused(json!({"rule": "hard", "key": "k", "puzzle": "p"}), "solution");
    refused(json!({"rule": "hard", "key": "k", "puzzle": "p", "solution": "s", "response": "r"}), "puzzle");
    refused(json!({"rule": "none", "key": "k", "puzzle": "p", "solution": "s"}), "rule");
    for odd in ["", "AAAA", "ä:%", &"A".repeat(5_000)] {
        assert_eq!(solve(&server, "hard", "k", odd, odd)["outcome"], "wrong");
    }
    let response = json!({"rule": "hard", "key": "k", "response": "there is no verifier"});
    assert_eq!(ask(&server, post("/v1/limits/solve").json(&response)).expect(200).json()["outcome"], "wrong");
}

/// The command line shows what there is to solve, and takes the solution.
#[test]
fn a_challenge_on_the_command_line() {
    let server = Server::start(with(&[rule("hard", "custom", "1/1h", "challenge = true")]));
    let run = |arguments: &[&str], code: i32| {
        let output = server.command().args(arguments).arg("--json").output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let _ = run(&["limits", "check", "hard", "k"], 0);
    let (puzzle, text) = solved(&run(&["limits", "check", "hard", "k"], 1)["challenge"]);
    let people = server.command().args(["limits", "check", "hard", "k"]).output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&people.stdout).contains("difficulty"), "{people:?}");
    assert_eq!(run(&["limits", "solve", "hard", "k", &puzzle, "wrong"], 1)["outcome"], "wrong");
    assert_eq!(run(&["limits", "solve", "hard", "k", &puzzle, &text], 0)["solved"], true);
    assert_eq!(show(&server, "hard", "k")["remaining"], 1);
}

/// The puzzle in a field of an answer, solved: `PUZZLE:TEXT`.
fn solution_in(denied: &Response) -> String {
    let challenge = denied.header("x-vestibule-challenge").expect("a challenge").to_owned();
    let (puzzle, difficulty) = challenge.split_once(";d=").expect("a puzzle with its difficulty");
    let (puzzle, text) = solved(&json!({"puzzle": puzzle, "difficulty": difficulty.parse::<u8>().expect("a number"),
        "expires_at": "2100-01-01T00:00:00Z"}));
    format!("{puzzle}:{text}")
}

/// In front of a route, and for a proxy: the request is repeated with what was worked out.
#[test]
fn a_request_brings_its_solution() {
    let rules = [
        rule("me", "ip", "1/1h", "challenge = true\napply = [\"/auth/me\"]"),
        rule("people", "user", "1/1h", "challenge = true"),
    ];
    let server = Server::start(with(&rules));
    let created = ask(&server, post("/v1/sessions").json(&json!({"user_id": "ada"}))).expect(201).json();
    let token = created["token"].as_str().expect("a token");
    let me = || get("/auth/me").bearer(token);
    let proxied = || super::proxy::forwarded("?limit=people").bearer(token);
    for asked in [&me as &dyn Fn() -> _, &proxied] {
        let usual = asked().send(&server.public).status;
        let denied = asked().send(&server.public).expect(429);
        let solution = solution_in(&denied);
        let brought = asked().header("X-Vestibule-Solution", &solution).send(&server.public);
        assert_eq!(brought.status, usual, "{brought:?}");
        let replayed = asked().header("X-Vestibule-Solution", &solution).send(&server.public).expect(429);
        assert!(replayed.header("x-vestibule-challenge").is_some(), "{replayed:?}");
        for odd in ["", ":", "x", "x:y", &solution[1..]] {
            let _ = asked().header("X-Vestibule-Solution", odd).send(&server.public).expect(429);
        }
    }
}
