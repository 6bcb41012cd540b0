//! What came of an import.

use super::super::{failure::Failure, output::Output};
use serde_json::{Value, json};
use std::{collections::BTreeMap, process::ExitCode};

/// Exit code where some sessions were left behind.
const SOME_SKIPPED: u8 = 2;

/// Counts.
#[derive(Default)]
pub(super) struct Report {
    dry_run: bool,
    pub(super) read: u64,
    pub(super) importable: u64,
    pub(super) expired: u64,
    imported: u64,
    known: u64,
    skipped: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    pub(super) fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
    }

    /// Adds what the server answered.
    pub(super) fn add(&mut self, answer: &Value) -> Result<(), Failure> {
        let unexpected = || Failure::Problem { status: 200, body: Value::Null };
        let count = |name: &str| answer[name].as_u64().ok_or_else(unexpected);
        self.imported += count("imported")?;
        self.known += count("known")?;
        self.expired += count("expired")?;
        for left in answer["skipped"].as_array().ok_or_else(unexpected)? {
            let reason = left["reason"].as_str().unwrap_or("unknown");
            match left["field"].as_str() {
                Some(field) => self.skip(&format!("{reason}:{field}")),
                None => self.skip(reason),
            }
        }
        Ok(())
    }

    pub(super) fn print(&self, output: Output) -> Result<ExitCode, Failure> {
        let answer = json!({
            "dry_run": self.dry_run,
            "read": self.read,
            "importable": self.importable,
            "imported": self.imported,
            "known": self.known,
            "expired": self.expired,
            "skipped": self.skipped,
        });
        output.object(&answer, &answer)?;
        Ok(if self.skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(SOME_SKIPPED) })
    }
}
