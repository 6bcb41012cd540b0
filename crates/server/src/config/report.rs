//! What `config check` says: every setting in effect with its source, warnings, and what is wrong.

use super::{Mode, layers::Source};
use std::fmt;

/// One setting in effect. Secrets are told only to be set or not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Setting {
    /// Its path, such as `sessions.idle_timeout`.
    pub(crate) key: String,
    /// Its value as one would write it, redacted where it is a secret.
    pub(crate) value: String,
    /// `default`, `FILE:LINE`, the name of a variable, or an option of the command line.
    pub(crate) source: String,
}

/// One variable under a name of an older system, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Variable {
    /// The variable.
    pub(crate) name: String,
    /// The setting that it is, or is a part of; none where it has no effect.
    pub(crate) setting: Option<String>,
    /// That setting's value, redacted where it is a secret.
    pub(crate) value: Option<String>,
    /// Why it has no effect, or what its effect waits for.
    pub(crate) note: Option<String>,
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, setting, value, note } = self;
        write!(f, "{name} -> ")?;
        match (setting, value, note) {
            (Some(setting), Some(value), Some(note)) => write!(f, "{setting} = {value}, which {note}"),
            (Some(setting), Some(value), None) => write!(f, "{setting} = {value}"),
            (_, _, note) => write!(f, "no effect: {}", note.as_deref().unwrap_or_default()),
        }
    }
}

/// One thing that is wrong; one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    source: Option<Source>,
    text: String,
}

impl Problem {
    pub(super) fn at(source: Option<Source>, text: impl Into<String>) -> Self {
        Self { source, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{source}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl serde::Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The result of a check.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct CheckReport {
    /// The mode the server would start in.
    pub(crate) mode: Mode,
    /// Every setting, by section.
    pub(crate) settings: Vec<Setting>,
    /// Every variable under a name of an older system.
    pub(crate) variables: Vec<Variable>,
    /// What is allowed, but deserves a look.
    pub(crate) warnings: Vec<String>,
    /// What stops the start; empty where the configuration is good.
    pub(crate) problems: Vec<Problem>,
}

/// A configuration that cannot be started with: at least one problem, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// What is wrong, in the order of the sections.
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
