//! `vestibule import`: takes over the live sessions of another system, whose users stay logged in.
//!
//! A source gives documents one by one; a layout says what stands where in them; what comes out goes to the server in bounded
//! batches. Tokens are hashed here and go nowhere: neither to the server, nor into messages.

mod bounds;
mod django;
mod file;
mod layout;
mod map;
mod postgres;
mod redis;
mod report;
mod source;
mod sqlite;
mod tower;

use super::{client::Client, failure::Failure, output::Output};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use layout::LayoutName;
use map::{Fields, Foreign};
use report::Report;
use serde_json::{Value, json};
use source::{Entry, Source};
use std::{process::ExitCode, time::Duration};
use vestibule::time::{Clock, Timestamp};

/// Reads live sessions from another system's store and takes them over, so that nobody is logged out. Exit code 2 where some
/// were left behind.
#[derive(Args)]
pub(super) struct Import {
    /// Where they are: redis://, rediss:// or unix: (a Redis), postgres:// or sqlite:FILE (a database), a file of JSON lines, or
    /// - for standard input. An address with a password is better kept in the variable
    #[arg(long, env = "VESTIBULE_IMPORT_FROM", hide_env_values = true, value_name = "URL|FILE")]
    from: String,
    /// Who wrote them
    #[arg(long, value_enum, value_name = "NAME")]
    layout: LayoutName,
    /// What the keys of sessions begin with (Redis) [default: the layout's]
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// The table with the sessions (database) [default: the layout's]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Where a field stands, as FIELD=path.to.it, or a file of such lines; may be repeated
    #[arg(long = "map", value_name = "FIELD=PATH|FILE")]
    maps: Vec<String>,
    /// Also take over sessions in which nobody is logged in
    #[arg(long)]
    anonymous: bool,
    /// Say what would be done, and do nothing; needs no server
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    /// Does it. The client is asked for only where there is something to send.
    pub(super) fn run(self, client: impl FnOnce() -> Result<Client, Failure>, output: Output) -> Result<ExitCode, Failure> {
        let fields = Fields::new(self.layout.layout(), &self.maps)?;
        let source = Source::new(&self.from, &self.layout.layout(), self.prefix.as_deref(), self.table.as_deref())?;
        let client = if self.dry_run { None } else { Some(client()?) };
        let mut importing = Importing {
            fields,
            client,
            anonymous: self.anonymous,
            now: Clock::system().now(),
            batch: Batch::default(),
            report: Report::new(self.dry_run),
            progress: progress(output),
        };
        source.each(&mut |entry| importing.take(entry))?;
        importing.send()?;
        importing.progress.finish_and_clear();
        importing.report.print(output)
    }
}

fn progress(output: Output) -> ProgressBar {
    if output.json {
        return ProgressBar::hidden();
    }
    // Nothing is drawn where standard error is no terminal.
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} sessions read, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Sessions on their way to the server.
#[derive(Default)]
struct Batch {
    sessions: Vec<Value>,
    bytes: usize,
}

struct Importing {
    fields: Fields,
    /// `None` in a dry run.
    client: Option<Client>,
    anonymous: bool,
    now: Timestamp,
    batch: Batch,
    report: Report,
    progress: ProgressBar,
}

impl Importing {
    fn take(&mut self, entry: Entry) -> Result<(), Failure> {
        self.report.read += 1;
        self.progress.inc(1);
        let foreign = entry.and_then(|document| self.fields.read(document, self.now));
        match foreign {
            Err(reason) => self.report.skip(reason),
            Ok(Foreign { user_id: None, .. }) if !self.anonymous => self.report.skip("anonymous"),
            Ok(foreign) if foreign.expires_at <= self.now => self.report.expired += 1,
            Ok(foreign) => return self.queue(&foreign),
        }
        Ok(())
    }

    fn queue(&mut self, foreign: &Foreign) -> Result<(), Failure> {
        self.report.importable += 1;
        if self.client.is_none() {
            return Ok(());
        }
        let session = foreign.json();
        let bytes = session.to_string().len() + 1;
        let is_full = self.batch.sessions.len() >= vestibule::bounds::IMPORT_BATCH;
        if is_full || (self.batch.bytes + bytes > bounds::BATCH_BYTES && !self.batch.sessions.is_empty()) {
            self.send()?;
        }
        self.batch.bytes += bytes;
        self.batch.sessions.push(session);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        let Batch { sessions, .. } = std::mem::take(&mut self.batch);
        if sessions.is_empty() { Ok(()) } else { self.send_all(&sessions) }
    }

    /// Sends sessions together, and those of a request that is refused apart, so that one bad session holds up no other.
    fn send_all(&mut self, sessions: &[Value]) -> Result<(), Failure> {
        match (self.post(sessions), sessions) {
            (Ok(answer), _) => self.report.add(&answer),
            (Err(Failure::Problem { status: 413, .. }), [_]) => {
                self.report.skip("too_large");
                Ok(())
            }
            (Err(Failure::Problem { status: 400 | 422, .. }), [_]) => {
                self.report.skip("refused");
                Ok(())
            }
            (Err(Failure::Problem { status: 400 | 413 | 422, .. }), _) => {
                let (first, second) = sessions.split_at(sessions.len() / 2);
                self.send_all(first)?;
                self.send_all(second)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Posts sessions, again for a while where the server's store is away: an import can be repeated.
    fn post(&self, sessions: &[Value]) -> Result<Value, Failure> {
        let Some(client) = &self.client else { return Ok(Value::Null) };
        let body = json!({ "sessions": sessions });
        for pause in 1..bounds::TRIES {
            match client.post("/v1/import/sessions", &body) {
                Err(Failure::Problem { status: 503, .. }) => std::thread::sleep(Duration::from_secs(pause)),
                answer => return answer,
            }
        }
        client.post("/v1/import/sessions", &body)
    }
}
