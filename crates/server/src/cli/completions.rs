//! `vestibule completions`

use super::{Arguments, failure::Failure};
use clap::CommandFactory as _;
use std::{io::Write as _, process::ExitCode};

/// Prints the script. It is made in memory first, since the generator panics where its writer fails.
pub(super) fn run(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vestibule", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
