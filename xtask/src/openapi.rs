//! `cargo xtask openapi`: the description of the HTTP API as a file, so that a change of it is seen in a review.

use crate::{failure::Failure, process};
use std::path::PathBuf;

/// Writes the file, or compares it with what the server says now.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    match args {
        [] => write(),
        [flag] if flag == "--check" => check(),
        _ => Err(Failure::new("usage: cargo xtask openapi [--check]")),
    }
}

/// Compares the file where the repository has one.
pub(crate) fn check_if_there() -> Result<(), Failure> {
    if file().exists() {
        return check();
    }
    println!("there is no docs/openapi.json to compare");
    Ok(())
}

fn write() -> Result<(), Failure> {
    std::fs::write(file(), described()?)?;
    println!("wrote docs/openapi.json");
    Ok(())
}

fn check() -> Result<(), Failure> {
    let kept = std::fs::read_to_string(file())?;
    match first_difference(&kept, &described()?) {
        None => Ok(()),
        Some(line) => {
            Err(Failure::new(format!("docs/openapi.json:{line} is not what the server says; run cargo xtask openapi")))
        }
    }
}

fn file() -> PathBuf {
    process::root().join("docs/openapi.json")
}

/// The document as the server prints it, checked to be JSON and with one line end at its end.
fn described() -> Result<String, Failure> {
    let text = process::output(process::cargo().args(["run", "--quiet", "-p", "vestibule-server", "--", "openapi"]))?;
    serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|error| Failure::new(format!("vestibule openapi did not print JSON: {error}")))?;
    Ok(format!("{}\n", text.trim_end()))
}

/// The number of the first line that differs.
fn first_difference(kept: &str, now: &str) -> Option<usize> {
    if kept == now {
        return None;
    }
    let equal = kept.lines().zip(now.lines()).take_while(|(kept, now)| kept == now).count();
    Some(equal + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2), "a longer document differs where it goes on");
    }
}
