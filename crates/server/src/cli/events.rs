//! `vestibule events`

use super::{
    client::{Client, query},
    failure::Failure,
    output::Output,
};
use clap::{Args, Subcommand};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List(Filter),
}

/// Which part of a list.
#[derive(Args)]
pub(super) struct Page {
    /// So many at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<String>,
    /// Go on where the last page ended
    #[arg(long)]
    cursor: Option<String>,
}

/// Which events.
#[derive(Args)]
pub(super) struct Filter {
    /// Only this type, e.g. session.created
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    page: Page,
}

impl Page {
    /// As parameters of a query.
    pub(super) fn parameters(&self) -> [(&'static str, Option<&str>); 2] {
        [("limit", self.limit.as_deref()), ("cursor", self.cursor.as_deref())]
    }
}

impl Filter {
    /// Prints the events at a path that pass.
    pub(super) fn show(&self, client: &Client, path: &str, output: Output) -> Result<(), Failure> {
        let own = [("type", self.kind.as_deref()), ("since", self.since.as_deref()), ("until", self.until.as_deref())];
        let query = query(&[own.as_slice(), &self.page.parameters()].concat());
        let answer = client.get(&format!("{path}{query}"))?;
        output.list(&answer, "events", &["time", "type", "subject", "session_id", "ip", "reason"])
    }
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::List(filter) => filter.show(client, "/v1/events", output)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
