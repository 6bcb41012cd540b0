//! The command line of passwords.

use super::{STRONG, log_in, options};
use serde_json::Value;
use std::{
    io::Write as _,
    process::{Output, Stdio},
};
use vestibule_testkit::process::Server;

fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.command();
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_password_is_hashed_verified_and_judged_without_being_an_argument() {
    let server = Server::start(options().arg("--ephemeral"));
    let made = run(&server, &["passwords", "hash", "-"], " spaces count \n");
    let hash = text(&made.stdout);
    assert!(made.status.success() && hash.starts_with(STRONG), "{made:?}");
    for (password, code) in [(" spaces count ", 0), ("spaces count", 1)] {
        let verified = run(&server, &["passwords", "verify", "--json"], &format!("{password}\n{hash}"));
        assert_eq!((verified.status.code(), &json(&verified)["valid"]), (Some(code), &Value::Bool(code == 0)));
    }
    let wrapped = run(&server, &["passwords", "hash", "--legacy"], "5f4dcc3b5aa765d61d8327deb882cf99\r\n");
    assert!(text(&wrapped.stdout).trim_end().ends_with("$md5"), "{wrapped:?}");

    for (password, arguments, code) in [
        ("seven lazy otters", &[][..], 0),
        ("xkvqzwjb", &[], 1),
        ("xkvqzwjb", &["--mfa"], 0),
        ("ada lovelace 1815", &["--context", "ada.lovelace@example.org"], 1),
    ] {
        let checked = run(&server, &[&["passwords", "check"], arguments].concat(), &format!("{password}\n"));
        assert_eq!(checked.status.code(), Some(code), "{password} {arguments:?} {checked:?}");
    }
    let shown = run(&server, &["passwords", "hash", "a secret of mine"], "");
    assert_eq!(shown.status.code(), Some(1));
    assert!(!text(&shown.stderr).contains("a secret of mine"), "{shown:?}");
    assert_eq!(run(&server, &["passwords", "hash"], "").status.code(), Some(1));
}

#[test]
fn what_is_calibrated_can_be_configured() {
    let server = Server::start(options().arg("--ephemeral"));
    let found = run(&server, &["passwords", "calibrate", "--target", "1ms", "--json"], "");
    assert!(found.status.success(), "{found:?}");
    let answer = json(&found);
    assert_eq!((&answer["hash_memory_kib"], &answer["hash_passes"]), (&19_456.into(), &2.into()));
    let configured = Server::start(options().arg("--ephemeral").config(answer["toml"].as_str().expect("a text")));
    let made = run(&configured, &["passwords", "hash"], "any\n");
    assert!(text(&made.stdout).starts_with(STRONG), "{made:?}");
}

// S83
#[test]
fn accounts_are_imported_from_files() {
    let server = Server::start(options());
    let file = server.dir.path().join("users.csv");
    let csv = "user_id,email,name,password_hash\n\
               7,ada@example.com,\"Lovelace, Ada\",5f4dcc3b5aa765d61d8327deb882cf99\n\
               8,no address,,5f4dcc3b5aa765d61d8327deb882cf99\n\
               9,bob@example.com,,what is this\n\
               one,two\n";
    std::fs::write(&file, csv).expect("a file");
    let file = file.to_str().expect("a plain path");
    for (arguments, imported, known) in [(&["--dry-run"][..], 0, 0), (&[], 1, 0), (&[], 0, 1)] {
        let done = run(&server, &[&["users", "import", file, "--json"], arguments].concat(), "");
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        let answer = json(&done);
        let counts = ["read", "importable", "imported", "known"].map(|name| answer[name].as_u64());
        assert_eq!(counts, [Some(4), Some(1), Some(imported), Some(known)], "{answer}");
        let lines: Vec<_> = answer["lines"].as_array().expect("a list").iter().map(|left| left["line"].as_u64()).collect();
        assert_eq!(lines, [Some(3), Some(4), Some(5)]);
    }
    let user = log_in(&server, "ada@example.com", "password").expect(200).json()["user"].clone();
    assert_eq!((user["id"].as_str(), user["name"].as_str()), (Some("7"), Some("Lovelace, Ada")));

    let jsonl = "{\"email\": \"carl@example.com\", \"password_hash\": \"{PLAIN}a plain one\", \"user_id\": 10}\n\n";
    let done = run(&server, &["users", "import", "-"], jsonl);
    assert!(done.status.success() && !text(&done.stdout).contains("a plain one"), "{done:?}");
    assert_eq!(log_in(&server, "carl@example.com", "a plain one").expect(200).json()["user"]["id"], "10");
    let strange = run(&server, &["users", "import", "-", "--format", "csv", "--dry-run"], "email,password\na@b.c,x\n");
    assert!(strange.status.code() == Some(1) && text(&strange.stderr).contains("password_hash"), "{strange:?}");
}
