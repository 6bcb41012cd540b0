//! `vestibule devices`

use super::{
    client::{Client, encoded},
    failure::Failure,
    output::Output,
    sessions::{given, secret_input},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What a list of trusted devices shows.
const COLUMNS: &[&str] = &["id", "name", "type", "device_id", "trusted_at", "expires_at", "last_used_at"];

#[derive(Subcommand)]
pub(super) enum Command {
    /// Trust a device of a user and print its token, which is shown only here
    Trust(Trust),
    /// Check a device token; exit code 1 where it is not trusted
    Check {
        /// The user
        #[arg(long, value_name = "ID")]
        user: String,
        /// `-` reads the token from standard input; without it the token is in VESTIBULE_DEVICE_TOKEN
        #[arg(value_name = "-")]
        source: Option<String>,
    },
    /// List the devices that a user trusts
    List {
        /// The user
        #[arg(long, value_name = "ID")]
        user: String,
    },
    /// Give a trusted device another name
    Rename {
        /// The device's id (dev_...)
        id: String,
        /// Its name from now on
        name: String,
    },
    /// End the trust in one device, or in all devices of a user; one that has ended already is fine
    Revoke {
        /// The device's id (dev_...)
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        id: Option<String>,
        /// All devices of this user
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
}

#[derive(Args)]
pub(super) struct Trust {
    /// The user
    #[arg(long, value_name = "ID")]
    user: String,
    /// Your own id of the device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// A fingerprint of the device
    #[arg(long, value_name = "TEXT")]
    fingerprint: Option<String>,
    /// A name to show
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// mobile, desktop, ...
    #[arg(long = "type", value_name = "TEXT")]
    kind: Option<String>,
    /// How long, e.g. 7d; at most devices.trust_ttl, which is also the default
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
}

impl Trust {
    fn body(self) -> Value {
        let Self { user, device, fingerprint, name, kind, ttl } = self;
        let mut body = given([("user_id", Some(user)), ("ttl", ttl)]);
        body["device"] = given([("id", device), ("fingerprint", fingerprint), ("name", name), ("type", kind)]);
        body
    }
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Trust(trust) => {
                let answer = client.post("/v1/devices/trust", &trust.body())?;
                output.object(&answer, &answer)
            }
            Self::Check { user, source } => {
                let token = secret_input(source.as_deref(), "device token", "VESTIBULE_DEVICE_TOKEN")?;
                let answer = client.post("/v1/devices/check", &json!({ "user_id": user, "device_token": token }))?;
                output.object(&answer, &answer)?;
                return Ok(if answer["trusted"] == json!(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Self::List { user } => {
                output.list(&client.get(&format!("/v1/users/{}/devices", encoded(&user)))?, "devices", COLUMNS)
            }
            Self::Rename { id, name } => {
                let answer = client.patch(&format!("/v1/devices/{}", encoded(&id)), &json!({ "name": name }), None)?;
                output.done(&answer, &format!("{id} is now {name}"))
            }
            Self::Revoke { id: Some(id), .. } => {
                output.done(&client.delete(&format!("/v1/devices/{}", encoded(&id)))?, &format!("{id} is not trusted any more"))
            }
            Self::Revoke { id: None, user } => {
                let user = user.unwrap_or_default();
                let answer = client.delete(&format!("/v1/users/{}/devices", encoded(&user)))?;
                output.done(&answer, &format!("devices that are not trusted any more: {}", answer["revoked"]))
            }
        }?;
        Ok(ExitCode::SUCCESS)
    }
}
