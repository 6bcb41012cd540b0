//! `vestibule sessions`

mod change;
mod child;

use super::{
    client::{Client, encoded, query},
    failure::Failure,
    output::Output,
};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::{io::Read as _, process::ExitCode};

/// Largest input that is read: the server's own bound of a body.
const INPUT_BYTES: u64 = 1 << 20;

/// What a list of sessions shows.
pub(super) const COLUMNS: &[&str] = &["id", "kind", "created_at", "last_seen_at", "expires_at", "ip", "user_agent"];

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the live sessions of a user
    List {
        /// The user
        #[arg(long, value_name = "ID")]
        user: String,
        /// On this device only
        #[arg(long, value_name = "ID")]
        device: Option<String>,
    },
    /// Show one session
    Get {
        /// The session's id (ses_...)
        id: String,
    },
    /// Start a session and print its token, which is shown only here
    Create(Create),
    /// Check a session token; exit code 1 where it is not accepted
    Validate(Validate),
    /// Give a session a new token; the old one works for the overlap (5 s) only
    Rotate {
        /// The session's id (ses_...)
        id: String,
    },
    /// Move the end of a session
    Extend {
        /// The session's id (ses_...)
        id: String,
        /// How long from now, e.g. 30m; without it the idle timeout of its policy
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
    },
    /// Change a session's data, roles or profile
    Patch(change::Patch),
    /// Note that the user has proved again who they are, and give the session a new token
    StepUp(change::StepUp),
    /// Note what the user does
    Activity {
        /// The session's id (ses_...)
        id: String,
        /// What it is, in a few words
        activity: String,
    },
    /// Start a child session that may do less, and print its token
    Share(child::Share),
    /// Make a code that starts the same user's session elsewhere, once
    Handoff {
        /// The session's id (ses_...)
        id: String,
        /// How long the code is good, e.g. 1m
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
    },
    /// Exchange a hand-off code for a session, and print its token
    Redeem(child::Redeem),
    /// End one session; one that has ended already is fine
    End {
        /// The session's id (ses_...)
        id: String,
    },
    /// End all sessions that meet every given condition
    Revoke(Revoke),
}

#[derive(Args)]
pub(super) struct Create {
    /// The user; without one the session is anonymous
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// A role; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The session's data, as JSON
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// The browser's address
    #[arg(long)]
    ip: Option<String>,
    /// The browser's User-Agent
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Profile of the configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Ends after so long without use, e.g. 30m
    #[arg(long, value_name = "DURATION")]
    idle_timeout: Option<String>,
    /// Ends after so long at the latest, e.g. 12h
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// A second factor was checked
    #[arg(long)]
    mfa: bool,
    /// The user wants to be remembered
    #[arg(long)]
    remember: bool,
}

#[derive(Args)]
pub(super) struct Validate {
    /// `-` reads the token from standard input; without it the token is in VESTIBULE_TOKEN
    #[arg(value_name = "-")]
    source: Option<String>,
    /// Method of the request to judge; an unsafe one needs VESTIBULE_CSRF_TOKEN
    #[arg(long)]
    method: Option<String>,
    /// The browser's address
    #[arg(long)]
    ip: Option<String>,
    /// The browser's User-Agent
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
}

#[derive(Args)]
pub(super) struct Revoke {
    /// Of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// On this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Started from this address
    #[arg(long)]
    ip: Option<String>,
    /// Started before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// But not this session; may be repeated
    #[arg(long, value_name = "ID")]
    except: Vec<String>,
    /// Only tell how many there are
    #[arg(long)]
    dry_run: bool,
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::List { user, device } => {
                let query = query(&[("device_id", device.as_deref())]);
                let answer = client.get(&format!("/v1/users/{}/sessions{query}", encoded(&user)))?;
                output.list(&answer, "sessions", COLUMNS)
            }
            Self::Get { id } => show(&client.get(&path(&id))?, output),
            Self::Create(create) => issued(&client.post("/v1/sessions", &create.body()?)?, output),
            Self::Validate(validate) => show(&client.post("/v1/sessions/validate", &validate.body()?)?, output),
            Self::Rotate { id } => issued(&client.post(&format!("{}/rotate", path(&id)), &json!({}))?, output),
            Self::Extend { id, ttl } => show(&client.post(&format!("{}/extend", path(&id)), &given([("ttl", ttl)]))?, output),
            Self::Patch(patch) => patch.run(client, output),
            Self::StepUp(step_up) => step_up.run(client, output),
            Self::Activity { id, activity } => {
                let answer = client.post(&format!("{}/activity", path(&id)), &json!({ "activity": activity }))?;
                output.done(&answer, &format!("noted for {id}"))
            }
            Self::Share(share) => share.run(client, output),
            Self::Handoff { id, ttl } => {
                let answer = client.post(&format!("{}/handoff", path(&id)), &given([("ttl", ttl)]))?;
                output.object(&answer, &answer)
            }
            Self::Redeem(redeem) => issued(&client.post("/v1/sessions/redeem", &redeem.body()?)?, output),
            Self::End { id } => output.done(&client.delete(&path(&id))?, &format!("ended {id}")),
            Self::Revoke(revoke) => revoke.run(client, output),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn path(id: &str) -> String {
    format!("/v1/sessions/{}", encoded(id))
}

fn show(answer: &Value, output: Output) -> Result<(), Failure> {
    output.object(answer, &answer["session"])
}

/// A session with its secrets before its members.
fn issued(answer: &Value, output: Output) -> Result<(), Failure> {
    let mut shown = Map::new();
    for name in ["token", "csrf_token"] {
        shown.insert(name.into(), answer[name].clone());
    }
    shown.extend(answer["session"].as_object().cloned().unwrap_or_default());
    output.object(answer, &Value::Object(shown))
}

/// The members that are given.
pub(super) fn given<const N: usize>(members: [(&str, Option<String>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?)))).collect::<Map<_, _>>().into()
}

/// The text of `--data`.
fn data_of(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::usage(format!("--data is no JSON: {error}")))
}

/// A secret from standard input, where `-` says so, or from a variable. Never an argument, which others can read.
pub(super) fn secret_input(source: Option<&str>, what: &str, variable: &str) -> Result<String, Failure> {
    let hint = format!("give `-` and pipe it in, or set {variable}");
    let text = match source {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().take(INPUT_BYTES).read_to_string(&mut text)?;
            text
        }
        Some(_) => return Err(Failure::usage(format!("a {what} among the arguments can be read by others: {hint}"))),
        None => std::env::var(variable).map_err(|_| Failure::usage(format!("no {what}: {hint}")))?,
    };
    Ok(text.trim().to_owned())
}

impl Create {
    fn body(self) -> Result<Value, Failure> {
        let mut body = given([
            ("user_id", self.user),
            ("ip", self.ip),
            ("user_agent", self.user_agent),
            ("profile", self.profile),
            ("idle_timeout", self.idle_timeout),
            ("lifetime", self.lifetime),
        ]);
        if !self.roles.is_empty() {
            body["roles"] = json!(self.roles);
        }
        if let Some(data) = self.data {
            body["data"] = data_of(&data)?;
        }
        for (name, set) in [("mfa", self.mfa), ("remember", self.remember)] {
            if set {
                body[name] = json!(true);
            }
        }
        Ok(body)
    }
}

impl Validate {
    fn body(self) -> Result<Value, Failure> {
        Ok(given([
            ("token", Some(secret_input(self.source.as_deref(), "token", "VESTIBULE_TOKEN")?)),
            ("csrf_token", std::env::var("VESTIBULE_CSRF_TOKEN").ok()),
            ("method", self.method),
            ("ip", self.ip),
            ("user_agent", self.user_agent),
        ]))
    }
}

impl Revoke {
    fn run(self, client: &Client, output: Output) -> Result<(), Failure> {
        let mut filter = given([
            ("user_id", self.user),
            ("device_id", self.device),
            ("ip", self.ip),
            ("created_before", self.created_before),
        ]);
        if !self.except.is_empty() {
            filter["except"] = json!(self.except);
        }
        let answer = client.post("/v1/sessions/revoke", &json!({ "filter": filter, "dry_run": self.dry_run }))?;
        let said = match self.dry_run {
            true => format!("{} would be ended; nothing was changed", answer["matched"]),
            false => format!("{} ended of {} matched", answer["revoked"], answer["matched"]),
        };
        output.done(&answer, &said)
    }
}

/// Ends all sessions of a user but one, or tells how many that would be.
pub(super) fn end_all(client: &Client, user: &str, except: Option<&str>, dry_run: bool) -> Result<Value, Failure> {
    match dry_run {
        true => count(client, user, except),
        false => client.delete(&format!("/v1/users/{}/sessions{}", encoded(user), query(&[("except", except)]))),
    }
}

/// How many sessions of a user would be ended.
pub(super) fn count(client: &Client, user: &str, except: Option<&str>) -> Result<Value, Failure> {
    let except: Vec<&str> = except.into_iter().collect();
    client.post("/v1/sessions/revoke", &json!({ "filter": { "user_id": user, "except": except }, "dry_run": true }))
}
