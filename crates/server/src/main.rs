//! The vestibule binary: an HTTP API over the session layer.

mod api;
mod cli;
mod config;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
