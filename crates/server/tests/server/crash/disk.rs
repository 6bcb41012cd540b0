//! A disk that takes no more.

use super::client::{Backend, Known, assert_unavailable, known};
use std::process::Command;
use vestibule_testkit::process::{Server, ServerOptions, get};

/// Enough for some sessions and not for many.
const ROOM: u64 = 1024 * 1024;
/// Far more sessions than fit.
const TRIES: usize = 5_000;

/// Files of the server may have this length from now on; `None` is any.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let soft = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = Command::new("prlimit").args([format!("--pid={}", server.pid()), format!("--fsize={soft}:")]).status();
    assert!(status.expect("util-linux has prlimit").success());
}

/// Creates until the server refuses. Returns what it had acknowledged.
fn fill(backend: &mut Backend) -> Vec<Known> {
    let mut kept = Vec::new();
    for step in 0..TRIES {
        let user = format!("user-{step}");
        let answer = backend.try_create(&user).expect("the server is up");
        if answer.status != 201 {
            assert_unavailable(&answer);
            return kept;
        }
        kept.push(known(&user, &answer));
    }
    panic!("{TRIES} sessions never fill {ROOM} bytes")
}

/// Writes are refused and nothing else, nothing is lost, and work goes on with room.
#[test]
fn a_full_disk_refuses_changes_and_loses_nothing() {
    // Without the signal the kernel answers the write with an error, as a full disk does.
    let mut server = Server::start(ServerOptions::default().shell("trap '' XFSZ"));
    let log = server.data().join("vestibule.db-wal").metadata().expect("it is there").len();
    limit_files(&server, Some(log + ROOM));
    let mut backend = Backend::of(&server);
    let kept = fill(&mut backend);
    assert!(kept.len() > 10, "{} sessions found room", kept.len());

    // A change that needs room is refused again and again; an end that cannot be kept is not promised.
    assert_unavailable(&backend.try_create("one-more").expect("the server is up"));
    assert_unavailable(&backend.try_end(&kept[0].id).expect("the server is up"));
    kept.iter().for_each(|known| backend.assert_live(known));
    backend.send(get(&format!("/v1/users/{}/sessions", kept[1].user))).expect("the server is up").expect(200);

    limit_files(&server, None);
    let fresh = backend.create("after-all");
    backend.try_end(&kept[0].id).expect("the server is up").expect(204);
    server.restart();
    let mut backend = Backend::of(&server);
    backend.assert_ended(&kept[0]);
    backend.assert_live(&fresh);
    kept[1..].iter().for_each(|known| backend.assert_live(known));
}
