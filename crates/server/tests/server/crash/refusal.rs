//! Starts that would harm the record, and are refused.

use super::client::Backend;
use std::{fs::OpenOptions, os::unix::fs::FileExt as _};
use vestibule_testkit::process::{Refused, Server, ServerOptions};

/// Where SQLite keeps `user_version`: <https://www.sqlite.org/fileformat.html>, section 1.3.
const USER_VERSION_AT: u64 = 60;

/// Another process, with a secret of its own, on the data of this one.
fn intruder(server: &Server) -> ServerOptions {
    ServerOptions::default().env("VESTIBULE_DATA_DIR", &server.data().to_string_lossy())
}

fn assert_refused(refused: &Refused, says: &str) {
    assert_eq!(refused.status.code(), Some(1));
    let last = refused.stderr.lines().last().expect("it says why");
    assert!(last.contains(says), "{last}");
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let server = Server::start(ServerOptions::default());
    let known = Backend::of(&server).create("ada");
    let options = intruder(&server).env("VESTIBULE_SECRET", server.secret());
    let refused = Server::try_start(options).expect_err("the folder is in use");
    assert_refused(&refused, "another process uses this data folder");
    assert!(!refused.stdout.contains("listening"), "it never opened a port");
    Backend::of(&server).assert_live(&known);
    Backend::of(&server).create("bob");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let mut server = Server::start(ServerOptions::default());
    let known = Backend::of(&server).create("ada");
    assert!(server.terminate().success());
    let file = OpenOptions::new().read(true).write(true).open(server.data().join("vestibule.db")).expect("opens");
    let mut version = [0; 4];
    file.read_exact_at(&mut version, USER_VERSION_AT).expect("readable");
    file.write_all_at(&99_u32.to_be_bytes(), USER_VERSION_AT).expect("written");
    assert_refused(&server.try_restart().expect_err("it is newer"), "vestibule.db has version 99");
    file.write_all_at(&version, USER_VERSION_AT).expect("written");
    server.restart();
    Backend::of(&server).assert_live(&known);
}

#[test]
fn another_secret_is_refused_unless_it_brings_the_old_one() {
    let mut server = Server::start(ServerOptions::default());
    let known = Backend::of(&server).create("ada");
    assert!(server.terminate().success());
    let refused = Server::try_start(intruder(&server)).expect_err("nobody's token would be known");
    assert_refused(&refused, "the store was made with another secret");

    let replaced = intruder(&server).env("VESTIBULE_SECRET_PREVIOUS", server.secret());
    let mut successor = Server::start(replaced);
    Backend::of(&successor).assert_live(&known);
    assert!(successor.terminate().success());
    let refused = server.try_restart().expect_err("the secret was replaced");
    assert_refused(&refused, "the store was made with another secret");
}
