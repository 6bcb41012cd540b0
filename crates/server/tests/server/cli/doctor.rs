//! `vestibule doctor`: what is wrong, what to do, and the exit code.

use super::{finish, server, stdout};
use serde_json::Value;
use std::process::Command;
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Redis, Server, ServerOptions, free_port, get, wait_for},
};

/// A doctor who knows of no server.
fn doctor(server: &Server) -> Command {
    let mut command = server.command();
    command.env_remove("VESTIBULE_URL").env_remove("VESTIBULE_KEY").args(["doctor", "--json"]);
    // The default address may be taken by somebody's server.
    command.env("VESTIBULE_MANAGEMENT__LISTEN", format!("127.0.0.1:{}", free_port()));
    command
}

/// What it says, and its exit code.
fn ask(command: &mut Command) -> (Value, Option<i32>) {
    let output = finish(command, "");
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (said, output.status.code())
}

/// The checks of this name that ended so, as `detail; fix`.
fn told(said: &Value, name: &str, status: &str) -> Vec<String> {
    let checks = said["checks"].as_array().expect("a list").iter();
    let checks = checks.filter(|check| check["name"] == name && check["status"] == status);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    checks.map(|check| format!("{}; {}", text(&check["detail"]), text(&check["fix"]))).collect()
}

#[test]
fn a_server_that_is_well_is_told_so_and_timed() {
    let server = server();
    // A machine that is busy with other tests may be too slow for a moment.
    let well = wait_for(START, || Some(ask(server.command().args(["doctor", "--json"]))).filter(|(_, code)| *code == Some(0)));
    let (said, _) = well.unwrap_or_else(|| panic!("{:?}", ask(server.command().args(["doctor", "--json"]))));
    assert_eq!(said["status"], "ok");
    for name in ["configuration", "secret", "data folder", "listeners", "store", "record", "server", "sessions"] {
        assert_eq!(told(&said, name, "ok").len(), 1, "{name}: {said}");
    }
    assert!(told(&said, "sessions", "ok")[0].contains("validate "), "{said}");
    let stats = get("/v1/stats").bearer(&server.key).send(&server.management).expect(200).json();
    assert_eq!((&stats["sessions"], &stats["users"]), (&0.into(), &0.into()), "it left something");
    let text = stdout(&finish(server.command().arg("doctor"), ""));
    assert!(text.lines().any(|line| line.starts_with("ok") && line.contains("store: ")), "{text}");
}

#[test]
fn settings_of_redis_that_endanger_sessions_are_told_with_their_fix() {
    // S100
    let (server, redis) = (server(), Redis::start());
    assert!(redis.command("CONFIG SET maxmemory-policy volatile-ttl").contains("OK"));
    let (said, code) = ask(doctor(&server).env("REDIS_URL", redis.url()));
    assert_eq!((&said["status"], code), (&"degraded".into(), Some(2)), "{said}");
    let found = told(&said, "store", "degraded").join("\n");
    for expected in ["maxmemory-policy is volatile-ttl", "noeviction", "appendonly yes"] {
        assert!(found.contains(expected), "{expected}: {said}");
    }
    assert!(told(&said, "store", "ok").iter().any(|text| text.starts_with("Redis ")), "{said}");
    assert_eq!(told(&said, "clock", "ok").len(), 1, "{said}");
}

#[test]
fn stores_that_do_not_answer_are_failures_with_the_setting_that_names_them() {
    let server = server();
    let nobody = free_port();
    let (said, code) = ask(doctor(&server).env("REDIS_URL", format!("redis://127.0.0.1:{nobody}")));
    assert_eq!((&said["status"], code), (&"failed".into(), Some(1)), "{said}");
    assert!(told(&said, "store", "failed")[0].contains("REDIS_URL"), "{said}");
    let (said, code) = ask(doctor(&server).env("DATABASE_URL", format!("postgres://ada@127.0.0.1:{nobody}/db")));
    assert_eq!(code, Some(1), "{said}");
    assert!(told(&said, "record", "failed")[0].contains("DATABASE_URL"), "{said}");
}

#[test]
fn a_database_is_looked_at_and_not_changed() {
    let (server, postgres) = (server(), Postgres::shared());
    let url = postgres.database();
    let (said, code) = ask(doctor(&server).env("DATABASE_URL", &url));
    assert_eq!(code, Some(0), "{said}");
    assert!(told(&said, "record", "ok")[0].contains("no schema yet"), "{said}");
    let (said, _) = ask(doctor(&server).env("DATABASE_URL", &url));
    assert!(told(&said, "record", "ok")[0].contains("no schema yet"), "the first look made one: {said}");
    let _made = Server::start(ServerOptions::default().env("DATABASE_URL", &url));
    let (said, _) = ask(doctor(&server).env("DATABASE_URL", &url));
    let record = &told(&said, "record", "ok")[0];
    assert!(record.contains(", schema ") && !record.contains("a start"), "{said}");
    assert_eq!(told(&said, "clock", "ok").len(), 1, "{said}");
}

#[test]
fn mistakes_of_the_configuration_are_told_with_their_fix() {
    let server = server();
    let (said, code) = ask(doctor(&server).env("VESTIBULE_PUBLIC__LISTEN", "0.0.0.0:9000"));
    assert_eq!(code, Some(1), "{said}");
    assert!(told(&said, "configuration", "failed").iter().any(|text| text.contains("behind_proxy")), "{said}");
    let mut proxied = doctor(&server);
    proxied.env("VESTIBULE_PUBLIC__TRUSTED_PROXIES", "0.0.0.0/0");
    let (said, code) = ask(&mut proxied);
    assert_eq!(code, Some(2), "{said}");
    assert!(told(&said, "proxy", "degraded")[0].contains("name only the addresses"), "{said}");
}

#[test]
fn a_server_that_was_named_must_run_and_one_that_was_not_need_not() {
    let server = server();
    let (said, code) = ask(&mut doctor(&server));
    assert_eq!((told(&said, "server", "skipped").len(), code), (1, Some(0)), "{said}");
    let (said, code) = ask(server.command().env("VESTIBULE_URL", "http://127.0.0.1:1").args(["doctor", "--json"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(told(&said, "server", "failed")[0].contains("VESTIBULE_URL"), "{said}");
    let (said, code) = ask(server.command().env("VESTIBULE_KEY", "vk_of_nobody").args(["doctor", "--json"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(told(&said, "server", "failed")[0].contains("VESTIBULE_KEY"), "{said}");
}
