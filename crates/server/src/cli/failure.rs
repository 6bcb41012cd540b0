//! Why a command did not do what it was told.

use super::output::printable;
use serde_json::{Value, json};
use std::fmt;

/// A failed command.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads the output any more. Not a failure of the command.
    BrokenPipe,
    /// The command was not understood, or something it needs is missing on this side.
    Local {
        /// A stable word.
        code: &'static str,
        /// For people.
        text: String,
    },
    /// The server said no; its problem document (RFC 9457).
    Problem {
        /// Status of the answer.
        status: u16,
        /// The document.
        body: Value,
    },
}

impl Failure {
    /// Something wrong with what was given.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::Local { code: "usage", text: text.into() }
    }

    /// The document that stands for the failure in JSON.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::BrokenPipe => Value::Null,
            Self::Local { code, text } => json!({ "code": code, "detail": text }),
            Self::Problem { status, body } if body.is_null() => json!({ "code": "unexpected_answer", "status": status }),
            Self::Problem { body, .. } => body.clone(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Local { code: "io", text: error.to_string() },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, body) = match self {
            Self::BrokenPipe => return f.write_str("the output was closed"),
            Self::Local { text, .. } => return f.write_str(&printable(text)),
            Self::Problem { status, body } => (status, body),
        };
        let text = |name: &str| body[name].as_str().map(printable);
        let said = text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("the server answered {status}"));
        f.write_str(&said)?;
        if let Some(field) = text("field") {
            write!(f, " (field {field})")?;
        }
        let code = text("code").unwrap_or_else(|| "unexpected_answer".into());
        write!(f, " [code {code}, status {status}")?;
        match text("request_id") {
            Some(id) => write!(f, ", request {id}]"),
            None => f.write_str("]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_code_and_request() {
        let body = json!({ "detail": "bad\n\u{1b}[31m", "code": "invalid_field", "field": "user_id", "request_id": "r1" });
        let line = Failure::Problem { status: 422, body }.to_string();
        assert_eq!(line, "bad\\n\\u{1b}[31m (field user_id) [code invalid_field, status 422, request r1]");
    }
}
