//! `vestibule config`

use super::{failure::Failure, output::Output};
use crate::config::{self, Environment};
use clap::Subcommand;
use std::{io::Write as _, path::PathBuf, process::ExitCode};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Tell every setting in effect and where it comes from; exit code 1 where something is wrong
    Check {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the default configuration file, with every setting explained
    Default,
}

impl Command {
    /// Does it.
    pub(super) fn run(self, output: Output, environment: &Environment) -> Result<ExitCode, Failure> {
        match self {
            Self::Default if output.json => output.json(&serde_json::json!({ "toml": config::DEFAULT_FILE }))?,
            Self::Default => output.text(config::DEFAULT_FILE.trim_end())?,
            Self::Check { config } => return check(config.as_deref(), output, environment),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(file: Option<&std::path::Path>, output: Output, environment: &Environment) -> Result<ExitCode, Failure> {
    let report = config::check(&config::Sources { file, environment, flags: &[] });
    if output.json {
        output.json(&serde_json::to_value(&report).unwrap_or_default())?;
    } else {
        for setting in &report.settings {
            output.text(&format!("{} = {}  ({})", setting.key, setting.value, setting.source))?;
        }
        for variable in &report.variables {
            output.text(&variable.to_string())?;
        }
        let mut stderr = std::io::stderr();
        for warning in &report.warnings {
            writeln!(stderr, "warning: {warning}")?;
        }
        for problem in &report.problems {
            writeln!(stderr, "{problem}")?;
        }
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
