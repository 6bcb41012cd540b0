//! `vestibule passwords`: what a backend that keeps its users' hashes itself can ask, and what hashing may cost here.
//!
//! A password is never an argument: it is asked for where there is somebody to ask, else it is a line of standard input.

mod calibrate;

use super::{client::Client, failure::Failure, output::Output};
use clap::{Args, Subcommand};
use console::Term;
use serde_json::json;
use std::{
    io::{BufRead as _, IsTerminal as _, Read as _},
    process::ExitCode,
};

/// Longest line that is read, in bytes: more than a password or a hash may have.
const LINE_BYTES: u64 = 4_096;

/// Where the password comes from.
#[derive(Args)]
pub(super) struct Source {
    /// `-` or nothing: a prompt, or a line of standard input where that is no terminal. Never the password itself
    #[arg(value_name = "-")]
    source: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Hash a password, or make the hash of another system fit to be kept
    Hash {
        #[command(flatten)]
        source: Source,
        /// What is read is a hash of another system
        #[arg(long)]
        legacy: bool,
    },
    /// Verify a password (first line) against a hash (second line); exit code 1 where it is wrong
    Verify {
        #[command(flatten)]
        source: Source,
    },
    /// Judge a new password; exit code 1 where it is refused
    Check {
        #[command(flatten)]
        source: Source,
        /// A second factor stands beside it
        #[arg(long)]
        mfa: bool,
        /// A word that others know of its user, such as the address; may be repeated
        #[arg(long = "context", value_name = "TEXT")]
        context: Vec<String>,
    },
    /// Find out what a hash may cost on this machine, and print it as configuration; needs no server
    Calibrate(calibrate::Calibrate),
}

impl Command {
    /// Does it. The client is asked for only where there is something to ask.
    pub(super) fn run(self, client: impl FnOnce() -> Result<Client, Failure>, output: Output) -> Result<ExitCode, Failure> {
        let (answer, is_well) = match self {
            Self::Calibrate(calibrate) => return calibrate.run(output),
            Self::Hash { source, legacy } => {
                let (what, field) = if legacy { ("hash", "legacy_hash") } else { ("password", "password") };
                let answer = client()?.post("/v1/passwords/hash", &json!({field: source.line(what)?}))?;
                output.done(&answer, answer["hash"].as_str().unwrap_or_default())?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Verify { source } => {
                let body = json!({"password": source.line("password")?, "hash": source.line("hash")?});
                let answer = client()?.post("/v1/passwords/verify", &body)?;
                let is_valid = answer["valid"] == true;
                (answer, is_valid)
            }
            Self::Check { source, mfa, context } => {
                let mut body = json!({"password": source.line("password")?, "context": context});
                if mfa {
                    body["mfa"] = json!(true);
                }
                let answer = client()?.post("/v1/passwords/check", &body)?;
                let is_accepted = answer["accepted"] == true;
                (answer, is_accepted)
            }
        };
        output.object(&answer, &answer)?;
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Source {
    /// The next line: asked for without an echo, or read. Spaces belong to it.
    fn line(&self, what: &str) -> Result<String, Failure> {
        if self.source.as_deref().is_some_and(|source| source != "-") {
            return Err(Failure::usage(format!("a {what} among the arguments can be read by others: pipe it in, or be asked")));
        }
        let mut line = String::new();
        if std::io::stdin().is_terminal() {
            let term = Term::stderr();
            term.write_str(&format!("{what}: "))?;
            line = term.read_secure_line()?;
        } else {
            std::io::stdin().lock().take(LINE_BYTES).read_line(&mut line)?;
        }
        let line = line.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).unwrap_or(&line);
        if line.is_empty() { Err(Failure::usage(format!("no {what} was given"))) } else { Ok(line.to_owned()) }
    }
}
