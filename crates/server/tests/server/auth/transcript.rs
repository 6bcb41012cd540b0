//! The transcript of the README, run word for word by a shell.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use vestibule_testkit::process::{Server, ServerOptions, free_port};

const README: &str = include_str!("../../../../../README.md");
const PUBLIC: &str = "127.0.0.1:8378";
const MANAGEMENT: &str = "127.0.0.1:8379";
/// Begins a line of the answer. `...` stands for anything.
const ANSWER: &str = "#> ";
const END: &str = "-- end of the step --";

/// Commands, and lines that must be in what they print, in this order.
struct Step {
    commands: String,
    answer: Vec<String>,
}

fn steps() -> Vec<Step> {
    let block = README.split("<!-- transcript:begin -->").nth(1).and_then(|rest| rest.split("<!-- transcript:end -->").next());
    let block = block.expect("the README has a transcript").trim().trim_start_matches("```sh").trim_end_matches("```");
    let mut steps = vec![Step { commands: String::new(), answer: Vec::new() }];
    for line in block.lines() {
        let step = steps.last_mut().expect("there is one");
        match line.strip_prefix(ANSWER) {
            Some(answer) => step.answer.push(answer.to_owned()),
            None if step.answer.is_empty() => step.commands += &format!("{line}\n"),
            None => steps.push(Step { commands: format!("{line}\n"), answer: Vec::new() }),
        }
    }
    steps
}

/// Whether a line is as expected: its pieces between `...` in order, the first at the beginning, the last at the end.
fn matches(expected: &str, line: &str) -> bool {
    let pieces: Vec<&str> = expected.split("...").collect();
    let mut rest = line;
    for (index, piece) in pieces.iter().enumerate() {
        let at = if index + 1 == pieces.len() { rest.len().checked_sub(piece.len()) } else { rest.find(piece) };
        match at {
            Some(at) if rest.is_char_boundary(at) && rest[at..].starts_with(piece) && (index > 0 || at == 0) => {
                rest = &rest[at + piece.len()..];
            }
            _ => return false,
        }
    }
    rest.is_empty()
}

/// A shell that keeps its variables from step to step.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    fn start(server: &Server) -> Self {
        let folder = server.dir.path();
        std::fs::create_dir_all(folder.join("vestibule-data")).expect("a folder");
        std::fs::write(folder.join("vestibule-data/management.key"), &server.key).expect("a file");
        let mut command = Command::new("bash");
        let piped = command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("there is a shell");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    fn run(&mut self, commands: &str) -> Vec<String> {
        writeln!(self.stdin, "{commands}\necho\necho '{END}'").expect("the shell reads");
        let mut printed = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).expect("the shell writes text") > 0, "the shell ended in: {commands}");
            match line.trim_end() {
                END => return printed,
                line => printed.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn play(between: impl Fn(&mut Server)) {
    let addresses = [format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port())];
    let options = ServerOptions::default()
        .env("VESTIBULE_PUBLIC__LISTEN", &addresses[0])
        .env("VESTIBULE_MANAGEMENT__LISTEN", &addresses[1]);
    let mut server = Server::start(options);
    let mut shell = Shell::start(&server);
    let steps = steps();
    assert!(
        steps.iter().filter(|step| !step.answer.is_empty()).count() >= 10,
        "the transcript is shorter than what it should show"
    );
    for step in steps {
        let commands = step.commands.replace(PUBLIC, &addresses[0]).replace(MANAGEMENT, &addresses[1]);
        let printed = shell.run(&commands);
        let mut lines = printed.iter();
        for expected in &step.answer {
            assert!(
                lines.any(|line| matches(expected, line)),
                "{}\nexpected {expected}\n{}",
                step.commands,
                printed.join("\n")
            );
        }
        between(&mut server);
    }
}

#[test]
fn the_transcript_of_the_readme_is_true() {
    play(|_| {});
}

/// The same while the server is killed and started again between any two steps.
#[test]
fn the_transcript_of_the_readme_survives_kill_9() {
    play(|server| {
        server.kill();
        server.restart();
    });
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("a...c", "abc") && matches("...", "") && matches("a", "a") && matches("a...b...c", "axxbyyc"));
    assert!(!matches("a...c", "abd") && !matches("a", "ab") && !matches("b...", "ab") && !matches("a...b...c", "acb"));
}
