//! What is documented is what there is.

use super::{finish, server, stdout};
use vestibule_testkit::process::Server;

const DOCUMENT: &str = include_str!("../../../../../docs/cli.md");

/// The commands in a help text.
fn verbs(server: &Server, of: &[&str]) -> Vec<String> {
    let output = finish(server.command().args(of).arg("--help"), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let help = stdout(&output);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// All commands below one, in full.
fn below(server: &Server, command: &[&str]) -> Vec<String> {
    let verbs = verbs(server, command);
    if verbs.is_empty() {
        return vec![command.join(" ")];
    }
    verbs.iter().flat_map(|verb| below(server, &[command, &[verb]].concat())).collect()
}

#[test]
fn each_command_stands_in_the_document() {
    let commands = below(&server(), &[]);
    assert!(commands.len() >= 30, "{commands:?}");
    for command in commands {
        assert!(DOCUMENT.contains(&format!("| `{command}` | `vestibule {command}")), "{command}");
    }
}
