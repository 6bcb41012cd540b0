//! The log: lines on standard error, for people or for programs.
//!
//! What clients say is logged as quoted text only, so that a line stays one line whatever a header holds. Tokens, keys and
//! passwords are never given to it.

use crate::config::{Log, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts the log of this process. The first one stays.
pub(super) fn start(config: &Log) {
    let filter = EnvFilter::new(&config.level);
    // It tells of each try to reach a node of a Cluster; what matters of that we tell ourselves.
    let filter = match "redis=error".parse() {
        Ok(quiet) if !config.level.contains("redis=") => filter.add_directive(quiet),
        _ => filter,
    };
    let lines = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // Only tests in one process could come second.
    let _ = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
    };
}
