//! What logins cost: never more than the hashing pool has.

use super::{Browser, PASSWORD, register};
use std::thread;
use vestibule_testkit::process::{Server, ServerOptions};

fn unthrottled() -> ServerOptions {
    let options = ServerOptions::default().env("VESTIBULE_LOGIN_THROTTLE__ACCOUNT", "off");
    options.env("VESTIBULE_LOGIN_THROTTLE__ADDRESS", "off")
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
