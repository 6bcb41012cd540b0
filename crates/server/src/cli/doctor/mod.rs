//! `vestibule doctor`: looks at everything that a deployment needs, and says what to do about what is wrong.
//!
//! First what the configuration alone tells, then the servers that it names, then a server of ours that runs already. Nothing
//! is changed, but for a few sessions that are begun and ended again on a server that runs.

mod clock;
mod configuration;
mod record;
mod server;
mod store;

use super::{
    client::Client,
    failure::Failure,
    output::{Output, printable},
};
use crate::config::{self, Environment, Sources};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use vestibule::fault::Fault;

/// Exit code where something is not as it should be.
const DEGRADED: u8 = 2;

#[derive(Args)]
pub(super) struct Doctor {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where a server of ours may run, as the command line has it.
pub(super) struct Running<'a> {
    /// Its management address, where somebody gave one.
    pub(super) url: Option<&'a str>,
    /// The file with its key.
    pub(super) key_file: Option<&'a Path>,
}

/// How something is. Later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// There is nothing to look at.
    Skipped,
    Ok,
    /// It works, and may not one day.
    Degraded,
    /// It does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    /// What to do; only where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), fix: None }
    }

    fn skipped(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Skipped, detail: detail.into(), fix: None }
    }

    fn degraded(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, status: Status::Degraded, detail: detail.into(), fix: Some(fix.into()) }
    }

    fn failed(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, status: Status::Failed, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// A store that does not answer as it should; `setting` is where its address stands.
    fn faulty(name: &'static str, fault: &Fault, setting: &str) -> Self {
        let fix = match fault {
            Fault::Unavailable(_) => format!("start it, or correct {setting}; then the network between here and there"),
            Fault::Timeout => format!("look at its load and at the network to it, or correct {setting}"),
            Fault::Misconfigured(_) => format!("correct what it says, there or in {setting}"),
            Fault::Corrupt(_) => format!("make sure that {setting} names what it should"),
        };
        Self::failed(name, fault.to_string(), fix)
    }

    fn line(&self) -> String {
        let Self { name, status, detail, fix } = self;
        let status = match status {
            Status::Skipped => "skipped",
            Status::Ok => "ok",
            Status::Degraded => "degraded",
            Status::Failed => "failed",
        };
        let fix = fix.as_ref().map(|fix| format!("; fix: {fix}")).unwrap_or_default();
        printable(&format!("{status:<8}  {name}: {detail}{fix}"))
    }
}

impl Doctor {
    /// Looks, and prints what it found: exit code 2 where something is not as it should be, 1 where something does not work.
    pub(super) fn run(&self, running: &Running<'_>, environment: &Environment, output: Output) -> Result<ExitCode, Failure> {
        let checks = self.look(running, environment)?;
        let worst = checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok).max(Status::Ok);
        if output.json {
            output.json(&json!({"status": worst, "checks": checks}))?;
        } else {
            output.text(&checks.iter().map(Check::line).collect::<Vec<_>>().join("\n"))?;
        }
        Ok(match worst {
            Status::Skipped | Status::Ok => ExitCode::SUCCESS,
            Status::Degraded => ExitCode::from(DEGRADED),
            Status::Failed => ExitCode::FAILURE,
        })
    }

    fn look(&self, running: &Running<'_>, environment: &Environment) -> Result<Vec<Check>, Failure> {
        let sources = Sources { file: self.config.as_deref(), environment, flags: &[] };
        let (config, mut checks) = match config::load(&sources) {
            Ok((config, report)) => {
                let checks = configuration::look(&config, &report);
                (Some(config), checks)
            }
            Err(error) => (None, configuration::problems(&error)),
        };
        if let Some(config) = &config {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            checks.extend(runtime.block_on(store::look(config)));
            checks.extend(runtime.block_on(record::look(config)));
        }
        checks.extend(server::look(running, config.as_ref(), environment));
        Ok(checks)
    }
}
