//! Credential stuffing: a list of leaked passwords is tried by many addresses and a botnet, at two servers over one Redis and one record.

use super::{DEVICE, manage};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use vestibule_testkit::process::{Postgres, Redis, Response, Server, ServerOptions, post};

const ACCOUNTS: usize = 1_000;
/// Users that are imported with one request.
const BATCH: usize = 200;
const ADDRESSES: usize = 200;
/// Hosts of one IPv6 network, all of which count as one address.
const BOTS: usize = 200;
const WORKERS: usize = 4;
const SECRET: &str = "a secret of two servers over one state 1234567890";
const OWNER: &str = "user0@example.com";
const PASSWORD: &str = "four brown foxes jump";
const LEAKED: &str = "not the right password";
/// Failures that are forgiven: of an account, of an address.
const BUDGETS: (usize, usize) = (10, 3);

/// Where somebody sits, and what their browser keeps.
#[derive(Clone, Copy)]
struct Client<'a> {
    address: &'a str,
    device: Option<&'a str>,
}

fn servers(redis: &Redis, postgres: &Postgres) -> [Server; 2] {
    let options = ServerOptions::default().env("REDIS_URL", &redis.url()).env("VESTIBULE_SECRET", SECRET);
    let options = options.env("DATABASE_URL", &postgres.database());
    let options = options.env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", &format!("{}/4h", BUDGETS.0));
    let options = options.env("VESTIBULE_LOGIN_THROTTLE__ADDRESS", &format!("{}/4h", BUDGETS.1));
    // A node that waits too long for Redis counts alone.
    let options = options.env("VESTIBULE_STORE__TIMEOUT", "5s");
    [Server::start(options.clone()), Server::start(options)]
}

fn import(server: &Server) {
    let hashed = manage(server, post("/v1/passwords/hash").json(&json!({"password": PASSWORD}))).expect(200).json();
    for batch in 0..ACCOUNTS / BATCH {
        let user = |n| json!({"email": format!("user{}@example.com", batch * BATCH + n), "password_hash": hashed["hash"]});
        let users: Vec<Value> = (0..BATCH).map(user).collect();
        let imported = manage(server, post("/v1/users/import").json(&json!({"users": users}))).expect(200).json();
        assert_eq!(imported["imported"], BATCH, "{imported}");
    }
}

fn log_in(server: &Server, email: &str, password: &str, client: Client<'_>) -> Response {
    let request = post("/auth/login").json(&json!({"email": email, "password": password}));
    let request = request.header("X-Forwarded-For", client.address);
    match client.device {
        Some(device) => request.cookie(DEVICE, device),
        None => request,
    }
    .send(&server.public)
}

/// How often each status was answered to so many attempts, several at a time, at one server and the other.
fn attempts(count: usize, servers: &[Server; 2], attempt: impl Fn(&Server, usize) -> Response + Sync) -> BTreeMap<u16, usize> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut statuses = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return statuses;
            }
            statuses.push(attempt(&servers[number % 2], number).status);
        }
    };
    let mut counts = BTreeMap::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        for status in workers.into_iter().flat_map(|worker| worker.join().expect("a worker")) {
            *counts.entry(status).or_default() += 1;
        }
    });
    counts
}

fn address(number: usize) -> String {
    format!("203.0.113.{}", number % ADDRESSES)
}

// S86, L16
#[test]
fn stuffing_is_throttled_and_owners_get_in() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let servers = servers(&redis, &postgres);
    import(&servers[0]);
    let home = Client { address: "192.0.2.1", device: None };
    let first = log_in(&servers[0], OWNER, PASSWORD, home).expect(200);
    let device = first.cookie(DEVICE).expect("the device is told that it is known").to_owned();

    // Everybody at the owner: the account is throttled whoever asks, at both servers together.
    let at_owner =
        attempts(ADDRESSES, &servers, |server, n| log_in(server, OWNER, LEAKED, Client { address: &address(n), device: None }));
    assert_eq!(at_owner, BTreeMap::from([(401, BUDGETS.0), (429, ADDRESSES - BUDGETS.0)]));

    // The whole list by all addresses, twice over: each gets its budget and no more.
    let by_all = attempts(2 * ACCOUNTS, &servers, |server, n| {
        let email = format!("user{}@example.com", 1 + n % (ACCOUNTS - 1));
        log_in(server, &email, LEAKED, Client { address: &address(n), device: None })
    });
    let allowed = ADDRESSES * BUDGETS.1 - BUDGETS.0;
    assert_eq!(by_all, BTreeMap::from([(401, allowed), (429, 2 * ACCOUNTS - allowed)]));

    // A network of bots is one address.
    let by_bots = attempts(BOTS, &servers, |server, n| {
        let bot = format!("2001:db8:0:7:{:x}::{:x}", n * 7, n + 1);
        log_in(server, &format!("user{}@example.com", 500 + n), LEAKED, Client { address: &bot, device: None })
    });
    assert_eq!(by_bots, BTreeMap::from([(401, BUDGETS.1), (429, BOTS - BUDGETS.1)]));

    // The owner gets in where they were before, and a stranger with the right password does not; others are not touched.
    for server in &servers {
        let _ = log_in(server, OWNER, PASSWORD, Client { address: "198.51.100.7", device: None }).expect(429);
        let _ = log_in(server, OWNER, PASSWORD, Client { address: "198.51.100.7", device: Some(&device) }).expect(200);
        let _ = log_in(server, "user999@example.com", PASSWORD, Client { address: "198.51.100.8", device: None }).expect(200);
    }
}
