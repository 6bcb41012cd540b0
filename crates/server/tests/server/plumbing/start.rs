//! How the server starts, and how it refuses to.

use std::net::TcpListener;
use vestibule_testkit::process::{Refused, Server, ServerOptions, get};

fn refused(options: ServerOptions) -> Refused {
    match Server::try_start(options) {
        Ok(_) => panic!("the server started"),
        Err(refused) => refused,
    }
}

fn one_line(refused: &Refused, says: &str) {
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(says), "{}", refused.stderr);
    assert_eq!(refused.stderr.trim_end().lines().count(), 1, "{}", refused.stderr);
}

#[test]
fn a_taken_address_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    one_line(&refused(ServerOptions::default().env("VESTIBULE_PUBLIC__LISTEN", &address)), &address);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start(ServerOptions::default());
    let data = server.data();
    let data = data.to_str().expect("a path of letters");
    one_line(&refused(ServerOptions::default().env("VESTIBULE_DATA_DIR", data)), "another process uses this data folder");
    let _ = get("/livez").send(&server.public).expect(200);
}

#[test]
fn data_of_another_secret_is_refused() {
    let mut server = Server::start(ServerOptions::default());
    server.kill();
    let data = server.data();
    let data = data.to_str().expect("a path of letters");
    one_line(&refused(ServerOptions::default().env("VESTIBULE_DATA_DIR", data)), "made with another secret");
}

#[test]
fn a_database_that_is_none_is_refused() {
    let mut server = Server::start(ServerOptions::default());
    assert!(server.terminate().success());
    let before = server.stderr().len();
    std::fs::write(server.data().join("vestibule.db"), "this is text, whatever its name says".repeat(500)).expect("written");
    // The write-ahead log has the pages still, and would heal the file.
    for log in ["vestibule.db-wal", "vestibule.db-shm"] {
        let _ = std::fs::remove_file(server.data().join(log));
    }
    let mut refused = server.try_restart().expect_err("the server started");
    refused.stderr.drain(..before);
    assert_eq!(refused.status.code(), Some(1));
    let last = refused.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("vestibule.db is damaged") && last.contains("restore"), "{}", refused.stderr);
}

#[test]
fn development_mode_prints_commands_with_the_real_addresses_and_no_key() {
    let options = ServerOptions::default().env("VESTIBULE_MANAGEMENT__KEY", "");
    let server = match Server::try_start(options) {
        Ok(server) => server,
        Err(refused) => panic!("{}{}", refused.stdout, refused.stderr),
    };
    let printed = server.stdout();
    let file = server.data().join("management.key");
    let key = std::fs::read_to_string(&file).expect("a generated key");
    assert!(printed.contains(&format!("public  listening on {}\n", server.public)), "{printed}");
    assert!(printed.contains(&format!("management listening on {}\n", server.management)), "{printed}");
    assert!(printed.contains(&format!("curl -s {}/v1/sessions ", server.management)), "{printed}");
    assert!(printed.contains(file.to_str().expect("a path of letters")), "{printed}");
    assert!(!printed.contains(key.trim()) && !server.stderr().contains(key.trim()), "the key was printed");
    let _ = get("/health").bearer(key.trim()).send(&server.management).expect(200);
}

#[cfg(unix)]
#[test]
fn a_generated_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start(ServerOptions::default().env("VESTIBULE_MANAGEMENT__KEY", ""));
    let mode = std::fs::metadata(server.data().join("management.key")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
