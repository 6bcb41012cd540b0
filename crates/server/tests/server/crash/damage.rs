//! A database file that was overwritten.

use super::client::{Backend, Known, assert_unavailable};
use std::{fs::OpenOptions, os::unix::fs::FileExt as _, path::PathBuf};
use vestibule_testkit::process::{Server, ServerOptions};

const PAGE: u64 = 4_096;
const USERS: usize = 100;

/// A server that holds sessions, all of them in the database file and none in its log.
fn stopped_with_sessions() -> (Server, Vec<Known>) {
    let mut server = Server::start(ServerOptions::default());
    let mut backend = Backend::of(&server);
    let kept = (0..USERS).map(|user| backend.create(&format!("user-{user}"))).collect();
    drop(backend);
    assert!(server.terminate().success());
    let log = server.data().join("vestibule.db-wal");
    assert!(!log.exists(), "a clean end leaves the database file whole without its log");
    (server, kept)
}

fn database(server: &Server) -> PathBuf {
    server.data().join("vestibule.db")
}

/// Overwrites every page from this one on.
fn overwrite(server: &Server, from_page: u64) {
    let file = OpenOptions::new().write(true).open(database(server)).expect("opens");
    let pages = file.metadata().expect("readable").len() / PAGE;
    assert!(pages > from_page + 5, "{pages} pages");
    for page in from_page..pages {
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("written");
    }
}

#[test]
fn a_damaged_file_stops_the_start_in_one_line_with_the_remedy() {
    let (mut server, _) = stopped_with_sessions();
    overwrite(&server, 0);
    let damaged = std::fs::read(database(&server)).expect("readable");
    let refused = server.try_restart().expect_err("nothing can be read");
    assert_eq!(refused.status.code(), Some(1));
    let last = refused.stderr.lines().last().expect("it says why");
    assert!(last.contains("vestibule.db is damaged") && last.contains("restore vestibule.db from a backup"), "{last}");
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
    assert_eq!(std::fs::read(database(&server)).expect("readable"), damaged, "what a repair may need stays as it is");
}

/// Damage that is found at work is a fault: nobody is logged out by it, and nothing is made up.
#[test]
fn damage_found_while_running_is_a_fault_and_no_denial() {
    let (mut server, kept) = stopped_with_sessions();
    let intact = std::fs::read(database(&server)).expect("readable");
    server.restart();
    overwrite(&server, 1);
    let mut backend = Backend::of(&server);
    for known in &kept {
        assert_unavailable(&backend.validate(&known.token));
    }
    assert_unavailable(&backend.try_end(&kept[0].id).expect("the server is up"));
    drop(backend);
    // What the page says to do helps.
    server.kill();
    for file in ["vestibule.db-wal", "vestibule.db-shm"] {
        let _ = std::fs::remove_file(server.data().join(file));
    }
    std::fs::write(database(&server), intact).expect("restored");
    server.restart();
    let mut backend = Backend::of(&server);
    kept.iter().for_each(|known| backend.assert_live(known));
}
