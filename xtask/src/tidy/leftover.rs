//! What a change must not leave behind: unfinished code, traces, tests that are switched off for no stated reason.

use super::{Report, tree::Tree};

// Spelled in two parts, so that the rule does not find itself.
const UNFINISHED: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
const IGNORED: &str = concat!("#[", "ignore");

/// Finds leftovers in Rust files.
pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in tree.rust() {
        for (number, line) in file.lines() {
            let place = format!("{}:{number}", file.path);
            for word in UNFINISHED.iter().filter(|word| line.contains(**word)) {
                report.finding(&place, format!("{word}..) must not stay"));
            }
            if line.trim_start().starts_with(IGNORED) && !names_an_issue(line) {
                report.finding(&place, "an ignored test names the issue that it waits for, such as \"#12\"");
            }
        }
    }
}

fn names_an_issue(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| line[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_found_with_their_place() {
        let text = format!("fn a() {{\n    {}x);\n}}\n{}]\n{} = \"until #12\"]\n", UNFINISHED[2], IGNORED, IGNORED);
        let mut report = Report::default();
        check(&Tree::of(&[("a.rs", &text), ("a.md", UNFINISHED[0])]), &mut report);
        assert_eq!(report.findings.len(), 2, "{:?}", report.findings);
        assert!(report.findings[0].starts_with("a.rs:2: ") && report.findings[1].starts_with("a.rs:4: "));
    }
}
