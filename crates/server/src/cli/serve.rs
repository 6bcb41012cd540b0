//! `vestibule serve`

use crate::{
    config::{Environment, Sources},
    serve,
};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

#[derive(Args, Default)]
pub(super) struct Serve {
    /// Configuration file; without one and on loopback only, the server runs in development mode
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep everything in memory; it is gone when the server ends
    #[arg(long)]
    ephemeral: bool,
    /// Refuse a Redis that is set up so that it endangers sessions
    #[arg(long)]
    strict: bool,
}

impl Serve {
    /// Runs the server until it is told to stop.
    pub(super) fn run(&self, environment: &Environment) -> ExitCode {
        let flags =
            [(self.ephemeral, ("record.url", "none", "--ephemeral")), (self.strict, ("store.strict", "true", "--strict"))];
        let flags = flags.into_iter().filter(|(is_given, _)| *is_given);
        let flags: Vec<_> = flags.map(|(_, (setting, value, flag))| (setting, value.to_owned(), flag)).collect();
        serve::run(&Sources { file: self.config.as_deref(), environment, flags: &flags })
    }
}
