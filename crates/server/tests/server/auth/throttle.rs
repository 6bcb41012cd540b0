//! Guessing passwords: throttled by account and by address, and never a lockout of the owner.

use super::{Browser, DEVICE, PASSWORD, on_each_form, register};
use serde_json::json;
use vestibule_testkit::process::{Postgres, Redis, Response, Server, ServerOptions, post};

const NEW: &str = "seven green parrots sing";

fn budgets(account: &str, address: &str) -> ServerOptions {
    let options = ServerOptions::default().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", account);
    options.env("VESTIBULE_LOGIN_THROTTLE__ADDRESS", address)
}

/// A login from an address; on a device, if it kept anything.
fn log_in(server: &Server, email: &str, password: &str, address: &str, device: Option<&str>) -> Response {
    let request = post("/auth/login").json(&json!({"email": email, "password": password}));
    let request = request.header("X-Forwarded-For", address);
    match device {
        Some(device) => request.cookie(DEVICE, device),
        None => request,
    }
    .send(&server.public)
}

/// Statuses of guesses from as many addresses.
fn guess(server: &Server, email: &str, guesses: u8) -> Vec<u16> {
    let guess = |n| log_in(server, email, "not the right password", &format!("203.0.113.{n}"), None).status;
    (0..guesses).map(guess).collect()
}

fn device_of(answer: &Response) -> String {
    answer.cookie(DEVICE).expect("the device is told that it is known").to_owned()
}

// S86
#[test]
fn a_hundred_guesses_from_everywhere_throttle_an_account_but_not_its_owner() {
    on_each_form(&budgets("10/4h", "300/1h"), |server| {
        for email in ["ada@example.com", "bob@example.com"] {
            let _ = register(server, email).expect(201);
        }
        let device = device_of(&log_in(server, "ada@example.com", PASSWORD, "192.0.2.1", None).expect(200));
        let mut guesses = vec![401; 10];
        guesses.resize(100, 429);
        assert_eq!(guess(server, "ada@example.com", 100), guesses);
        assert_eq!(guess(server, "nobody@example.com", 100), guesses, "being throttled tells who has an account");

        let stranger = log_in(server, "Ada@Example.com", PASSWORD, "198.51.100.7", None).expect(429);
        assert_eq!(stranger.code(), "rate_limited");
        let wait: u64 = stranger.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=24 * 60).contains(&wait), "{wait}");
        let owner = log_in(server, "ada@example.com", PASSWORD, "198.51.100.7", Some(&device)).expect(200);
        let again = device_of(&owner);
        let _ = log_in(server, "ada@example.com", PASSWORD, "198.51.100.8", Some(&again)).expect(200);
        let _ = log_in(server, "bob@example.com", PASSWORD, "198.51.100.9", None).expect(200);
    });
}

// S86: guesses at several nodes are one count; where Redis is away each node still counts.
#[test]
fn nodes_count_guesses_together() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let database = postgres.database();
    let start = || {
        let options = budgets("10/4h", "300/1h").env("REDIS_URL", &redis.url()).env("DATABASE_URL", &database);
        // A node that waits too long for Redis counts alone.
        let options = options.env("VESTIBULE_STORE__TIMEOUT", "5s");
        Server::start(options.env("VESTIBULE_SECRET", "a secret that both servers have in common 1234567890"))
    };
    let nodes = [start(), start()];
    let _ = register(&nodes[0], "ada@example.com").expect(201);
    let throttled = |email: &str| {
        let statuses =
            (0..24).map(|n| log_in(&nodes[n % 2], email, "not the right password", &format!("203.0.113.{n}"), None).status);
        statuses.filter(|status| *status == 429).count()
    };
    assert_eq!(throttled("ada@example.com"), 14);
    redis.kill();
    assert_eq!(throttled("bob@example.com"), 4, "ten for each node");
}

// S86: a device that was stolen has as many tries as anybody, and is known to nobody else.
#[test]
fn a_known_device_is_throttled_by_itself_and_serves_its_owner_alone() {
    let server = Server::start(budgets("5/4h", "300/1h"));
    for email in ["ada@example.com", "bob@example.com"] {
        let _ = register(&server, email).expect(201);
    }
    let device = device_of(&log_in(&server, "ada@example.com", PASSWORD, "192.0.2.1", None).expect(200));
    let with_device = |email, password| log_in(&server, email, password, "192.0.2.2", Some(&device)).status;
    assert_eq!(guess(&server, "bob@example.com", 5), [401; 5]);
    assert_eq!(with_device("bob@example.com", PASSWORD), 429, "another user's device");
    let guesses: Vec<u16> = (0..7).map(|_| with_device("ada@example.com", "not the right password")).collect();
    assert_eq!(guesses, [401, 401, 401, 401, 401, 429, 429]);
    let _ = log_in(&server, "ada@example.com", PASSWORD, "192.0.2.3", None).expect(200);
    for garbage in ["garbage", "vn_", &device.replacen("vn_", "vs_", 1), &format!("{device}A")] {
        assert_eq!(log_in(&server, "bob@example.com", PASSWORD, "192.0.2.4", Some(garbage)).status, 429, "{garbage}");
    }
}

// S86
#[test]
fn a_changed_password_makes_every_device_unknown_but_the_one_it_was_changed_on() {
    let server = Server::start(budgets("3/4h", "off"));
    let mut browser = Browser::of(&server, "ada@example.com");
    let before = device_of(&log_in(&server, "ada@example.com", PASSWORD, "192.0.2.1", None).expect(200));
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    let after = device_of(&browser.send(post("/auth/password").json(&change)).expect(200));
    assert_eq!(guess(&server, "ada@example.com", 4), [401, 401, 401, 429]);
    assert_eq!(log_in(&server, "ada@example.com", NEW, "192.0.2.1", Some(&before)).status, 429);
    assert_eq!(log_in(&server, "ada@example.com", NEW, "192.0.2.1", Some(&after)).status, 200);
}

// S86, S87: whoever replaced the password is not kept out by guesses at the one before.
#[test]
fn a_reset_clears_the_failures_of_an_account() {
    let server = Server::start(budgets("3/4h", "off"));
    let user = register(&server, "ada@example.com").expect(201).json()["user"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(guess(&server, "ada@example.com", 4), [401, 401, 401, 429]);
    let opened = super::manage(&server, post(&format!("/v1/users/{user}/reset"))).expect(201).json();
    let set = post("/auth/reset").json(&json!({"token": opened["token"], "new_password": NEW}));
    let _ = set.send(&server.public).expect(204);
    assert_eq!(log_in(&server, "ada@example.com", NEW, "192.0.2.1", None).status, 200);
}

// L17
#[test]
fn who_types_no_address_shares_no_count_with_others() {
    let server = Server::start(budgets("3/4h", "off"));
    assert_eq!(guess(&server, "not an address", 20), [401; 20]);
}

#[test]
fn an_address_is_throttled_whatever_account_it_tries() {
    let server = Server::start(budgets("off", "6/1h"));
    let _ = register(&server, "ada@example.com").expect(201);
    let guess = |n: u8| log_in(&server, &format!("user{n}@example.com"), "not the right password", "2001:db8::1", None).status;
    let own = || log_in(&server, "ada@example.com", PASSWORD, "2001:db8::2", None).status;
    let mut seen = Vec::new();
    for n in 0..6 {
        seen.push(own());
        seen.push(guess(n));
    }
    assert_eq!(seen, [200, 401].repeat(6), "what succeeds is not counted");
    assert_eq!((own(), guess(7)), (429, 429), "the network is used up");
    assert_eq!(log_in(&server, "ada@example.com", PASSWORD, "2001:db8:0:1::2", None).status, 200);
}

// S86: whoever finds a session open gets no more tries than at a login.
#[test]
fn guesses_inside_a_session_are_throttled_too() {
    let server = Server::start(budgets("4/4h", "off"));
    let mut browser = Browser::of(&server, "ada@example.com");
    let mut attempt = |password: &str, n: u8| {
        let request = match n % 2 {
            0 => post("/auth/password").json(&json!({"current_password": password, "new_password": NEW})),
            _ => post("/auth/step-up").json(&json!({"password": password})),
        };
        browser.send(request).status
    };
    let guesses: Vec<u16> = (0..6).map(|n| attempt("not the right password", n)).collect();
    assert_eq!(guesses, [400, 400, 400, 400, 429, 429]);
    assert_eq!((attempt(PASSWORD, 0), attempt(PASSWORD, 1)), (429, 429));
    let _ = Browser::logged_in(&server, "ada@example.com");
}

// S29
#[test]
fn the_cookie_of_a_device_is_as_guarded_as_the_session_and_stays() {
    let server = Server::start(ServerOptions::default());
    let _ = register(&server, "ada@example.com").expect(201);
    let mut browser = Browser::new(&server);
    let answer = browser.log_in("ada@example.com", PASSWORD).expect(200);
    let cookies = answer.headers_named("set-cookie");
    let [session, device] = cookies[..] else { panic!("{cookies:?}") };
    assert!(session.starts_with("vestibule_dev=vs_") && !session.contains("Max-Age"), "{session}");
    assert!(device.starts_with("known-device=vn_") && device.len() < 4_096, "{device}");
    for part in ["; Max-Age=31536000", "; Path=/", "; HttpOnly", "; SameSite=Lax"] {
        assert!(device.contains(part), "no {part} in {device}");
    }
    assert!(!device.contains("Domain"), "{device}");
    let left = browser.send(post("/auth/logout")).expect(204);
    assert!(left.cookie(DEVICE).is_none(), "a device stays known after a logout");
}
