//! Servers that share their sessions on Redis.

use serde_json::json;
use vestibule_testkit::{
    bounds::START,
    process::{
        Certificates, Cluster, MASTER, Postgres, Redis, Response, Sentinels, Server, ServerOptions, delete, get, post, wait_for,
    },
};

const SECRET: &str = "a secret that both servers have in common 1234567890";

fn over(redis: &Redis) -> ServerOptions {
    ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_SECRET", SECRET)
}

fn create(server: &Server) -> Response {
    post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management)
}

fn validate(server: &Server, token: &str) -> Response {
    post("/v1/sessions/validate").bearer(&server.key).json(&json!({"token": token})).send(&server.management)
}

fn text(created: &Response, field: &str) -> String {
    assert_eq!(created.status, 201, "{created:?}");
    created.json()[field].as_str().unwrap_or_else(|| panic!("{field} in {created:?}")).to_owned()
}

#[test]
fn two_servers_are_one_and_outlive_each_other() {
    let redis = Redis::start();
    let mut one = Server::start(over(&redis));
    let two = Server::start(over(&redis));
    let token = text(&create(&one), "token");
    assert_eq!(validate(&two, &token).status, 200);
    one.kill();
    one.restart();
    assert_eq!(validate(&one, &token).status, 200);
    let ended = delete("/v1/users/ada/sessions").bearer(&two.key).send(&two.management);
    assert_eq!(ended.status, 200, "{ended:?}");
    assert_eq!(validate(&one, &token).status, 401);
    let health = get("/health").bearer(&one.key).send(&one.management).expect(200);
    assert!(health.text().contains(r#""kind":"redis""#), "{health:?}");
}

#[test]
fn a_server_of_another_secret_is_refused() {
    let redis = Redis::start();
    let _one = Server::start(over(&redis));
    let other = over(&redis).env("VESTIBULE_SECRET", "another secret of the same length as the first 12345");
    let refused = Server::try_start(other).expect_err("it must not start");
    assert!(refused.stderr.contains("made with another secret"), "{}", refused.stderr);
}

/// While Redis is away nothing is guessed: 503 in time, and afterwards all goes on.
#[test]
fn a_dead_redis_is_a_fault_and_no_denial() {
    let redis = Redis::start();
    let server = Server::start(over(&redis));
    let token = text(&create(&server), "token");
    redis.kill();
    for refused in [validate(&server, &token), create(&server)] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    redis.restart();
    let again = wait_for(START, || Some(create(&server)).filter(|answer| answer.status == 201));
    assert!(again.is_some(), "the server does not find back to Redis\n{}", server.stderr());
}

/// Sessions are lost with the data, but a server that starts afterwards still gives users the same tags.
#[test]
fn an_emptied_redis_is_told_its_deployment_again() {
    let redis = Redis::start();
    let one = Server::start(over(&redis));
    assert_eq!(create(&one).status, 201);
    let salt = redis.command("GET vs:{0}:deployment");
    assert!(redis.command("FLUSHALL").contains("OK"));
    let told = || (redis.command("GET vs:{0}:deployment") == salt).then_some(());
    assert!(wait_for(START, told).is_some(), "the deployment is lost");
    let two = Server::start(over(&redis));
    let token = text(&create(&two), "token");
    assert_eq!(validate(&one, &token).status, 200);
    let listed = get("/v1/users/ada/sessions").bearer(&one.key).send(&one.management).expect(200);
    assert_eq!(listed.json()["sessions"].as_array().map(Vec::len), Some(1));
}

/// Two deployments over one store would give a user two tags, and an end on one side would miss the sessions of the other.
#[test]
fn a_server_whose_store_was_made_anew_ends_and_says_why() {
    let redis = Redis::start();
    let mut one = Server::start(over(&redis));
    let salt = "vs:{0}:deployment";
    // As if another server had been faster than its reminder.
    let anew = format!("SET {salt} {}", "x".repeat(48));
    assert!(redis.command(&anew).contains("OK"));
    assert!(!one.wait().success());
    assert!(one.stderr().contains("start this process again"), "{}", one.stderr());
}

/// One setting moves the same product to any kind of Redis.
fn works_on(url: &str, more: impl Fn(ServerOptions) -> ServerOptions) {
    let options = || more(ServerOptions::default().env("REDIS_URL", url).env("VESTIBULE_SECRET", SECRET));
    let (one, two) = (Server::start(options()), Server::start(options()));
    let token = text(&create(&one), "token");
    assert_eq!(validate(&two, &token).status, 200);
    let listed = get("/v1/users/ada/sessions").bearer(&two.key).send(&two.management).expect(200);
    assert_eq!(listed.json()["sessions"].as_array().map(Vec::len), Some(1));
    let ended = delete("/v1/users/ada/sessions").bearer(&two.key).send(&two.management);
    assert_eq!(ended.json()["revoked"], 1);
    assert_eq!(validate(&one, &token).status, 401);
}

#[test]
fn sentinels_are_asked_for_the_master() {
    let set = Sentinels::shared();
    let hosts: Vec<_> = set.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let url = format!("redis+sentinel://{}/{MASTER}", hosts.join(","));
    let database = set.database().to_string();
    works_on(&url, |options| options.env("VESTIBULE_STORE__DATABASE", &database));
}

#[test]
fn a_cluster_is_found_through_any_node() {
    let cluster = Cluster::start();
    works_on(&cluster.url(), |options| options);
    works_on(&format!("redis+cluster://127.0.0.1:{}", cluster.ports()[4]), |options| options);
}

#[test]
fn tls_and_sockets_are_other_ways_to_one_server() {
    let certificates = Certificates::make();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("redis.sock");
    let path = |path: std::path::PathBuf| path.to_str().expect("text").to_owned();
    let (_redis, port) = Redis::start_tls(&certificates, "server");
    let authority = path(certificates.certificate("ca"));
    let trusting = |options: ServerOptions| options.env("VESTIBULE_STORE__TLS_CA_FILE", &authority);
    works_on(&format!("rediss://localhost:{port}"), |options| {
        trusting(options)
            .env("VESTIBULE_STORE__TLS_CERT_FILE", &path(certificates.certificate("client")))
            .env("VESTIBULE_STORE__TLS_KEY_FILE", &path(certificates.key("client")))
    });
    let (_foreign, port) = Redis::start_tls(&certificates, "foreign");
    let wrong = trusting(ServerOptions::default().env("REDIS_URL", &format!("rediss://localhost:{port}")));
    let refused = Server::try_start(wrong).expect_err("it must not start");
    assert!(refused.stderr.contains("not valid for name"), "{}", refused.stderr);
    let _redis = Redis::start_with(&["--unixsocket", &path(socket.clone())]);
    works_on(&format!("unix:{}", path(socket)), |options| options);
}

/// O7: with nobody left who could tell whether a session is valid, a balancer must know.
#[test]
fn with_both_stores_away_the_server_is_not_ready() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let server = Server::start(over(&redis).env("DATABASE_URL", &postgres.database()).env("VESTIBULE_STORE__TIMEOUT", "250ms"));
    let token = text(&create(&server), "token");
    redis.kill();
    postgres.kill();
    let health = || get("/health").bearer(&server.key).send(&server.management);
    let known = || (health().status == 503 && get("/readyz").send(&server.public).status == 503).then_some(());
    assert!(wait_for(START, known).is_some(), "{:?}", health());
    assert_eq!(get("/livez").send(&server.public).status, 200);
    assert_eq!(validate(&server, &token).status, 503);
    postgres.restart();
    let ready = || (get("/readyz").send(&server.public).status == 200).then_some(());
    assert!(wait_for(START, ready).is_some(), "the record alone is enough");
    let valid = || (validate(&server, &token).status == 200).then_some(());
    assert!(wait_for(START, valid).is_some(), "the record answers");
}

/// With a record nothing is lost with Redis: neither a session nor its end.
#[test]
fn a_record_outlives_redis() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let url = postgres.database();
    let one = Server::start(over(&redis).env("DATABASE_URL", &url));
    let two = Server::start(over(&redis).env("DATABASE_URL", &url));
    let token = text(&create(&one), "token");
    assert_eq!(validate(&two, &token).status, 200);
    redis.kill();
    assert_eq!(validate(&two, &token).status, 200, "the record answers");
    let flagged = || get("/health/store").bearer(&two.key).send(&two.management).text().contains("degraded").then_some(());
    assert!(wait_for(START, flagged).is_some(), "health does not say so");
    let ended = delete("/v1/users/ada/sessions").bearer(&two.key).send(&two.management);
    assert_eq!(ended.status, 200, "{ended:?}");
    let refused = wait_for(START, || Some(validate(&one, &token)).filter(|answer| answer.status == 401));
    assert!(refused.is_some(), "an end was not heard of");
    redis.restart();
    assert_eq!(validate(&one, &token).status, 401);
    assert_eq!(validate(&two, &text(&create(&one), "token")).status, 200);
}

/// O8: Redis answers, but nothing comes by the bus.
#[test]
fn a_bus_that_hears_nothing_is_flagged() {
    let redis = Redis::start();
    let server = Server::start(over(&redis));
    let bus = |status: &str| {
        let answer = get("/health/bus").bearer(&server.key).send(&server.management).expect(200);
        (answer.json()["status"] == status).then_some(())
    };
    assert!(bus("ok").is_some(), "it is heard before the first request");
    assert!(redis.command("ACL SETUSER default resetchannels").contains("OK"));
    assert!(wait_for(START, || bus("degraded")).is_some(), "health does not say so");
    let health = get("/health").bearer(&server.key).send(&server.management).expect(200);
    assert_eq!(health.json()["status"], "degraded", "{health:?}");
    assert!(health.text().contains("&vs:bus*"), "{health:?}");
    assert_eq!(validate(&server, &text(&create(&server), "token")).status, 200);
    assert!(redis.command("ACL SETUSER default allchannels").contains("OK"));
    assert!(wait_for(START, || bus("ok")).is_some(), "it does not come back");
    let figures = || get("/metrics").bearer(&server.key).send(&server.management).expect(200);
    let again = wait_for(START, || Some(figures()).filter(|figures| figures.text().contains("vestibule_bus_connected 1")));
    let figures = again.expect("a figure says so too");
    for figure in ["vestibule_bus_doubts_total{why=\"cut\"} 1", "vestibule_bus_messages_total{direction=\"heard\"}"] {
        assert!(figures.text().contains(figure), "{figure} is not in {}", figures.text());
    }
}

/// A server that dies may have ended something that it told nobody.
#[test]
fn the_death_of_a_server_raises_doubt_in_the_others() {
    let redis = Redis::start();
    let (mut dying, left) = (Server::start(over(&redis)), Server::start(over(&redis)));
    let is_in_doubt = || {
        let figures = get("/metrics").bearer(&left.key).send(&left.management).expect(200);
        figures.text().contains("vestibule_bus_doubts_total{why=\"silence\"} 1").then_some(())
    };
    create(&dying);
    assert!(is_in_doubt().is_none(), "both live");
    dying.kill();
    assert!(wait_for(START, is_in_doubt).is_some(), "nobody notices");
}
