//! The vestibule binary: an HTTP API over the session layer.

mod api;
mod cli;
mod config;
mod serve;
mod siteverify;
mod webhook;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
