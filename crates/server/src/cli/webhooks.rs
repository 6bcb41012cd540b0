//! `vestibule webhooks`

use super::{
    client::{Client, encoded},
    failure::Failure,
    output::Output,
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show how each webhook does; --json lists what was put aside
    List,
    /// Deliver once more what was put aside after too many tries
    Redeliver {
        /// The webhook's name
        name: String,
    },
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::List => list(client, output)?,
            Self::Redeliver { name } => {
                let answer = client.post(&format!("/v1/webhooks/{}/redeliver", encoded(&name)), &json!({}))?;
                output.done(&answer, &format!("to be delivered once more: {}", answer["redelivered"]))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let mut answer = client.get("/v1/webhooks")?;
    if !output.json {
        // People see how many were put aside, and the last error.
        for hook in answer["webhooks"].as_array_mut().into_iter().flatten() {
            hook["failing"] = hook["failing"]["error"].clone();
            hook["dead"] = json!(hook["dead"].as_array().map_or(0, Vec::len));
            if hook["types"] == Value::Array(Vec::new()) {
                hook["types"] = "all".into();
            }
        }
    }
    output.list(&answer, "webhooks", &["name", "url", "types", "delivered", "waiting_again", "dead", "lost", "failing"])
}
