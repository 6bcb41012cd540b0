//! `vestibule keys`

use super::{
    client::{Client, encoded},
    failure::Failure,
    output::Output,
};
use clap::Subcommand;
use serde_json::json;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key and print it; it is shown only here
    Create {
        /// What it is for
        name: String,
        /// What it may do, e.g. sessions:read, sessions:validate or *; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// When it stops working: a time (RFC 3339), or from now, e.g. 30d
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List the keys, without their secrets
    List,
    /// Delete a key; it stops working at once
    Delete {
        /// The key's id
        id: String,
    },
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Create { name, scopes, expires } => {
                let mut body = json!({ "name": name, "scopes": scopes });
                if let Some(expires) = expires {
                    body["expires"] = json!(expires);
                }
                let answer = client.post("/v1/keys", &body)?;
                output.object(&answer, &answer)
            }
            Self::List => output.list(&client.get("/v1/keys")?, "keys", &["id", "name", "scopes", "created_at", "expires_at"]),
            Self::Delete { id } => {
                output.done(&client.delete(&format!("/v1/keys/{}", encoded(&id)))?, &format!("deleted {id}"))
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}
