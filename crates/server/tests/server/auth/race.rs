//! Many at once, over HTTP.

use super::{Browser, create, is_valid, manage, register, text};
use serde_json::{Value, json};
use std::thread;
use vestibule_testkit::{
    bounds::{STORM_LOGINS, STORM_ROUNDS},
    process::{Connection, Request, Response, Server, ServerOptions, delete, get, post},
};

const CAP: usize = 10;
/// Rounds of a slow writer against a revoke.
const RACES: usize = 1_000;
const GARBAGE: usize = 10_000;

/// Sends the same request on as many connections at once.
fn at_once(server: &Server, count: usize, request: &Request) -> Vec<Response> {
    let connect = |_| Connection::open(&server.management).expect("a connection");
    let connections: Vec<Connection> = (0..count).map(connect).collect();
    thread::scope(|scope| {
        let send = |mut connection: Connection| scope.spawn(move || connection.send(request).expect("an answer"));
        let sending: Vec<_> = connections.into_iter().map(send).collect();
        sending.into_iter().map(|sent| sent.join().expect("no sender panics")).collect()
    })
}

fn valid_of(server: &Server, answers: &[Response]) -> usize {
    let created = answers.iter().filter(|answer| answer.status == 201);
    created.filter(|answer| is_valid(server, text(&answer.json(), "token"))).count()
}

/// S18: thirty logins at once under a cap of ten leave exactly ten, a hundred times.
#[test]
fn a_storm_of_logins_leaves_exactly_the_cap() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__CAP", "10"));
    for round in 0..STORM_ROUNDS {
        let request = post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": format!("user-{round}")}));
        let answers = at_once(&server, STORM_LOGINS, &request);
        assert!(answers.iter().all(|answer| answer.status == 201));
        assert_eq!(valid_of(&server, &answers), CAP, "round {round}");
    }
}

/// S19: with the other policy exactly ten succeed, the others are told, and it is an event.
#[test]
fn a_storm_of_logins_is_refused_beyond_the_cap() {
    let options = ServerOptions::default().env("VESTIBULE_SESSIONS__CAP", "10").env("VESTIBULE_SESSIONS__CAP_POLICY", "deny");
    let server = Server::start(options);
    for round in 0..STORM_ROUNDS {
        let user = format!("user-{round}");
        let answers = at_once(&server, STORM_LOGINS, &post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": user})));
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
        assert_eq!(refused.len(), STORM_LOGINS - CAP, "round {round}");
        assert!(refused.iter().all(|answer| (answer.status, answer.code().as_str()) == (409, "session_limit")));
        assert_eq!(valid_of(&server, &answers), CAP, "round {round}");
    }
    let events = super::events(&server, "user-0");
    let exceeded = events.iter().filter(|(kind, why)| kind == "session.limit_exceeded" && why == "excess_sessions_exceeded");
    assert!(exceeded.count() > 0, "{events:?}");
}

/// S18 with passwords: the cap holds for browsers that log in at once as well.
#[test]
fn a_storm_of_browsers_leaves_exactly_the_cap() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__CAP", "3"));
    let _ = register(&server, "ada@example.com").expect(201);
    let tokens: Vec<String> = thread::scope(|scope| {
        let log_in = |_| scope.spawn(|| Browser::logged_in(&server, "ada@example.com").token().to_owned());
        let browsers: Vec<_> = (0..8).map(log_in).collect();
        browsers.into_iter().map(|browser| browser.join().expect("it logs in")).collect()
    });
    assert_eq!(tokens.iter().filter(|token| is_valid(&server, token)).count(), 3);
}

/// S12: whoever read a session before it was revoked cannot bring it back by writing, a thousand times.
#[test]
fn a_slow_writer_never_revives_a_session() {
    let server = Server::start(ServerOptions::default());
    let mut writer = Connection::open(&server.management).expect("a connection");
    let mut revoker = Connection::open(&server.management).expect("a connection");
    for round in 0..RACES {
        let created = create(&server, &json!({"user_id": format!("user-{}", round % 7), "data": {"n": 0}}));
        let id = text(&created["session"], "id");
        let writes = [
            Request::new("PATCH", &format!("/v1/sessions/{id}/data")).json(&json!({"n": round})),
            post(&format!("/v1/sessions/{id}/activity")).json(&json!({"activity": "/late"})),
            post(&format!("/v1/sessions/{id}/extend")).json(&json!({})),
            Request::new("PATCH", &format!("/v1/sessions/{id}")).json(&json!({"roles": ["late"]})),
            post(&format!("/v1/sessions/{id}/rotate")),
        ];
        let write = writes[round % writes.len()].clone().bearer(&server.key);
        let revoke = delete(&format!("/v1/sessions/{id}")).bearer(&server.key);
        thread::scope(|scope| {
            let writing = scope.spawn(|| writer.send(&write).expect("an answer"));
            assert_eq!(revoker.send(&revoke).expect("an answer").status, 204);
            let written = writing.join().expect("no writer panics");
            assert!(written.status < 500, "{}", written.text());
        });
        assert!(!is_valid(&server, text(&created, "token")), "round {round}: it is back");
        let _ = manage(&server, get(&format!("/v1/sessions/{id}"))).expect(404);
    }
}

/// The value of a counter in the exposition format, summed over its labels.
fn metric(server: &Server, name: &str) -> f64 {
    let body = manage(server, get("/metrics")).expect(200).text();
    let lines = body.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// S24, S26: ten thousand tokens that nobody made cause no call of the store, and one event for the address and the minute.
#[test]
fn garbage_costs_no_call_of_the_store() {
    let server = Server::start(ServerOptions::default());
    let created = create(&server, &json!({"user_id": "ada"}));
    let token = text(&created, "token");
    assert!(is_valid(&server, token));
    let calls = "vestibule_session_lookups_total";
    let before = metric(&server, calls);
    assert!(is_valid(&server, token));
    let one = metric(&server, calls) - before;
    assert!(one >= 1.0, "a valid token costs a call, and the counter shows it");
    let before = metric(&server, calls);
    let mut connection = Connection::open(&server.management).expect("a connection");
    for step in 0..GARBAGE {
        // The right form with another MAC, and rubbish of any kind.
        let last = if token.ends_with('A') { "B" } else { "A" };
        let forged = format!("{}{last}", &token[..token.len() - 1]);
        let garbage = [forged, format!("vs_{}", "A".repeat(80)), step.to_string(), "x".repeat(step % 300)];
        let body: Value = json!({"token": garbage[step % 4], "ip": "192.0.2.1"});
        let request = post("/v1/sessions/validate").bearer(&server.key).json(&body);
        let answer = connection.send(&request).expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (401, "session_missing"));
    }
    assert_eq!(metric(&server, calls) - before, 0.0);
    let noted = vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || {
        let body = manage(&server, get("/v1/events?type=garbage.refused")).expect(200).json();
        let events = body["events"].as_array().cloned().unwrap_or_default();
        (!events.is_empty()).then_some(events)
    });
    assert!(noted.expect("the flood is noticed").len() <= 2, "one for the address and the minute");
}
