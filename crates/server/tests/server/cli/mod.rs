//! The command line against a running server.

mod doctor;
mod failure;
mod help;
mod verb;

use serde_json::Value;
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};
use vestibule_testkit::process::{Server, ServerOptions};

/// Runs a command to its end.
fn run(server: &Server, arguments: &[&str]) -> Output {
    finish(server.command().args(arguments), "")
}

/// Runs a command that reads `input`.
fn finish(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // A command that does not read its input may be gone already.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Runs a command with `--json` that ends well, and reads what it prints.
fn json(server: &Server, arguments: &[&str]) -> Value {
    let output = run(server, &[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", stdout(&output)))
}

/// Runs a command that prints for people and ends well.
fn text(server: &Server, arguments: &[&str]) -> String {
    let output = run(server, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

fn server() -> Server {
    Server::start(ServerOptions::default())
}
