//! Changing one session.

use super::{data_of, issued, path, show};
use crate::cli::{client::Client, failure::Failure, output::Output};
use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(in crate::cli) struct Patch {
    /// The session's id (ses_...)
    id: String,
    /// What changes in the data, as a JSON merge patch: null removes a member
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// A role it has from now on, in place of all it had; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// It has no roles from now on
    #[arg(long, conflicts_with = "roles")]
    no_roles: bool,
    /// Profile of the configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Only if this is still its revision
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u64>,
}

impl Patch {
    /// Rights and data are two resources of the API, so both together are two changes, the second on top of the first.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let rights = self.rights();
        let data = self.data.as_deref().map(data_of).transpose()?;
        let mut answer = Value::Null;
        let mut revision = self.revision;
        if !rights.is_empty() {
            answer = client.patch(&path(&self.id), &rights.into(), revision)?;
            revision = revision.and(answer["session"]["revision"].as_u64());
        }
        if let Some(data) = data {
            answer = client.patch(&format!("{}/data", path(&self.id)), &data, revision)?;
        }
        match answer {
            Value::Null => Err(Failure::usage("nothing to change: give --data, --role, --no-roles or --profile")),
            answer => show(&answer, output),
        }
    }

    fn rights(&self) -> Map<String, Value> {
        let mut rights = Map::new();
        if self.no_roles || !self.roles.is_empty() {
            rights.insert("roles".into(), json!(self.roles));
        }
        if let Some(profile) = &self.profile {
            rights.insert("profile".into(), json!(profile));
        }
        rights
    }
}

#[derive(Args)]
pub(in crate::cli) struct StepUp {
    /// The session's id (ses_...)
    id: String,
    /// A second factor was checked
    #[arg(long)]
    mfa: bool,
    /// How it was proved (RFC 8176), e.g. otp; may be repeated
    #[arg(long = "amr", value_name = "METHOD")]
    amr: Vec<String>,
}

impl StepUp {
    pub(super) fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let body = json!({ "mfa": self.mfa, "amr": self.amr });
        issued(&client.post(&format!("{}/step-up", path(&self.id)), &body)?, output)
    }
}
