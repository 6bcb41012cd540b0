//! `cargo xtask tidy`: rules about the sources that no compiler checks.
//!
//! Each rule is a file here and a pure function over the [`Tree`]; it adds what it finds to the [`Report`].

mod import;
mod leftover;
mod link;
mod requirement;
mod size;
mod source;
mod table;
mod text;
mod tree;

use crate::{failure::Failure, process};
use tree::Tree;

/// Checks all rules; `--fix-requirements` first brings status and test of each requirement in line with the tests.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let root = process::root();
    match args {
        [] => {}
        [flag] if flag == "--fix-requirements" => requirement::fix(&root, &Tree::read(&root)?)?,
        _ => return Err(Failure::new("usage: cargo xtask tidy [--fix-requirements]")),
    }
    let tree = Tree::read(&root)?;
    let mut report = Report::default();
    import::check(&tree, &import::members()?, &mut report);
    requirement::check(&tree, &mut report);
    size::check(&tree, &mut report);
    leftover::check(&tree, &mut report);
    link::check(&root, &tree, &mut report);
    text::check(&tree, &mut report);
    report.print()
}

/// What the rules found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    /// Notes something that must be changed.
    fn finding(&mut self, place: impl std::fmt::Display, text: impl std::fmt::Display) {
        self.findings.push(format!("{place}: {text}"));
    }

    /// Notes something that will have to be changed soon.
    fn warning(&mut self, place: impl std::fmt::Display, text: impl std::fmt::Display) {
        self.warnings.push(format!("{place}: {text}"));
    }

    fn print(&self) -> Result<(), Failure> {
        for warning in &self.warnings {
            println!("warning: {warning}");
        }
        for finding in &self.findings {
            println!("error: {finding}");
        }
        match self.findings.len() {
            0 => Ok(()),
            1 => Err(Failure::new("1 thing to change")),
            many => Err(Failure::new(format!("{many} things to change"))),
        }
    }
}
