//! Servers over one record that do not see the same Redis: cut off, behind an old master, or with a Redis that came back from
//! an old file.

use crate::management::ask;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule_testkit::{
    bounds::{START, UNSEEN},
    process::{FaultProxy, Postgres, Redis, Relay, Server, ServerOptions, delete, post, wait_for},
};

/// Rounds of each kind.
const ROUNDS: usize = 5;

/// A database that servers share.
struct Record {
    postgres: Arc<Postgres>,
    url: String,
}

impl Record {
    fn new() -> Self {
        let postgres = Postgres::shared();
        let url = postgres.database();
        Self { postgres, url }
    }

    /// A server with this record over the Redis at this port.
    fn server(&self, redis_port: u16) -> Server {
        let options = ServerOptions::default().env("REDIS_URL", &format!("redis://127.0.0.1:{redis_port}"));
        Server::start(
            options.env("DATABASE_URL", &self.url).env("VESTIBULE_SECRET", "a secret of servers that are isolated 1234567890"),
        )
    }

    /// Takes from the servers what they would read of the last minute.
    fn forget_change_log(&self) {
        let database = self.url.rsplit('/').next().expect("an address ends with a name");
        self.postgres.sql(database, "DELETE FROM vestibule_change_log");
    }
}

struct Session {
    user: String,
    id: String,
    token: String,
}

fn create(server: &Server, user: &str) -> Session {
    let body = ask(server, post("/v1/sessions").json(&json!({"user_id": user}))).expect(201).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    Session { user: user.into(), id: text(&body["session"]["id"]), token: text(&body["token"]) }
}

fn status(server: &Server, session: &Session) -> u16 {
    ask(server, post("/v1/sessions/validate").json(&json!({"token": session.token}))).status
}

fn end(server: &Server, session: &Session) {
    let _ = ask(server, delete(&format!("/v1/sessions/{}", session.id))).expect(204);
}

fn end_all(server: &Server, session: &Session) {
    let _ = ask(server, delete(&format!("/v1/users/{}/sessions", session.user))).expect(200);
}

/// Ends sessions on one server, where they are refused at once, and measures how long the other one accepts them.
fn heard_in_time(what: &str, from: &Server, by: &Server) {
    let mut longest = Duration::ZERO;
    for round in 0..ROUNDS {
        let session = create(by, &format!("ada-{round}"));
        for server in [from, by] {
            assert_eq!(status(server, &session), 200, "{what}");
        }
        if round % 2 == 0 {
            end(from, &session)
        } else {
            end_all(from, &session)
        }
        let ended = Instant::now();
        assert_eq!(status(from, &session), 401, "{what}");
        let refused = wait_for(START, || (status(by, &session) == 401).then(|| ended.elapsed()));
        longest = longest.max(refused.expect("it is refused some time"));
        assert_eq!(status(from, &session), 401, "{what}: and stays so");
    }
    println!("{what}: an end is heard after {longest:?} at most");
    assert!(longest < UNSEEN, "{what}: {longest:?}");
}

// S11
#[test]
fn a_server_cut_off_from_redis_is_heard_and_hears() {
    let (record, redis) = (Record::new(), Redis::start());
    let proxy = FaultProxy::start(redis.port());
    let (cut_off, well) = (record.server(proxy.port()), record.server(redis.port()));
    for (how, relay) in [("refused", Relay::Refuse), ("half-open", Relay::HalfOpen)] {
        proxy.set(relay);
        if relay == Relay::Refuse {
            proxy.cut();
        }
        heard_in_time(&format!("{how} link, ended by the server that is cut off"), &cut_off, &well);
        heard_in_time(&format!("{how} link, heard by the server that is cut off"), &well, &cut_off);
        proxy.set(Relay::Pass);
    }
}

/// An old master that nobody told of its successor goes on answering one of the servers with what it knows.
#[test]
fn a_server_behind_an_old_master_is_heard_and_hears() {
    let (record, old, new) = (Record::new(), Redis::start(), Redis::start());
    assert!(new.command(&format!("REPLICAOF 127.0.0.1 {}", old.port())).contains("OK"));
    let linked = || new.command("INFO replication").contains("master_link_status:up").then_some(());
    assert!(wait_for(START, linked).is_some(), "the replica finds its master");
    let isolated = record.server(old.port());
    let before = create(&isolated, "before");
    let replicated = || (!new.command("DBSIZE").contains(":0")).then_some(());
    assert!(wait_for(START, replicated).is_some(), "the replica hears of it");
    assert!(new.command("REPLICAOF NO ONE").contains("OK"));
    let well = record.server(new.port());
    heard_in_time("old master, ended by the server behind it", &isolated, &well);
    heard_in_time("old master, heard by the server behind it", &well, &isolated);
    for server in [&isolated, &well] {
        assert_eq!(status(server, &before), 200);
    }
}

/// Redis comes back with a file that knows nothing of what was since, and by a server that did not see it either: a file from an
/// hour ago would be no different.
#[test]
fn a_redis_restored_from_an_old_file_revives_nobody_and_loses_nobody() {
    const SESSIONS: usize = 60;
    let (record, redis) = (Record::new(), Redis::start());
    let mut first = record.server(redis.port());
    let old: Vec<_> = (0..SESSIONS).map(|number| create(&first, &format!("old-{}", number / 2))).collect();
    assert!(redis.command("SAVE").contains("OK"));
    let (ended, kept) = old.split_at(SESSIONS / 2);
    ended.iter().for_each(|session| end(&first, session));
    let new: Vec<_> = (0..SESSIONS).map(|number| create(&first, &format!("old-{number}"))).collect();
    assert!(first.terminate().success());
    record.forget_change_log();

    let second = record.server(redis.port());
    assert_eq!(status(&second, &kept[0]), 200);
    redis.kill();
    redis.restart();
    assert!(!redis.command("DBSIZE").contains(":0"), "the old data is back");
    for session in ended {
        assert_eq!(status(&second, session), 401, "{}", session.id);
    }
    for session in kept.iter().chain(&new) {
        assert_eq!(status(&second, session), 200, "{}", session.id);
    }
    let third = record.server(redis.port());
    for (session, expected) in
        ended.iter().map(|session| (session, 401)).chain(kept.iter().chain(&new).map(|session| (session, 200)))
    {
        assert_eq!(status(&third, session), expected, "by a server that never knew the other Redis: {}", session.id);
    }
}
