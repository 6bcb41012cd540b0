//! The command line: one file per noun, all of them clients of the management API.
//!
//! Secrets are never arguments, which other users of the machine can read: the key comes from the environment or a file,
//! a session token from standard input or the environment.

mod bench;
mod client;
mod completions;
mod config;
mod devices;
mod doctor;
mod events;
mod failure;
mod health;
mod import;
mod keys;
mod limits;
mod output;
mod passwords;
mod serve;
mod sessions;
mod stats;
mod tokens;
mod users;
mod webhooks;

use crate::{api, config::Environment};
use clap::{Args, Parser, Subcommand};
use client::Client;
use failure::Failure;
use output::Output;
use std::{path::PathBuf, process::ExitCode};

/// Where a server listens that nobody told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8379";

/// Prints where the server is needed and how the command ends, for every `--help`.
const AFTER_HELP: &str = "\
The commands that ask a server need its management address and a key:
  VESTIBULE_URL       management address (default http://127.0.0.1:8379)
  VESTIBULE_KEY       management key
  VESTIBULE_KEY_FILE  file with the key; default vestibule-data/management.key in the current folder

Exit codes: 0 done, 1 failed (the reason is one line on standard error), 2 the server is degraded (health, doctor).";

/// The session layer of a backend.
///
/// Without a command it starts the server.
#[derive(Parser)]
#[command(name = "vestibule", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Args)]
struct Shared {
    /// Print the server's answer as JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Management address of the server
    #[arg(long, global = true, env = "VESTIBULE_URL", default_value = DEFAULT_URL, value_name = "URL")]
    url: String,
    /// File with the management key; the key itself is never an argument
    #[arg(long, global = true, env = "VESTIBULE_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server (also what happens without a command)
    Serve(serve::Serve),
    /// Look at sessions, start, check and end them
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// Look at a user's sessions and past; disable, enable, delete and import users
    #[command(subcommand)]
    Users(users::Users),
    /// Trust devices, check, list, rename and revoke them
    #[command(subcommand)]
    Devices(devices::Command),
    /// Hash, verify and judge passwords, and find out what a hash may cost
    #[command(subcommand)]
    Passwords(passwords::Command),
    /// Make, list and delete management keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Issue access and refresh tokens, verify, refresh and revoke them, rotate their signing keys
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Look at rate limits, take units, reset keys
    #[command(subcommand)]
    Limits(limits::Command),
    /// Look at what happened
    #[command(subcommand)]
    Events(events::Command),
    /// Look at webhooks, deliver again what did not get through
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Figures of the server: live sessions, users, totals
    Stats,
    /// How well the server is; exit code 2 where it is degraded, 1 where it is unavailable
    Health {
        /// Only this component
        component: Option<String>,
    },
    /// Look at everything a deployment needs and say what to do; exit code 2 where something is not as it should be, 1 where
    /// something does not work
    Doctor(doctor::Doctor),
    /// Put load on a running server and tell requests per second and latencies
    Bench(bench::Bench),
    /// Take over the live sessions of another system; exit code 2 where some were left behind
    Import(import::Import),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Print what the HTTP API offers, as an OpenAPI document
    Openapi,
    /// Print a completion script for a shell
    Completions {
        /// The shell that will read the script
        shell: clap_complete::Shell,
    },
}

/// Reads the arguments and does what they say. Wrong ones end with 1: code 2 says that a server is degraded.
pub(crate) fn run() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => dispatch(arguments),
        Err(error) => {
            // Where even this cannot be printed there is nobody left to tell.
            let _ = error.print();
            if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}

fn dispatch(arguments: Arguments) -> ExitCode {
    let Arguments { command, shared } = arguments;
    let environment: Environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect();
    let output = Output { json: shared.json };
    let client = || Client::new(&shared.url, shared.key_file.as_deref(), &environment);
    let done = match command.unwrap_or(Command::Serve(serve::Serve::default())) {
        Command::Serve(serve) => return serve.run(&environment),
        Command::Sessions(command) => client().and_then(|client| command.run(&client, output)),
        Command::Devices(command) => client().and_then(|client| command.run(&client, output)),
        Command::Users(users::Users::Import(import)) => import.run(client, output),
        Command::Users(users::Users::OfOne(command)) => client().and_then(|client| command.run(&client, output)),
        Command::Passwords(command) => command.run(client, output),
        Command::Keys(command) => client().and_then(|client| command.run(&client, output)),
        Command::Tokens(command) => client().and_then(|client| command.run(&client, output)),
        Command::Limits(command) => client().and_then(|client| command.run(&client, output)),
        Command::Events(command) => client().and_then(|client| command.run(&client, output)),
        Command::Webhooks(command) => client().and_then(|client| command.run(&client, output)),
        Command::Stats => client().and_then(|client| stats::run(&client, output)),
        Command::Health { component } => client().and_then(|client| health::run(&client, output, component.as_deref())),
        Command::Doctor(doctor) => {
            let is_given = shared.url != DEFAULT_URL || environment.contains_key("VESTIBULE_URL");
            let url = is_given.then_some(shared.url.as_str());
            doctor.run(&doctor::Running { url, key_file: shared.key_file.as_deref() }, &environment, output)
        }
        Command::Bench(bench) => client().and_then(|client| bench.run(&client, output)),
        Command::Import(import) => import.run(client, output),
        Command::Config(command) => command.run(output, &environment),
        Command::Openapi => output.json(&api::openapi::document()).map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => completions::run(shell),
    };
    finish(done, output)
}

/// Says a failure: a line for people, and with `--json` a document on standard output, since a program reads that.
fn finish(done: Result<ExitCode, Failure>, output: Output) -> ExitCode {
    let failure = match done {
        Ok(code) => return code,
        // Whoever read the output has seen enough.
        Err(Failure::BrokenPipe) => return ExitCode::SUCCESS,
        Err(failure) => failure,
    };
    if output.json {
        // The line below says the failure where standard output cannot.
        let _ = output.json(&failure.json());
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("vestibule: {failure}\n").as_bytes());
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }
}
