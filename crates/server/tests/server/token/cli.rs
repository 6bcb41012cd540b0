//! Tokens from the command line.

use super::{server, text};
use serde_json::Value;
use std::{
    io::Write as _,
    process::{Output, Stdio},
};
use vestibule_testkit::process::Server;

fn run(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = server.command();
    command.args(arguments).arg("--json").env("VESTIBULE_KEY", &server.key).env("VESTIBULE_URL", &server.management);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn tokens_live_and_end_by_the_command_line() {
    let server = server();
    let issued = run(&server, &["tokens", "issue", "--user", "ada", "--scope", "read", "--audience", "api"], "");
    let tokens = json(&issued);
    let access = text(&tokens["access_token"]);
    let verified = run(&server, &["tokens", "verify", "-", "--audience", "api"], access);
    assert!(verified.status.success());
    assert_eq!(json(&verified)["claims"]["sub"], "ada");
    let next = json(&run(&server, &["tokens", "refresh", "-"], text(&tokens["refresh_token"])));
    assert_eq!(next["family_id"], tokens["family_id"]);
    assert_eq!(json(&run(&server, &["tokens", "revoke", "--token", "-"], access))["revoked"], 1);
    let refused = run(&server, &["tokens", "verify", "-"], access);
    assert_eq!((refused.status.code(), &json(&refused)["code"]), (Some(1), &Value::from("token_revoked")));
    assert_eq!(json(&run(&server, &["tokens", "revoke", "--user", "ada"], ""))["revoked"], 1);
    let keys = json(&run(&server, &["tokens", "keys", "list"], ""));
    let rotated = json(&run(&server, &["tokens", "keys", "rotate"], ""));
    assert_ne!(keys["keys"][0]["kid"], rotated["kid"]);
    assert!(json(&run(&server, &["tokens", "deny-list"], ""))["deny_list"].is_string());
    for wrong in [
        &["tokens", "issue"][..],
        &["tokens", "revoke"],
        &["tokens", "verify", access],
        &["tokens", "revoke", "--id", "a", "--user", "b"],
    ] {
        assert_eq!(run(&server, wrong, "").status.code(), Some(1), "{wrong:?}");
    }
}
