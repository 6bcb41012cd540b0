//! `vestibule devices`

use super::{server, text};
use serde_json::Value;
use std::{
    io::Write as _,
    process::{Output, Stdio},
};
use vestibule_testkit::process::Server;

fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.command();
    let command = command.args(arguments).arg("--json").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn json(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one document")
}

#[test]
fn a_device_is_trusted_checked_renamed_and_revoked() {
    let server = server();
    let trust = ["devices", "trust", "--user", "ada", "--device", "phone-1", "--name", "Phone", "--ttl", "7d"];
    let trusted = json(&run(&server, &trust, ""), 0);
    let (token, id) = (text(&trusted, "device_token"), text(&trusted["device"], "id"));
    let check = |code| json(&run(&server, &["devices", "check", "--user", "ada", "-"], &format!("{token}\n")), code);
    assert_eq!(check(0)["trusted"], true);
    let _ = json(&run(&server, &["devices", "rename", id, "Old phone"], ""), 0);
    let list = json(&run(&server, &["devices", "list", "--user", "ada"], ""), 0);
    assert_eq!(list["devices"][0]["name"], "Old phone");
    let _ = json(&run(&server, &["devices", "revoke", id], ""), 0);
    assert_eq!(check(1)["reason"], "revoked");
    let _ = json(&run(&server, &trust, ""), 0);
    assert_eq!(json(&run(&server, &["devices", "revoke", "--user", "ada"], ""), 0)["revoked"], 1);
    let argument = run(&server, &["devices", "check", "--user", "ada", token], "");
    assert_eq!(argument.status.code(), Some(1), "a secret is no argument: {argument:?}");
    assert_eq!(run(&server, &["devices", "revoke"], "").status.code(), Some(1));
}
