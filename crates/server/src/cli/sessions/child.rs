//! Sessions that come from sessions.

use super::{given, issued, path, secret_input};
use crate::cli::{client::Client, failure::Failure, output::Output};
use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(in crate::cli) struct Share {
    /// The session's id (ses_...)
    id: String,
    /// What the child may do; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scope: Vec<String>,
    /// How long it lives, e.g. 1h; never longer than its parent
    #[arg(long, value_name = "DURATION")]
    ttl: String,
    /// What its owner knows it by
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
}

impl Share {
    pub(super) fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let mut body = given([("ttl", Some(self.ttl)), ("label", self.label)]);
        body["scope"] = json!(self.scope);
        issued(&client.post(&format!("{}/share", path(&self.id)), &body)?, output)
    }
}

#[derive(Args)]
pub(in crate::cli) struct Redeem {
    /// `-` reads the code from standard input; without it the code is in VESTIBULE_CODE
    #[arg(value_name = "-")]
    source: Option<String>,
    /// The browser's address
    #[arg(long)]
    ip: Option<String>,
    /// The browser's User-Agent
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
}

impl Redeem {
    pub(super) fn body(self) -> Result<Value, Failure> {
        let code = secret_input(self.source.as_deref(), "code", "VESTIBULE_CODE")?;
        Ok(given([("code", Some(code)), ("ip", self.ip), ("user_agent", self.user_agent)]))
    }
}
