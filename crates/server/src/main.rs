//! The vestibule binary: an HTTP API over the session layer.

mod api;
mod config;
mod serve;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// The session layer of a backend.
#[derive(Parser)]
#[command(name = "vestibule", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the server (the default).
    Serve {
        /// Configuration file; without one and on loopback only, the server runs in development mode.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Keep everything in memory.
        #[arg(long)]
        ephemeral: bool,
    },
    /// Prints what the HTTP API offers, as an OpenAPI document.
    Openapi,
    /// Looks at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Tells every setting in effect and where it comes from; exit code 1 where something is wrong.
    Check {
        /// Configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the default configuration file.
    Default,
}

fn main() -> ExitCode {
    let environment = std::env::vars().collect();
    match Arguments::parse().command.unwrap_or(Command::Serve { config: None, ephemeral: false }) {
        Command::Serve { config, ephemeral } => serve::run(config.as_deref(), ephemeral, &environment),
        Command::Openapi => {
            println!("{:#}", api::openapi::document());
            ExitCode::SUCCESS
        }
        Command::Config { command: ConfigCommand::Default } => {
            print!("{}", config::DEFAULT_FILE);
            ExitCode::SUCCESS
        }
        Command::Config { command: ConfigCommand::Check { config, json } } => check(config.as_deref(), json, &environment),
    }
}

fn check(file: Option<&std::path::Path>, json: bool, environment: &config::Environment) -> ExitCode {
    let report = config::check(&config::Sources { file, environment, flags: &[] });
    if json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        for setting in &report.settings {
            println!("{} = {}  ({})", setting.key, setting.value, setting.source);
        }
        for problem in &report.problems {
            eprintln!("{problem}");
        }
    }
    if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
