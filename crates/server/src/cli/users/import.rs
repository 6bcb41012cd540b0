//! `vestibule users import`: accounts of another system with their password hashes, from a file.

use super::{
    super::{client::Client, failure::Failure, output::Output},
    csv::Records,
};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read as _, stdin},
    process::ExitCode,
    time::Duration,
};
use vestibule::account::import::ForeignAccount;

/// Users of one request: each costs the server a hash, and an answer should not take long.
const BATCH: usize = 50;
/// Bytes of one request, below the server's default `http.body_limit`.
const BATCH_BYTES: usize = 60_000;
/// Longest line, in bytes.
const LINE_BYTES: usize = 8_192;
/// Lines that are named as left behind; more are only counted.
const NAMED_LINES: usize = 100;
/// Tries of a request while the server is busy, a second more between them each time.
const TRIES: u64 = 5;
/// Exit code where some were left behind.
const SOME_SKIPPED: u8 = 2;

/// How a file is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// An object in each line: {"email": ..., "password_hash": ..., "name"?: ..., "user_id"?: ...}
    Jsonl,
    /// Comma separated, with a header that names the columns
    Csv,
}

#[derive(Args)]
pub(in super::super) struct Import {
    /// The file, or - for standard input
    file: String,
    /// How it is written [default: csv where its name ends so, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Say what would be done, and do nothing; needs no server
    #[arg(long)]
    dry_run: bool,
}

/// A line that was understood.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    email: Box<str>,
    password_hash: Box<str>,
    #[serde(default)]
    name: Option<Box<str>>,
    #[serde(default, deserialize_with = "text_or_number")]
    user_id: Option<Box<str>>,
}

/// Many databases number their users.
fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into())),
        Value::Number(number) if number.is_u64() => Ok(Some(number.to_string().into())),
        _ => Err(serde::de::Error::custom("expected a text or a number")),
    }
}

impl Import {
    /// Does it. The client is asked for only where there is something to send.
    pub(in super::super) fn run(
        self,
        client: impl FnOnce() -> Result<Client, Failure>,
        output: Output,
    ) -> Result<ExitCode, Failure> {
        let is_csv = self.file.to_ascii_lowercase().ends_with(".csv");
        let format = self.format.unwrap_or(if is_csv { Format::Csv } else { Format::Jsonl });
        let input: Box<dyn BufRead> = match self.file.as_str() {
            "-" => Box::new(stdin().lock()),
            path => Box::new(BufReader::new(File::open(path).map_err(|error| Failure::usage(format!("{path}: {error}")))?)),
        };
        let client = if self.dry_run { None } else { Some(client()?) };
        let mut importing =
            Importing { client, batch: Batch::default(), report: Report::default(), progress: progress(output) };
        match format {
            Format::Jsonl => importing.read_jsonl(input)?,
            Format::Csv => importing.read_csv(input)?,
        }
        importing.send()?;
        importing.progress.finish_and_clear();
        importing.report.print(self.dry_run, output)
    }
}

fn progress(output: Output) -> ProgressBar {
    if output.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} users read, {per_sec}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Users on their way to the server, and the lines they stand on.
#[derive(Default)]
struct Batch {
    users: Vec<Value>,
    lines: Vec<u64>,
    bytes: usize,
}

struct Importing {
    /// `None` in a dry run.
    client: Option<Client>,
    batch: Batch,
    report: Report,
    progress: ProgressBar,
}

impl Importing {
    fn read_jsonl(&mut self, mut input: impl BufRead) -> Result<(), Failure> {
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            input.by_ref().take(LINE_BYTES as u64 + 1).read_until(b'\n', &mut text)?;
            if text.is_empty() {
                break;
            }
            if text.len() > LINE_BYTES {
                input.skip_until(b'\n')?;
                self.report.skip(line, "too_long");
            } else if !text.trim_ascii().is_empty() {
                match serde_json::from_slice(&text) {
                    Ok(row) => self.take(line, row)?,
                    Err(_) => self.report.skip(line, "unreadable"),
                }
            }
        }
        Ok(())
    }

    fn read_csv(&mut self, input: impl BufRead) -> Result<(), Failure> {
        let mut records = Records::new(input, LINE_BYTES);
        let Some(header) = records.next()? else { return Ok(()) };
        let columns: Vec<String> =
            header.fields.unwrap_or_default().iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        for needed in ["email", "password_hash"] {
            if !columns.iter().any(|column| column == needed) {
                return Err(Failure::usage(format!("the header names no column {needed}")));
            }
        }
        while let Some(record) = records.next()? {
            let fields = record.fields.filter(|fields| fields.len() == columns.len());
            let object = fields.map(|fields| {
                let given = columns.iter().cloned().zip(fields).filter(|(_, field)| !field.is_empty());
                Value::Object(given.map(|(column, field)| (column, Value::String(field))).collect())
            });
            match object.map(serde_json::from_value) {
                Some(Ok(row)) => self.take(record.line, row)?,
                _ => self.report.skip(record.line, "unreadable"),
            }
        }
        Ok(())
    }

    fn take(&mut self, line: u64, row: Row) -> Result<(), Failure> {
        self.progress.inc(1);
        let Row { email, password_hash, name, user_id } = row;
        let account = ForeignAccount { email, password_hash, name, user_id };
        if let Err(invalid) = account.check() {
            self.report.skip(line, &format!("{}: {}", invalid.field, invalid.reason));
            return Ok(());
        }
        self.report.importable += 1;
        self.report.read += 1;
        if self.client.is_none() {
            return Ok(());
        }
        let ForeignAccount { email, password_hash, name, user_id } = account;
        let user = json!({"email": email, "password_hash": password_hash, "name": name, "user_id": user_id});
        let bytes = user.to_string().len() + 1;
        if self.batch.users.len() >= BATCH || self.batch.bytes + bytes > BATCH_BYTES {
            self.send()?;
        }
        self.batch.bytes += bytes;
        self.batch.users.push(user);
        self.batch.lines.push(line);
        Ok(())
    }

    fn send(&mut self) -> Result<(), Failure> {
        let Batch { users, lines, .. } = std::mem::take(&mut self.batch);
        let Some(client) = self.client.as_ref().filter(|_| !users.is_empty()) else { return Ok(()) };
        let answer = post(client, &json!({ "users": users }))?;
        self.report.add(&answer, &lines)
    }
}

/// Posts users, again for a while where the server is busy: an import can be repeated.
fn post(client: &Client, body: &Value) -> Result<Value, Failure> {
    for pause in 1..TRIES {
        match client.post("/v1/users/import", body) {
            Err(Failure::Problem { status: 503, .. }) => std::thread::sleep(Duration::from_secs(pause)),
            answer => return answer,
        }
    }
    client.post("/v1/users/import", body)
}

/// What came of it.
#[derive(Default)]
struct Report {
    read: u64,
    importable: u64,
    imported: u64,
    known: u64,
    skipped: BTreeMap<String, u64>,
    lines: Vec<Value>,
}

impl Report {
    /// Notes a line that was left behind. Reasons are ours and never repeat what the line says.
    fn skip(&mut self, line: u64, reason: &str) {
        self.read += u64::from(!reason.starts_with("server: "));
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
        if self.lines.len() < NAMED_LINES {
            self.lines.push(json!({"line": line, "reason": reason}));
        }
    }

    /// Adds what the server answered.
    fn add(&mut self, answer: &Value, lines: &[u64]) -> Result<(), Failure> {
        let unexpected = || Failure::Problem { status: 200, body: Value::Null };
        self.imported += answer["imported"].as_u64().ok_or_else(unexpected)?;
        self.known += answer["known"].as_u64().ok_or_else(unexpected)?;
        for left in answer["skipped"].as_array().ok_or_else(unexpected)? {
            let index = left["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            let line = index.and_then(|index| lines.get(index)).copied().ok_or_else(unexpected)?;
            let reason = left["field"].as_str().or(left["reason"].as_str()).unwrap_or("unknown");
            self.skip(line, &format!("server: {reason}"));
        }
        Ok(())
    }

    fn print(&self, dry_run: bool, output: Output) -> Result<ExitCode, Failure> {
        let mut shown = json!({
            "dry_run": dry_run,
            "read": self.read,
            "importable": self.importable,
            "imported": self.imported,
            "known": self.known,
            "skipped": self.skipped,
        });
        let table = shown.clone();
        shown["lines"] = json!(self.lines);
        output.object(&shown, &table)?;
        if !output.json {
            for left in &self.lines {
                output.text(&format!("line {}: {}", left["line"], left["reason"].as_str().unwrap_or_default()))?;
            }
        }
        Ok(if self.skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_SKIPPED) })
    }
}
