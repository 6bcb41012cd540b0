//! The table: what was measured, beside its reference and its bar.

use crate::Error;
use std::{fmt::Write as _, path::Path};

const FILE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->";

/// One line of the table.
pub(crate) struct Line {
    /// The bar's number.
    pub(crate) bar: &'static str,
    /// What is measured.
    pub(crate) what: String,
    /// What was seen.
    pub(crate) figure: String,
    /// What it is compared with, from the same run.
    pub(crate) reference: String,
    /// What is demanded.
    pub(crate) demanded: &'static str,
    /// Whether it was reached; `None` where it could not be measured.
    pub(crate) reached: Option<bool>,
}

/// All lines of a run.
#[derive(Default)]
pub(crate) struct Report(Vec<Line>);

impl Report {
    /// Adds a line and shows it at once, since a run takes minutes.
    pub(crate) fn add(&mut self, line: Line) {
        println!("{}", row(&line));
        self.0.push(line);
    }

    /// The lines as a table in Markdown.
    pub(crate) fn table(&self) -> String {
        let head = "| | what | figure | reference in the same run | bar | |\n|---|---|---|---|---|---|\n".to_owned();
        self.0.iter().fold(head, |text, line| text + &row(line) + "\n")
    }

    /// Replaces the table in the documentation.
    pub(crate) fn write(&self) -> Result<(), Error> {
        let old = std::fs::read_to_string(FILE)?;
        let (before, rest) = old.split_once(BEGIN).ok_or("docs/performance.md has no place for the table")?;
        let (_, after) = rest.split_once(END).ok_or("docs/performance.md has no end of the table")?;
        let mut new = format!("{before}{BEGIN}");
        writeln!(new, "{}. {}. Command: `cargo xtask bench`.\n", jiff::Zoned::now().date(), machine())?;
        writeln!(new, "{}{END}{after}", self.table())?;
        std::fs::write(FILE, new.trim_end().to_owned() + "\n")?;
        println!("wrote {FILE}");
        Ok(())
    }
}

fn row(line: &Line) -> String {
    let Line { bar, what, figure, reference, demanded, reached } = line;
    let reached = match reached {
        Some(true) => "reached",
        Some(false) => "**missed**",
        None => "not measured",
    };
    format!("| {bar} | {what} | {figure} | {reference} | {demanded} | {reached} |")
}

fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory: u64 = field("meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    format!("{cores} cores ({}), {} GiB, Linux, loopback", field("cpuinfo", "model name"), memory >> 20)
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
