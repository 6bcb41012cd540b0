//! The settings of other systems, pasted as their guides print them: every line is told what became of it, and the server runs.

mod block;

use serde_json::{Value, json};
use std::process::{Command, Output};
use vestibule_testkit::process::{Certificates, Cluster, Redis, Sentinels, Server, ServerOptions, get, post};

const STRONG: &str = "Zm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzIGF0IGxlYXN0";

/// Names and texts as a reader hands them over that cuts no comments off. A secret by reference is a good one.
fn variables(block: &str) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in block.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("- name: ") {
            found.push((name, STRONG));
        } else if let (Some(text), Some(last)) = (line.strip_prefix("value: "), found.last_mut()) {
            last.1 = text.trim_matches('"');
        } else if let Some(pair) = line.trim_start_matches("- ").split_once('=') {
            found.push(pair);
        }
    }
    assert!(!found.is_empty(), "{block}");
    found
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).env_clear().current_dir(folder.path()).envs(variables.iter().copied());
    command.output().expect("the binary starts")
}

fn check(block: &str) -> Value {
    let output = run(&["config", "check", "--json"], &variables(block));
    assert!(output.status.success(), "{block}{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Every line is a setting, or is said to have no effect and why.
fn every_line_is_mapped(block: &str) -> Value {
    let report = check(block);
    let told = report["variables"].as_array().expect("a list");
    for (name, text) in variables(block) {
        let found =
            told.iter().find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("{name} is ignored: {told:?}"));
        assert!(found["setting"].is_string() && found["value"].is_string() || found["note"].is_string(), "{found}");
        assert_ne!(found["note"], "the name is not known");
        assert!(
            !name.contains("SECRET") && !name.contains("PASSWORD") || !report.to_string().contains(text),
            "{name} is shown"
        );
    }
    let said = String::from_utf8(run(&["config", "check"], &variables(block)).stdout).expect("text");
    for (name, _) in variables(block) {
        assert!(said.contains(&format!("\n{name} -> ")), "{name} has no line:\n{said}");
    }
    report
}

/// What a line was found to be, as `config check` says it.
fn told<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let variable = report["variables"].as_array().and_then(|all| all.iter().find(|variable| variable["name"] == name));
    let variable = variable.unwrap_or_else(|| panic!("{name} in {report}"));
    let text = |member: &str| variable[member].as_str().unwrap_or_default();
    if variable["setting"].is_null() { ("", text("note")) } else { (text("setting"), text("value")) }
}

/// Starts a server in development mode from a shell that has read the block, with the hosts that exist only in the guide
/// replaced, and validates a session.
fn runs(block: &str, hosts: &[(&str, String)], options: ServerOptions) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pasted.env");
    let mut text = variables(block).iter().fold(String::new(), |text, (name, value)| format!("{text}{name}={value}\n"));
    for (host, real) in hosts {
        assert!(text.contains(host), "{host} in {text}");
        text = text.replace(host, real);
    }
    std::fs::write(&file, text).expect("a file in the test's folder");
    // The secret of the tests would win over the pasted one.
    let server = Server::start(options.shell(&format!("unset VESTIBULE_SECRET; set -a; . {}", file.display())));
    let created =
        post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management).expect(201);
    let token = json!({"token": created.json()["token"]});
    let validated = post("/v1/sessions/validate").bearer(&server.key).json(&token).send(&server.management);
    assert_eq!(validated.status, 200, "{validated:?}");
    server
}

fn store_is(server: &Server, kind: &str) {
    let health = get("/health/store").bearer(&server.key).send(&server.management).expect(200);
    assert!(health.text().contains(kind), "{kind}: {}", health.text());
}

/// Outside of development each placeholder stops the start with one line that does not show it.
fn placeholders_are_refused(block: &str, names: &[&str]) {
    let pasted = variables(block);
    let strong = [("VESTIBULE_SECRET", STRONG), ("VESTIBULE_MODE", "production")];
    for name in names {
        let others = pasted.iter().filter(|(other, _)| other == name || !names.contains(other));
        let mut all: Vec<_> = others.copied().collect();
        all.extend(&strong[usize::from(*name == "SESSION_SECRET" || *name == "SESSION_SECRET_KEY")..]);
        let output = run(&["serve"], &all);
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.lines().count() == 1 && said.starts_with(name), "{name}: {said}");
        let (_, text) = pasted.iter().find(|(other, _)| other == name).expect("it is pasted");
        assert!(!said.contains(text), "{said}");
    }
}

fn loopback(redis: &Redis) -> String {
    format!("127.0.0.1:{}", redis.port())
}

#[test]
fn sessions_on_redis_in_place_of_a_database() {
    let report = every_line_is_mapped(block::SESSIONS_ON_REDIS);
    assert_eq!(told(&report, "SESSION_TTL"), ("sessions.idle_timeout", "1h"));
    assert_eq!(told(&report, "SESSION_CLEANUP_INTERVAL"), ("", "expired sessions need no clean-up interval"));
    let redis = Redis::start();
    let server = runs(block::SESSIONS_ON_REDIS, &[("redis:6379", loopback(&redis))], ServerOptions::default());
    store_is(&server, "redis");
}

#[test]
fn a_hosted_redis_by_its_parts() {
    const HOST: &str = "redis-12649.c328.europe-west3-1.gce.redns.redis-cloud.com";
    let report = every_line_is_mapped(block::HOSTED_REDIS);
    assert_eq!(told(&report, "REDIS_HOST"), ("store.url", &*format!("redis://{HOST}:12649")));
    assert_eq!(told(&report, "SESSION_TIMEOUT_MINUTES"), ("sessions.idle_timeout", "8h"));
    assert_eq!(told(&report, "REDIS_MAX_CONNECTIONS"), ("store.max_in_flight", "20"));
    let secrets = ["REDIS_PASSWORD", "SESSION_SECRET_KEY", "CSRF_SECRET_KEY"];
    assert!(secrets.iter().all(|name| told(&report, name).1 == "(set)"), "{report}");
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(3), "placeholders are warned of: {report}");
    placeholders_are_refused(block::HOSTED_REDIS, &secrets);
    every_line_is_mapped(block::HOSTED_REDIS_YAML);

    let redis = Redis::start_with(&["--requirepass", "your_redis_password_here"]);
    let hosts = [(HOST, "127.0.0.1".to_owned()), ("REDIS_PORT=12649", format!("REDIS_PORT={}", redis.port()))];
    let server = runs(block::HOSTED_REDIS, &hosts, ServerOptions::default());
    assert_eq!(server.stderr().matches("placeholder").count(), 2, "{}", server.stderr());
    let redis = Redis::start_with(&["--requirepass", STRONG]);
    let hosts = [(HOST, "127.0.0.1".to_owned()), ("REDIS_PORT=12649", format!("REDIS_PORT={}", redis.port()))];
    let server = runs(block::HOSTED_REDIS_YAML, &hosts, ServerOptions::default());
    assert!(!server.stderr().contains("placeholder"), "{}", server.stderr());
}

#[test]
fn a_database_of_redis_for_each_purpose() {
    let report = every_line_is_mapped(block::PURPOSES);
    assert_eq!(told(&report, "REDIS_SESSION_URL"), ("store.sessions_url", "redis://localhost:6379/2"));
    assert_eq!(told(&report, "REDIS_RATE_LIMIT_URL"), ("store.limits_url", "redis://localhost:6379/3"));
    assert_eq!(told(&report, "REDIS_CLUSTER_NODES"), ("", "REDIS_CLUSTER_ENABLED is off"));
    assert_eq!(told(&report, "REDIS_CONNECTION_TIMEOUT"), ("store.connect_timeout", "5s"));
    let redis = Redis::start();
    runs(block::PURPOSES, &[("localhost:6379", loopback(&redis))], ServerOptions::default());
    assert!(redis.command("INFO keyspace").contains("db2:keys="), "sessions are where they are told to be");
}

#[test]
fn a_cluster_and_sentinels_by_their_switches() {
    let cluster = Cluster::shared();
    every_line_is_mapped(block::PURPOSES_CLUSTER);
    let nodes: Vec<_> = cluster.ports()[..3].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let hosts = [("redis1:6379,redis2:6379,redis3:6379", nodes.join(","))];
    let strong = || ServerOptions::default().env("SESSION_SECRET", STRONG);
    runs(block::PURPOSES_CLUSTER, &hosts, strong());

    let sentinels = Sentinels::shared();
    every_line_is_mapped(block::PURPOSES_SENTINEL);
    let nodes: Vec<_> = sentinels.ports()[..2].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let hosts = [("sentinel1:26379,sentinel2:26379", nodes.join(","))];
    let database = sentinels.database().to_string();
    runs(block::PURPOSES_SENTINEL, &hosts, strong().env("VESTIBULE_STORE__DATABASE", &database));

    // As the guide has it, the switch is turned in the first block. What it says of single servers is moot then.
    let turned = block::PURPOSES.replace("REDIS_SENTINEL_ENABLED=False", "REDIS_SENTINEL_ENABLED=True");
    let report = every_line_is_mapped(&turned);
    assert_eq!(told(&report, "REDIS_SESSION_URL"), ("", "REDIS_SENTINEL_HOSTS says where everything is"));
    let hosts = [("sentinel1:26379,sentinel2:26379,sentinel3:26379", nodes.join(","))];
    runs(&turned, &hosts, strong().env("VESTIBULE_STORE__DATABASE", &sentinels.database().to_string()));
}

#[test]
fn one_url_in_all_its_forms() {
    let report = every_line_is_mapped(block::TOKENS_ON_REDIS);
    assert_eq!(told(&report, "REDIS_URL"), ("store.url", "redis://localhost:6379/0"));
    let redis = Redis::start();
    runs(block::TOKENS_ON_REDIS, &[("localhost:6379", loopback(&redis))], ServerOptions::default());

    every_line_is_mapped(block::TOKENS_PASSWORD);
    let redis = Redis::start_with(&["--requirepass", "your_strong_password"]);
    runs(block::TOKENS_PASSWORD, &[("localhost:6379", loopback(&redis))], ServerOptions::default());
    placeholders_are_refused(block::TOKENS_PASSWORD, &["REDIS_URL"]);

    let report = every_line_is_mapped(block::TOKENS_TLS);
    assert_eq!(told(&report, "REDIS_URL"), ("store.url", "rediss://localhost:6379/0"));
    let certificates = Certificates::make();
    let path = |path: std::path::PathBuf| path.to_str().expect("text").to_owned();
    let (_redis, port) = Redis::start_tls(&certificates, "server");
    let trusting = ServerOptions::default()
        .env("REDIS_SSL_CA_CERTS", &path(certificates.certificate("ca")))
        .env("REDIS_SSL_CERTFILE", &path(certificates.certificate("client")))
        .env("REDIS_SSL_KEYFILE", &path(certificates.key("client")));
    // The comment is kept from the shell here, since it would end the assignment by itself.
    let quoted = block::TOKENS_TLS.replacen("rediss", "'rediss", 1).replace("SSL\n", "SSL'\n");
    runs(&quoted, &[("localhost:6379", format!("localhost:{port}"))], trusting);
}

#[test]
fn sentinels_and_a_cluster_in_one_url() {
    let strong = || ServerOptions::default().env("SESSION_SECRET", STRONG);
    let report = every_line_is_mapped(block::TOKENS_SENTINEL);
    assert_eq!(told(&report, "REDIS_URL").1, "redis+sentinel://sentinel1:26379,sentinel2:26379/mymaster");
    let sentinels = Sentinels::start();
    let nodes: Vec<_> = sentinels.ports()[..2].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    runs(block::TOKENS_SENTINEL, &[("sentinel1:26379,sentinel2:26379", nodes.join(","))], strong());

    every_line_is_mapped(block::TOKENS_CLUSTER);
    let cluster = Cluster::shared();
    let nodes: Vec<_> = cluster.ports()[..3].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    runs(block::TOKENS_CLUSTER, &[("node1:6379,node2:6379,node3:6379", nodes.join(","))], strong());
}

#[test]
fn redis_as_a_cache_of_sessions() {
    let report = every_line_is_mapped(block::CACHED_SESSIONS);
    assert_eq!(told(&report, "REDIS_DB"), ("store.database", "0"));
    assert_eq!(told(&report, "SESSION_TTL"), ("sessions.idle_timeout", "7d"));
    placeholders_are_refused(block::CACHED_SESSIONS, &["REDIS_PASSWORD", "SESSION_SECRET"]);
    let redis = Redis::start_with(&["--requirepass", "your_redis_password"]);
    let server = runs(block::CACHED_SESSIONS, &[("localhost:6379", loopback(&redis))], ServerOptions::default());
    store_is(&server, "redis");

    // Without an address of Redis its password opens nothing, which is said.
    let report = every_line_is_mapped(block::CACHED_SESSIONS_COMPOSE);
    assert!(report["warnings"].to_string().contains("no effect without store.url"), "{report}");
    runs(block::CACHED_SESSIONS_COMPOSE, &[], ServerOptions::default());
}
