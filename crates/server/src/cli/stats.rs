//! `vestibule stats`

use super::{client::Client, failure::Failure, output::Output};
use std::process::ExitCode;

/// Prints the server's figures.
pub(super) fn run(client: &Client, output: Output) -> Result<ExitCode, Failure> {
    let answer = client.get("/v1/stats")?;
    output.object(&answer, &answer)?;
    Ok(ExitCode::SUCCESS)
}
