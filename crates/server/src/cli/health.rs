//! `vestibule health`

use super::{
    client::{Client, encoded},
    failure::Failure,
    output::Output,
};
use std::process::ExitCode;

/// Exit code of a server that answers requests but misses something.
const DEGRADED: u8 = 2;

/// Prints how well the server, or one component of it, is. An unavailable server answers 503 with the same document.
pub(super) fn run(client: &Client, output: Output, component: Option<&str>) -> Result<ExitCode, Failure> {
    let path = component.map_or_else(|| "/health".to_owned(), |name| format!("/health/{}", encoded(name)));
    let answer = client.send("GET", &path, None)?;
    let code = match answer.body["status"].as_str() {
        Some("ok") => ExitCode::SUCCESS,
        Some("degraded") => ExitCode::from(DEGRADED),
        Some(_) => ExitCode::FAILURE,
        None => return Err(Failure::Problem { status: answer.status, body: answer.body }),
    };
    output.object(&answer.body, &answer.body)?;
    Ok(code)
}
