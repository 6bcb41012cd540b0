//! Failures are one readable line, an exit code, and JSON where that was asked for.

use super::{finish, run, server, stderr, stdout};
use serde_json::Value;
use std::process::{Output, Stdio};
use vestibule_testkit::process::free_port;

#[track_caller]
fn assert_failed(output: &Output, code: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let line = stderr(output);
    assert!(line.starts_with("vestibule: ") && line.lines().count() == 1, "{line}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(output)));
    assert_eq!(document["code"], code, "{document}");
}

#[test]
fn what_the_server_refuses_has_its_code_and_request() {
    let server = server();
    let missing = run(&server, &["sessions", "get", "ses_nothing", "--json"]);
    assert_failed(&missing, "session_missing");
    let document: Value = serde_json::from_slice(&missing.stdout).expect("JSON");
    assert!(stderr(&missing).contains(document["request_id"].as_str().expect("a request id")), "{missing:?}");
    assert_failed(&run(&server, &["sessions", "revoke", "--json"]), "invalid_field");
    assert_failed(&finish(server.command().args(["stats", "--json"]).env("VESTIBULE_KEY", "vk_wrong"), ""), "key_invalid");
}

#[test]
fn an_absent_server_and_a_missing_key_are_said() {
    let server = server();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_failed(&run(&server, &["stats", "--json", "--url", &nobody]), "unreachable");
    assert_failed(&run(&server, &["health", "--json", "--url", &nobody]), "unreachable");
    let keyless = finish(server.command().args(["stats", "--json"]).env_remove("VESTIBULE_KEY"), "");
    assert_failed(&keyless, "no_key");
}

#[test]
fn the_key_may_stand_in_a_file() {
    let server = server();
    let file = server.dir.path().join("key");
    std::fs::write(&file, format!("{}\n", server.key)).expect("a file in the test's folder");
    let output = finish(server.command().arg("stats").env_remove("VESTIBULE_KEY").env("VESTIBULE_KEY_FILE", &file), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_token_is_no_argument_and_is_not_repeated() {
    let server = server();
    let output = run(&server, &["sessions", "validate", "vs_secret", "--json"]);
    assert_failed(&output, "usage");
    assert!(!stderr(&output).contains("vs_secret"), "{output:?}");
}

#[test]
fn wrong_arguments_are_not_taken_for_a_degraded_server() {
    let server = server();
    assert_eq!(run(&server, &["nonsense"]).status.code(), Some(1));
    assert_eq!(run(&server, &["sessions", "list"]).status.code(), Some(1));
}

#[test]
fn output_that_nobody_reads_is_no_panic() {
    let server = server();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // Before the command begins, so that not even its first byte finds a reader.
    drop(reader);
    let mut command = server.command();
    let output =
        command.args(["completions", "bash"]).stdout(writer).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let output = output.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
