//! `vestibule events`

use super::{
    client::{Client, encoded, query},
    failure::Failure,
    output::{Output, printable},
};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::{io::BufRead as _, process::ExitCode, time::Duration};

/// What people see of an event.
const COLUMNS: [&str; 6] = ["time", "type", "subject", "session_id", "ip", "reason"];
/// Events that an export asks for at a time.
const EXPORT_PAGE: &str = "1000";
/// Pause before a stream that ended is opened again.
const COME_BACK: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List(Filter),
    /// Write all events of a time to standard output, newest first, one JSON object a line
    Export(Export),
    /// Show the latest events, and with --follow each one as it happens
    Tail(Tail),
    /// Find out whether any event was altered or taken away; exit code 1 where one was
    Verify,
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

/// Which types, and from when.
#[derive(Args)]
struct Which {
    /// Only this type, e.g. session.created; several by commas
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// What to export.
#[derive(Args)]
pub(super) struct Export {
    /// Only of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Which events to show as they happen.
#[derive(Args)]
pub(super) struct Tail {
    /// Only of this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only about this session, its end by time among it; needs --follow
    #[arg(long, value_name = "ID", requires = "follow")]
    session: Option<String>,
    /// Only this type, e.g. session.ended; several by commas
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Go on until interrupted, also over restarts of the server
    #[arg(long, short)]
    follow: bool,
    /// So many of the past first
    #[arg(long, value_name = "COUNT", default_value = "10")]
    limit: u32,
}

/// Which events.
#[derive(Args)]
pub(super) struct Filter {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    page: Page,
}

impl Which {
    fn parameters(&self) -> [(&'static str, Option<&str>); 3] {
        [("type", self.kind.as_deref()), ("since", self.since.as_deref()), ("until", self.until.as_deref())]
    }
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
        let query = query(&[&self.which.parameters()[..], &self.page.parameters()].concat());
        let answer = client.get(&format!("{path}{query}"))?;
        output.list(&answer, "events", &COLUMNS)
    }
}

/// The list of everybody's events, or of one user's.
fn list_of(user: Option<&str>) -> String {
    user.map_or_else(|| "/v1/events".to_owned(), |user| format!("/v1/users/{}/events", encoded(user)))
}

impl Export {
    fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let path = list_of(self.user.as_deref());
        let mut cursor: Option<String> = None;
        loop {
            let page = [("limit", Some(EXPORT_PAGE)), ("cursor", cursor.as_deref())];
            let query = query(&[&self.which.parameters()[..], &page].concat());
            let page = client.get(&format!("{path}{query}"))?;
            for event in page["events"].as_array().into_iter().flatten() {
                output.text(&event.to_string())?;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }
}

impl Tail {
    fn run(&self, client: &Client, output: Output) -> Result<(), Failure> {
        let mut last = None;
        // The stream of a session begins with what matters of its past.
        if self.session.is_none() {
            last = self.show_past(client, output)?;
        }
        if self.follow { self.follow_on(client, output, last) } else { Ok(()) }
    }

    /// Shows what happens, over and over again behind the last event shown, until something is wrong with the request.
    fn follow_on(&self, client: &Client, output: Output, mut last: Option<String>) -> Result<(), Failure> {
        let mut was_reached = self.session.is_none();
        loop {
            match self.follow(client, output, &mut last) {
                Ok(()) => was_reached = true,
                Err(Failure::Local { code: "unreachable", .. }) if was_reached => {}
                Err(failure) => return Err(failure),
            }
            std::thread::sleep(COME_BACK);
        }
    }

    /// Shows the latest events, oldest first. Returns the id of the last one.
    fn show_past(&self, client: &Client, output: Output) -> Result<Option<String>, Failure> {
        if self.limit == 0 {
            return Ok(None);
        }
        let limit = self.limit.to_string();
        let query = query(&[("type", self.kind.as_deref()), ("limit", Some(&limit))]);
        let page = client.get(&format!("{}{query}", list_of(self.user.as_deref())))?;
        let events = page["events"].as_array().cloned().unwrap_or_default();
        for event in events.iter().rev() {
            show(event, output)?;
        }
        Ok(events.first().and_then(|event| event["id"].as_str()).map(str::to_owned))
    }

    /// Shows what happens until the server ends the stream.
    fn follow(&self, client: &Client, output: Output, last: &mut Option<String>) -> Result<(), Failure> {
        let query = query(&[
            ("type", self.kind.as_deref()),
            ("user_id", self.user.as_deref()),
            ("session_id", self.session.as_deref()),
        ]);
        for line in client.follow(&format!("/v1/events/stream{query}"), last.as_deref())?.lines() {
            // A connection that broke is made again like one that ended.
            let Ok(line) = line else { break };
            if let Some(id) = line.strip_prefix("id: ") {
                *last = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok()) {
                show(&event, output)?;
            }
        }
        Ok(())
    }
}

fn verify(client: &Client, output: Output) -> Result<ExitCode, Failure> {
    let report = client.patient().get("/v1/events/verify")?;
    let is_intact = report["intact"] == true;
    if output.json {
        output.json(&report)?;
    } else {
        let count = |name: &str| report[name].as_u64().unwrap_or_default();
        for found in report["breaks"].as_array().into_iter().flatten() {
            output.text(&described(found))?;
        }
        if count("more_breaks") > 0 {
            output.text(&format!("and {} more", count("more_breaks")))?;
        }
        let verdict = if is_intact { "intact" } else { "broken" };
        output.text(&format!("{verdict}: {} events, {} checkpoints", count("events"), count("checkpoints")))?;
        if report["has_unsealed"] == true {
            output.text("the oldest events were written before events were sealed: of them nothing can be said")?;
        }
        if report["in_process"] == true {
            output.text("events are in the memory of the server alone, where nobody else can alter them")?;
        }
    }
    Ok(if is_intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A break in one line.
fn described(found: &Value) -> String {
    let text = |name: &str| match &found[name] {
        Value::Null => None,
        Value::String(text) => Some(printable(text)),
        other => Some(other.to_string()),
    };
    let mut line = text("kind").unwrap_or_default();
    for (name, label) in
        [("event_id", ""), ("missing", "missing "), ("home", "home "), ("after", "behind position "), ("through", "up to ")]
    {
        if let Some(value) = text(name) {
            line.push_str(&format!("  {label}{value}"));
        }
    }
    line
}

/// An event on a line of its own.
fn show(event: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.text(&event.to_string());
    }
    let fields = COLUMNS.iter().map(|name| event[*name].as_str().map_or_else(|| "-".to_owned(), printable));
    output.text(&fields.collect::<Vec<_>>().join("  "))
}

impl Command {
    /// Does it.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        match self {
            Self::List(filter) => filter.show(client, "/v1/events", output)?,
            Self::Export(export) => export.run(client, output)?,
            Self::Tail(tail) => tail.run(client, output)?,
            Self::Verify => return verify(client, output),
        }
        Ok(ExitCode::SUCCESS)
    }
}
