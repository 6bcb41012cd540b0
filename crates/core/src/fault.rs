//! Faults: what went wrong with a store, and whether trying again is safe.
//!
//! An expected result is never a fault: "no such session" and "cap reached" are outcomes of their command. A fault never
//! becomes a denial and a denial never a fault.

use std::borrow::Cow;

/// A store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was applied; a retry is safe.
    #[error("the store is unavailable: {0}")]
    Unavailable(Cow<'static, str>),
    /// The deadline passed. A read may be retried; a write may or may not have been applied.
    #[error("the store did not answer in time")]
    Timeout,
    /// What was read cannot be right. A retry will not help; the operator must look.
    #[error("the store holds data that cannot be read: {0}")]
    Corrupt(Cow<'static, str>),
    /// The store refuses until an operator changes something; the text says what.
    #[error("the store is misconfigured: {0}")]
    Misconfigured(Cow<'static, str>),
}

impl Fault {
    /// Whether the same call may be sent again without risk of applying a write twice.
    #[must_use]
    pub fn retry_is_safe(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// A short, stable word for metrics and logs.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Timeout => "timeout",
            Self::Corrupt(_) => "corrupt",
            Self::Misconfigured(_) => "misconfigured",
        }
    }
}
