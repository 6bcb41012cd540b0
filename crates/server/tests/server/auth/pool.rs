//! What logins cost: as much for an unknown user as for a wrong password, and never more than the hashing pool has.

use super::{Browser, PASSWORD, register};
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};
use vestibule_testkit::process::{Connection, Server, ServerOptions, post};

fn unthrottled() -> ServerOptions {
    let options = ServerOptions::default().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", "off");
    options.env("VESTIBULE_LOGIN_THROTTLE__ADDRESS", "off")
}

fn median(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64()
}

/// A busy machine gives few samples a wide spread; a stand-in that costs nothing would differ by a factor of 20 and more. The long
/// form, `VESTIBULE_TEST_LOGINS=500`, holds them to 5 %.
// S84
#[test]
fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let asked: Option<usize> = std::env::var("VESTIBULE_TEST_LOGINS").ok().and_then(|text| text.parse().ok());
    let (samples, bound) = asked.map_or((20, 0.5), |samples| (samples, 0.05));
    let server = Server::start(unthrottled());
    let _ = register(&server, "ada@example.com").expect(201);
    let mut connection = Connection::open(&server.public).expect("it listens");
    let mut time = |email: &str| {
        let request = post("/auth/login").json(&json!({"email": email, "password": "not the right password"}));
        let begun = Instant::now();
        let answer = connection.send(&request).expect("an answer").expect(401);
        (begun.elapsed(), answer.code())
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        let (wrong, nobody) = (time("ada@example.com"), time("nobody@example.com"));
        assert_eq!(wrong.1, nobody.1);
        known.push(wrong.0);
        unknown.push(nobody.0);
    }
    let (known, unknown) = (median(known), median(unknown));
    assert!((known - unknown).abs() < bound * known, "{known} s and {unknown} s over {samples} samples");
}

// S85
#[test]
fn two_hundred_logins_at_once_are_served_or_told_to_wait() {
    let options = unthrottled().env("VESTIBULE_PASSWORDS__WORKERS", "1").env("VESTIBULE_PASSWORDS__QUEUE", "8");
    let server = Server::start(options);
    let _ = register(&server, "ada@example.com").expect(201);
    let answers: Vec<_> = thread::scope(|scope| {
        let login = || Browser::new(&server).log_in("ada@example.com", PASSWORD);
        let logins: Vec<_> = (0..200).map(|_| scope.spawn(login)).collect();
        logins.into_iter().map(|login| login.join().expect("no panic")).collect()
    });
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert_eq!(served + refused.len(), 200, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert!(served >= 9 && !refused.is_empty(), "{served} were served");
    assert!(refused.iter().all(|answer| answer.code() == "overloaded" && answer.header("retry-after").is_some()));
    let _ = Browser::new(&server).log_in("ada@example.com", PASSWORD).expect(200);
}
