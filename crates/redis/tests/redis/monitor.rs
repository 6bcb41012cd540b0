//! What a server was told during a test, by `MONITOR`: every command keeps to one home, and only walks walk.
//!
//! That one home is one slot is said by the servers of the Cluster, on which the same suite runs: they refuse whatever is not.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    thread::{self, JoinHandle},
};
use vestibule_testkit::process::Redis;

/// Cases that ask for a walk, which no request does.
const WALKS: [&str; 3] =
    ["users_are_walked_in_steps", "due_names_users_with_unnoticed_expiry", "devices_outlive_the_last_session"];
/// Ends the watch.
const LAST: &str = "the last of a watched test";

/// Watches a server until it is dropped, and judges then.
pub(crate) struct Watched {
    server: Arc<Redis>,
    lines: Option<JoinHandle<Vec<String>>>,
}

impl Watched {
    pub(crate) fn new(server: Arc<Redis>) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("the server is there");
        stream.write_all(b"MONITOR\r\n").expect("it takes a command");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        assert_eq!(lines.next().as_deref(), Some("+OK"));
        let lines = thread::spawn(move || lines.take_while(|line| !line.contains(LAST)).collect());
        Self { server, lines: Some(lines) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        let _ = self.server.command(&format!("ECHO \"{LAST}\""));
        let lines = self.lines.take().expect("taken once").join().expect("it only reads");
        let this = thread::current().name().unwrap_or_default().to_owned();
        let may_walk = WALKS.iter().any(|case| this.ends_with(case));
        assert!(lines.len() > 1, "nothing was watched");
        let mut script = None;
        for line in &lines {
            let is_inside = line.contains(" lua] ");
            let command = line.split('"').nth(1).unwrap_or_default().to_ascii_uppercase();
            assert_ne!(command, "KEYS", "{line}");
            assert!(command != "SCAN" || may_walk, "{line}");
            let homes = homes(line);
            assert!(homes.len() <= 1, "a command with several homes: {line}");
            if !is_inside {
                script = command.starts_with("EVAL").then_some(homes);
            } else if let Some(script) = &script {
                assert!(homes.is_subset(script), "a script beyond its home {script:?}: {line}");
            }
        }
    }
}

/// The hash tags of the keys in a line.
fn homes(line: &str) -> BTreeSet<&str> {
    let named = line.split("\"vs:{").skip(1);
    named.map(|rest| rest.split_once('}').expect("a whole key").0).collect()
}
