//! `[login_page]` and `[login_throttle]`: the page of built-in accounts, and how often a password may be wrong.

use super::{bounds, reader::Reader, value::Value};
use std::{fs::File, io::Read as _, path::PathBuf};
use vestibule::{
    account::throttle::{Budget, Budgets},
    http::{origin::Authority, return_to::ReturnTo},
    limit::Rate,
};

/// `[login_page]`: the page at `/auth/login`.
#[derive(Debug, Clone)]
pub(crate) struct LoginPage {
    /// Its heading and the name of the window. Default `Log in`.
    pub(crate) title: String,
    /// A picture above the heading. Default none.
    pub(crate) logo: Option<Logo>,
    /// A style sheet that is added to ours. Default none.
    pub(crate) css_file: Option<PathBuf>,
    /// Where a login leads that was not told where to. Default `/`.
    pub(crate) return_to: ReturnTo,
}

impl LoginPage {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("login_page");
        Self {
            title: reader.value("login_page.title", "Log in".to_owned()),
            logo: reader.optional("login_page.logo_url"),
            css_file: reader.optional("login_page.css_file"),
            return_to: reader.value("login_page.return_to", ReturnTo::default()),
        }
    }

    /// The operator's style sheet; empty without one.
    ///
    /// # Errors
    /// Where the file cannot be read, is no text, or is longer than [`bounds::CSS_BYTES`].
    pub(crate) fn read_style(&self) -> Result<String, String> {
        let Some(path) = &self.css_file else { return Ok(String::new()) };
        let refuse = |text: String| format!("login_page.css_file: cannot read {}: {text}", path.display());
        let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
        let mut text = String::new();
        let length = file.take(bounds::CSS_BYTES + 1).read_to_string(&mut text).map_err(|error| refuse(error.to_string()))?;
        if length as u64 > bounds::CSS_BYTES {
            return Err(refuse(format!("it is longer than {} bytes", bounds::CSS_BYTES)));
        }
        Ok(text)
    }
}

/// A picture, and what a browser is told it may be loaded from (CSP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logo {
    pub(crate) url: String,
    pub(crate) source: String,
}

impl Value for Logo {
    const EXPECTED: &'static str = "an address such as https://static.example.com/logo.svg, or a path such as /logo.svg";

    fn parse(text: &str) -> Option<Self> {
        if ReturnTo::new(text).is_some() {
            return Some(Self { url: text.to_owned(), source: "'self'".to_owned() });
        }
        let (authority, path) = text.strip_prefix("https://")?.split_once('/')?;
        Authority::parse(authority)?;
        ReturnTo::new(&format!("/{path}"))?;
        Some(Self { url: text.to_owned(), source: format!("https://{authority}") })
    }

    fn show(&self) -> String {
        self.url.clone()
    }
}

impl Value for ReturnTo {
    const EXPECTED: &'static str = "a path of this host such as /";

    fn parse(text: &str) -> Option<Self> {
        Self::new(text)
    }

    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

/// So many failures in so long a time, or `off`.
#[derive(Debug, Clone, Copy)]
struct Allowance(Option<Budget>);

impl Value for Allowance {
    const EXPECTED: &'static str = "off, or so many failures in so long a time such as 50/4h";

    fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self(None));
        }
        let Rate { count, period } = Rate::parse(text)?;
        let failures = u32::try_from(count).ok().filter(|failures| *failures > 0)?;
        Some(Self(Some(Budget { failures, period })))
    }

    fn show(&self) -> String {
        match self.0 {
            Some(Budget { failures, period }) => Rate { count: failures.into(), period }.show(),
            None => "off".to_owned(),
        }
    }
}

/// `[login_throttle]`: failures that are forgiven before the next attempt has to wait.
pub(super) fn throttle(reader: &mut Reader) -> Budgets {
    let default = Budgets::default();
    reader.section("login_throttle");
    Budgets {
        account: reader.value("login_throttle.account", Allowance(default.account)).0,
        address: reader.value("login_throttle.address", Allowance(default.address)).0,
    }
}
