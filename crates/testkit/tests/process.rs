//! The fixtures themselves, where they need no server of ours.

use std::{io::Write, net::TcpListener, process::Command};
use vestibule_testkit::process::{Connection, Nginx, Program, get, post, send_raw};

#[test]
fn nginx_answers_on_a_free_port_and_headers_are_seen_as_they_are() {
    let nginx = Nginx::start(
        "location /hello { add_header X-Two one; add_header X-Two two; return 200 \"hello $http_x_name\"; }
         location /gone { return 404; }",
    );
    let answer = get("/hello").header("X-Name", "ada").send(&nginx.address).expect(200);
    assert_eq!(answer.text(), "hello ada");
    assert_eq!(answer.headers_named("x-two"), ["one", "two"]);
    let _ = get("/gone").send(&nginx.address).expect(404);
    let raw = send_raw(&nginx.address, b"GET /hello HTTP/1.0\r\n\r\n").expect("an answer");
    assert!(raw.starts_with(b"HTTP/1.1 200") && raw.ends_with(b"hello "), "{}", String::from_utf8_lossy(&raw));
    let mut connection = Connection::open(&nginx.address).expect("it listens");
    for _ in 0..3 {
        assert_eq!(connection.send(&get("/hello").header("X-Name", "bob")).expect("an answer").text(), "hello bob");
    }
}

#[test]
fn chunks_are_joined_and_a_cut_answer_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let answers = std::thread::spawn(move || {
        for answer in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        ] {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.write_all(answer.as_bytes()).expect("a client that listens");
            let mut request = [0; 1024];
            let _ = std::io::Read::read(&mut stream, &mut request);
        }
    });
    assert_eq!(post("/").body(b"x").send(&address).text(), "abcde");
    assert!(get("/").try_send(&address).is_err());
    answers.join().expect("both were answered");
}

#[test]
fn a_program_is_asked_to_end_or_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let shell = |script: &str| Program::start("sh", Command::new("sh").args(["-c", script]), dir.path());
    let mut polite = shell("trap 'echo bye; exit 7' TERM; echo up; while :; do read line || :; done");
    let up =
        vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || polite.stdout().contains("up").then_some(()));
    assert!(up.is_some());
    assert_eq!(polite.terminate().code(), Some(7));
    assert!(polite.stdout().ends_with("bye\n"));
    let mut stubborn = shell("trap '' TERM; echo again; while :; do read line || :; done");
    stubborn.kill();
    assert_eq!(stubborn.wait().code(), None, "ended by a signal");
}
