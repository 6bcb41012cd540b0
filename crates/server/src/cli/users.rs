//! `vestibule users`

mod csv;
mod import;

use super::{
    client::{Client, encoded, query},
    events,
    failure::Failure,
    output::Output,
    sessions,
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Change {
    /// The user
    id: String,
    /// Only tell how many sessions would end
    #[arg(long)]
    dry_run: bool,
}

#[derive(Subcommand)]
pub(super) enum Users {
    /// Take over accounts of another system with their password hashes; exit code 2 where some were left behind
    Import(import::Import),
    #[command(flatten)]
    OfOne(Command),
}

/// What concerns one user.
#[derive(Subcommand)]
pub(super) enum Command {
    /// List the live sessions of a user
    Sessions {
        /// The user
        id: String,
    },
    /// End all sessions of a user
    Logout {
        #[command(flatten)]
        change: Change,
        /// But not this session
        #[arg(long, value_name = "SESSION")]
        except: Option<String>,
    },
    /// End all sessions of a user and refuse new ones
    Disable(Change),
    /// Let a disabled user start sessions again; ended ones stay ended
    Enable {
        /// The user
        id: String,
    },
    /// Make a single-use token with which a user replaces a forgotten password; whoever sends it makes sure who gets it
    Reset {
        /// The user
        id: String,
        /// How long it is taken, at most and by default 10m
        #[arg(long)]
        ttl: Option<String>,
    },
    /// Delete a user with all that is held about them
    Delete(Change),
    /// Figures of a user: live and past sessions, last login
    Analytics {
        /// The user
        id: String,
    },
    /// The ended sessions of a user, and why they ended
    History {
        /// The user
        id: String,
        #[command(flatten)]
        page: events::Page,
    },
    /// What happened to a user
    Events {
        /// The user
        id: String,
        #[command(flatten)]
        filter: events::Filter,
    },
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        let user = |id: &str| format!("/v1/users/{}", encoded(id));
        match self {
            Self::Sessions { id } => {
                output.list(&client.get(&format!("{}/sessions", user(&id)))?, "sessions", sessions::COLUMNS)
            }
            Self::Logout { change: Change { id, dry_run }, except } => {
                let answer = sessions::end_all(client, &id, except.as_deref(), dry_run)?;
                let count = if dry_run { &answer["matched"] } else { &answer["revoked"] };
                output.done(&answer, &format!("sessions {}: {count}", if dry_run { "that would end" } else { "ended" }))
            }
            Self::Disable(change) if change.dry_run => would(client, &change.id, "be disabled", output),
            Self::Disable(Change { id, .. }) => {
                let answer = client.post(&format!("{}/disable", user(&id)), &json!({}))?;
                output.done(&answer, &format!("disabled {id}; sessions ended: {}", answer["revoked"]))
            }
            Self::Enable { id } => {
                output.done(&client.post(&format!("{}/enable", user(&id)), &json!({}))?, &format!("enabled {id}"))
            }
            Self::Reset { id, ttl } => {
                let answer = client.post(&format!("{}/reset", user(&id)), &json!({"ttl": ttl}))?;
                output.object(&answer, &answer)
            }
            Self::Delete(change) if change.dry_run => would(client, &change.id, "be deleted", output),
            Self::Delete(Change { id, .. }) => output.done(&client.delete(&user(&id))?, &format!("deleted {id}")),
            Self::Analytics { id } => {
                let answer = client.get(&format!("{}/analytics", user(&id)))?;
                output.object(&answer, &answer)
            }
            Self::History { id, page } => {
                let query = query(&page.parameters());
                let answer = client.get(&format!("{}/history{query}", user(&id)))?;
                output.list(&answer, "sessions", &["id", "created_at", "ended_at", "end_reason", "ip", "user_agent"])
            }
            Self::Events { id, filter } => filter.show(client, &format!("{}/events", user(&id)), output),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

fn would(client: &Client, id: &str, what: &str, output: Output) -> Result<(), Failure> {
    let answer = sessions::count(client, id, None)?;
    output.done(&answer, &format!("{id} would {what}, sessions that would end: {}; nothing was changed", answer["matched"]))
}
