//! Why a command did not succeed, and the exit code that says so.

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    text: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure with a text for the terminal and exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), code: 1 }
    }

    /// A failure that was already told, so that nothing may follow it on the terminal.
    pub(crate) fn told(code: u8) -> Self {
        Self { text: None, code }
    }

    /// The same failure with another exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// What to print, unless it was printed before.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The exit code, never 0.
    pub(crate) fn code(&self) -> u8 {
        self.code.max(1)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
