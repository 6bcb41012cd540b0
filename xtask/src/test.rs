//! `cargo xtask test`: what the tests need, the server that they start, then all tests and one line about them.

use crate::{failure::Failure, need, process};
use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

/// How a whole run of tests ended.
pub(crate) struct Run {
    /// What the test programs counted.
    pub(crate) summary: Summary,
    /// Cargo's exit code; not 0 also where something did not build or a test program crashed.
    pub(crate) code: u8,
}

/// Runs the tests and prints their summary as the last line.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let run = run(args)?;
    if run.code != 0 && run.summary.failed == 0 {
        eprintln!("xtask test: not every test program was built or ran to its end");
    }
    println!("{}", run.summary);
    if run.code == 0 { Ok(()) } else { Err(Failure::told(run.code)) }
}

/// Runs the tests; arguments go to `cargo test`, but for `--no-install`.
pub(crate) fn run(args: &[String]) -> Result<Run, Failure> {
    need::provide(!args.iter().any(|arg| arg == "--no-install"))?;
    // Tests start the server as its users do, so it must be built before them.
    process::run(process::cargo().args(["build", "-p", "vestibule-server"]))?;
    let args: Vec<&String> = args.iter().filter(|arg| *arg != "--no-install").collect();
    let mut command = process::cargo();
    command.args(["test", "--no-fail-fast"]);
    if !names_a_package(&args) {
        command.arg("--workspace");
    }
    counted(command.args(args))
}

fn names_a_package(args: &[&String]) -> bool {
    args.iter().take_while(|arg| *arg != &"--").any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

/// Runs a command whose output goes on to ours while its result lines are counted.
fn counted(command: &mut Command) -> Result<Run, Failure> {
    process::show(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| process::cannot_start(command, &error))?;
    let stdout = child.stdout.take().expect("the pipe was asked for");
    let mut summary = Summary::default();
    let mut own = std::io::stdout();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        summary.add(&String::from_utf8_lossy(&line));
        own.write_all(&line)?;
        own.write_all(b"\n")?;
    }
    Ok(Run { summary, code: process::exit_code(child.wait()?) })
}

/// Counts over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Summary {
    /// Adds a line of a test program; lines without a result add nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        for part in result.split(['.', ';']) {
            let Some((count, word)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match word {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(output: &str) -> Summary {
        let mut summary = Summary::default();
        output.lines().for_each(|line| summary.add(line));
        summary
    }

    #[test]
    fn results_of_all_programs_are_summed() {
        let summary = summary_of(
            "running 3 tests\n\
             test a ... ok\n\
             test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.12s\n\
             test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
        );
        assert_eq!(summary, Summary { passed: 17, failed: 2, skipped: 1 });
        assert_eq!(summary.to_string(), "17 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn nothing_skipped_is_not_said() {
        let summary = summary_of("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\r\n");
        assert_eq!(summary.to_string(), "3 passed, 0 failed");
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(summary_of("12 passed; 3 failed\nerror: test failed\n\n"), Summary::default());
    }

    #[test]
    fn arguments_after_the_dashes_name_no_package() {
        let words = ["--".to_owned(), "-p".to_owned()];
        assert!(!names_a_package(&words.iter().collect::<Vec<_>>()));
        assert!(names_a_package(&words.iter().rev().collect::<Vec<_>>()));
    }
}
