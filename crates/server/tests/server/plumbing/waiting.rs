//! A server whose stores are not there yet, and one whose stores are wrong.

use serde_json::json;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};
use vestibule_testkit::{
    bounds::START,
    process::{Postgres, Redis, Server, ServerOptions, get, post, wait_for},
};

const SECRET: &str = "a secret for servers that wait 1234567890 abcdef";

fn over(url: &str) -> ServerOptions {
    ServerOptions::default().env("REDIS_URL", url).env("VESTIBULE_SECRET", SECRET)
}

/// O5, O7, O18: alive, honest about what is missing, and telling everybody else to come again.
fn waits_for(server: &Server, component: &str) {
    for address in [&server.public, &server.management] {
        assert_eq!(get("/livez").send(address).expect(200).text(), "ok\n");
        for path in ["/readyz", "/startupz"] {
            assert!(get(path).send(address).expect(503).header("retry-after").is_some());
        }
    }
    let named = || {
        let health = get("/health").bearer(&server.key).send(&server.management).expect(503).json();
        (health["components"][component]["status"] == "unavailable").then_some(health)
    };
    let health = wait_for(START, named).expect("the component is named");
    assert_eq!(health["status"], "starting");
    assert_eq!(health["components"][component]["fault"], "unavailable", "{health}");
    assert!(health["components"][component]["detail"].as_str().is_some_and(|text| !text.is_empty()), "{health}");
    let figures = get("/metrics").bearer(&server.key).send(&server.management).expect(200).text();
    assert!(figures.contains("vestibule_up 0"), "{figures}");
    let create = post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management);
    let login = post("/auth/login").json(&json!({"email": "ada@example.com", "password": "x"})).send(&server.public);
    for refused in [create, login, get("/forward-auth").send(&server.public)] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.code(), "store_unavailable");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    // Nobody can tell whether another key is good, but no key is none.
    assert_eq!(get("/health").send(&server.management).expect(401).code(), "key_invalid");
    assert_eq!(get("/health").bearer("vk_other").send(&server.management).expect(503).code(), "store_unavailable");
}

fn works(server: &Server) {
    let ready = || (get("/readyz").send(&server.public).status == 200).then_some(());
    assert!(wait_for(START, ready).is_some(), "it does not notice that its store came\n{}", server.stderr());
    let _ = get("/startupz").send(&server.public).expect(200);
    let create = post("/v1/sessions").bearer(&server.key).json(&json!({"user_id": "ada"})).send(&server.management);
    assert_eq!(create.status, 201, "{create:?}");
}

#[test]
fn a_redis_that_comes_later_is_waited_for() {
    let redis = Redis::start();
    redis.kill();
    let server = Server::start_waiting(over(&redis.url()));
    waits_for(&server, "store");
    let told = format!("waiting for a store component=\"store\" at=\"redis://127.0.0.1:{}", redis.port());
    assert_eq!(server.stderr().matches(&told).count(), 1, "{}", server.stderr());
    redis.restart();
    works(&server);
}

#[test]
fn a_database_that_comes_later_is_waited_for() {
    let postgres = Postgres::start();
    let url = postgres.database();
    postgres.kill();
    let server = Server::start_waiting(ServerOptions::default().env("DATABASE_URL", &url));
    waits_for(&server, "record");
    let place = url.rsplit('@').next().expect("a URL");
    assert!(server.stderr().contains(&format!("at=\"postgres://{place}\"")), "{}", server.stderr());
    postgres.restart();
    works(&server);
}

#[test]
fn a_waiting_server_ends_when_it_is_told_to() {
    let redis = Redis::start();
    redis.kill();
    let mut server = Server::start_waiting(over(&redis.url()));
    assert!(server.terminate().success());
}

/// What no waiting mends ends the start, with one line and a code.
fn refused(options: ServerOptions, says: &str) {
    let refused = Server::try_start(options).expect_err("it must not start");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
    assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
}

#[test]
fn a_wrong_password_of_redis_is_no_outage() {
    let redis = Redis::start();
    assert!(redis.command("CONFIG SET requirepass right").contains("OK"));
    refused(over(&redis.url().replace("redis://", "redis://:wrong@")), "refuses the password");
    refused(over(&redis.url()), "refuses the password");
}

#[test]
fn a_database_that_does_not_exist_is_no_outage() {
    let postgres = Postgres::shared();
    let url = format!("{}_of_nobody", postgres.database());
    refused(ServerOptions::default().env("DATABASE_URL", &url), "no database of the name");
}

/// Answers what a client asks on its way in, and says that it is Redis 6.2.
fn answer_as_6(stream: &TcpStream) -> std::io::Result<()> {
    let (mut lines, mut out) = (BufReader::new(stream).lines(), stream);
    // `*2`, then a length and a text for each of the two.
    while let Some(count) = lines.next().transpose()? {
        let parts = count.trim_start_matches('*').parse::<usize>().unwrap_or(0);
        let words: Vec<String> = (0..2 * parts).map_while(|_| lines.next()).collect::<Result<_, _>>()?;
        let command: Vec<&str> = words.iter().skip(1).step_by(2).map(String::as_str).collect();
        let info = "redis_version:6.2.14\r\nrun_id:0123456789abcdef\r\n";
        let answer = match &*command {
            ["HELLO", ..] => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            ["PING"] => "+PONG\r\n".to_owned(),
            ["INFO"] | ["INFO", _] => format!("${}\r\n{info}\r\n", info.len()),
            ["INFO", ..] => "-ERR syntax error\r\n".to_owned(),
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        out.write_all(answer.as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_redis_before_7_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // It ends with its client.
            thread::spawn(move || answer_as_6(&stream));
        }
    });
    refused(over(&url), "Redis 6.2.14");
    refused(over(&url).env("DATABASE_URL", &Postgres::shared().database()), "Redis 6.2.14");
}

/// The addresses are told although nobody answers: a firewall may swallow what is sent.
#[test]
fn addresses_are_told_while_a_store_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://{}", silent.local_addr().expect("an address"));
    let server = Server::start_waiting(over(&url));
    let _ = get("/livez").send(&server.public).expect(200);
    let refused = get("/v1/stats").bearer(&server.key).send(&server.management);
    assert_eq!(refused.status, 503, "{refused:?}");
}
