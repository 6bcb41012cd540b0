//! What hashing may take of the machine.

use super::{log_in, manage, options, send};
use serde_json::json;
use vestibule_testkit::{
    bounds::ANSWER,
    process::{Connection, Server, post, wait_for},
};

const PASSWORD: &str = "four brown foxes jump";
/// bcrypt of cost 13: some tenths of a second of work.
const SLOW: &str = "$2b$13$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m";

/// The most memory that a server has had, in KiB.
fn peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

// S85
#[test]
fn two_hundred_logins_at_once_stay_within_the_budget() {
    let options = options().env("VESTIBULE_PASSWORDS__WORKERS", "2").env("VESTIBULE_PASSWORDS__QUEUE", "6");
    let server = Server::start(options.env("VESTIBULE_SESSIONS__CAP", "500"));
    let account = json!({"email": "ada@example.com", "password": PASSWORD});
    let _ = post("/auth/register").json(&account).send(&server.public).expect(201);
    let _ = log_in(&server, "ada@example.com", PASSWORD).expect(200);
    let before = peak_kib(&server);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..200).map(|_| scope.spawn(|| log_in(&server, "ada@example.com", PASSWORD))).collect();
        logins.into_iter().map(|login| login.join().expect("an answer")).collect()
    });
    let mut refused = 0;
    for answer in &answers {
        match answer.status {
            200 => {}
            503 => {
                assert_eq!(answer.code(), "overloaded");
                let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
                assert!(wait.is_some_and(|seconds| seconds >= 1), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(refused > 0 && refused < 200, "{refused} of 200 were refused");
    // Two hashes of 19 MiB; the rest is for two hundred connections.
    let grown_mib = peak_kib(&server).saturating_sub(before) / 1_024;
    assert!(grown_mib < 2 * 19 + 64, "it grew by {grown_mib} MiB");
    let _ = log_in(&server, "ada@example.com", PASSWORD).expect(200);
}

// S85
#[test]
fn a_client_that_leaves_keeps_its_worker_until_the_hash_ends() {
    let options = options().arg("--ephemeral").env("VESTIBULE_PASSWORDS__WORKERS", "1");
    let server = Server::start(options.env("VESTIBULE_PASSWORDS__QUEUE", "0"));
    let is_busy = || send(&server, "/v1/passwords/hash", &json!({"password": "any"})).status == 503;
    assert!(!is_busy());
    let body = json!({"password": "any", "hash": SLOW}).to_string();
    let request = format!(
        "POST /v1/passwords/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.key,
        body.len()
    );
    // A look at the pool takes its only worker for a while, so the client may be refused and tries again.
    let client = wait_for(ANSWER, || {
        let mut client = Connection::open(&server.management).expect("a connection");
        client.write(request.as_bytes()).expect("it is sent");
        (0..5).any(|_| is_busy()).then_some(client)
    });
    let client = client.expect("the hash begins");
    drop(client);
    assert!(is_busy(), "the worker is given back before its hash has ended");
    assert!(wait_for(ANSWER, || (!is_busy()).then_some(())).is_some(), "the worker is never given back");
}

// S85: an import takes turns with logins, and waits where they fill the queue.
#[test]
fn an_import_waits_where_a_login_is_refused() {
    let options = options().env("VESTIBULE_PASSWORDS__WORKERS", "1").env("VESTIBULE_PASSWORDS__QUEUE", "0");
    let server = Server::start(options);
    let users: Vec<_> = (0..20)
        .map(
            |number| json!({"email": format!("user{number}@example.com"), "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}),
        )
        .collect();
    let imported = std::thread::scope(|scope| {
        let import = scope.spawn(|| manage(&server, post("/v1/users/import").json(&json!({"users": users}))));
        while !import.is_finished() {
            let status = log_in(&server, "user0@example.com", "not the right password").status;
            assert!(matches!(status, 401 | 429 | 503), "{status}");
        }
        import.join().expect("an answer")
    });
    assert_eq!(imported.expect(200).json()["imported"], 20);
}
