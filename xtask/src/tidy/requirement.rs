//! The requirements and the tests that show them: `docs/requirements.md` against the ids in comments of tests.
//!
//! A test shows a requirement by a comment that begins with its id (`// S18` or `// S33, S38: why`). Ranges are not ids: a
//! test that shows many things names each of them.

use super::{Report, source, table, tree::Tree};
use crate::failure::Failure;
use std::{collections::BTreeMap, collections::BTreeSet, path::Path};

const DOCUMENT: &str = "docs/requirements.md";
/// Groups of ids and the last number of each.
const GROUPS: &[(char, u16)] = &[('S', 100), ('L', 25), ('C', 25), ('V', 25), ('O', 24)];
/// What stands in the test column of an open requirement.
const NO_TEST: &str = "–";

/// An id as it is written.
type Id = String;

/// A test that names an id.
#[derive(Debug, PartialEq, Eq)]
struct Sighting {
    place: String,
    test: Option<String>,
}

/// What the tests say.
#[derive(Debug, Default)]
struct Tests {
    sightings: BTreeMap<Id, Vec<Sighting>>,
    names: BTreeSet<String>,
}

/// Compares the document with the tests.
pub(crate) fn check(tree: &Tree, report: &mut Report) {
    let file = tree.file(DOCUMENT);
    let Some((file, rows)) = file.and_then(|file| Some((file, table::rows(&file.text, "requirements")?))) else {
        report.finding(DOCUMENT, "there is no table between <!-- requirements:begin --> and <!-- requirements:end -->");
        return;
    };
    let tests = Tests::of(tree);
    let ids: Vec<&str> = rows.iter().map(|row| row.cells.first().map_or("", String::as_str)).collect();
    if let Some((expected, found)) =
        all_ids().iter().zip(ids.iter().copied().chain(std::iter::repeat("nothing"))).find(|(a, b)| *a != b)
    {
        report.finding(DOCUMENT, format!("ids stand in order and once each: where {expected} belongs stands {found}"));
    }
    if ids.len() > all_ids().len() {
        report.finding(DOCUMENT, format!("{} rows for {} requirements", ids.len(), all_ids().len()));
    }
    for row in &rows {
        if let Err(problem) = check_row(row, &tests) {
            report.finding(format!("{DOCUMENT}:{}", row.line), problem);
        }
    }
    if !file.text.lines().any(|line| line.trim() == count_line(&rows)) {
        report.finding(DOCUMENT, format!("a line must say: {}", count_line(&rows)));
    }
}

/// Writes status and test of every row that the tests contradict, and the count.
pub(crate) fn fix(root: &Path, tree: &Tree) -> Result<(), Failure> {
    let file = tree.file(DOCUMENT).ok_or_else(|| Failure::new(format!("there is no {DOCUMENT}")))?;
    std::fs::write(root.join(DOCUMENT), fixed(&file.text, &Tests::of(tree)))?;
    Ok(())
}

fn fixed(text: &str, tests: &Tests) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for row in table::rows(text, "requirements").unwrap_or_default() {
        let [id, what, source, ..] = row.cells.as_slice() else { continue };
        if check_row(&row, tests).is_err() {
            let (status, test) = match tests.first_name(id) {
                Some(name) => ("shown", format!("`{name}`")),
                None => ("open", NO_TEST.to_owned()),
            };
            lines[row.line - 1] = format!("| {id} | {what} | {source} | {status} | {test} |");
        }
    }
    let joined = lines.join("\n");
    let count = count_line(&table::rows(&joined, "requirements").unwrap_or_default());
    let ending = format!(" of {} shown.", all_ids().len());
    for line in lines.iter_mut().filter(|line| line.ends_with(&ending)) {
        line.clone_from(&count);
    }
    lines.join("\n") + "\n"
}

fn check_row(row: &table::Row, tests: &Tests) -> Result<(), String> {
    let [id, what, _, status, test] = row.cells.as_slice() else {
        return Err("a row is: id, what, source, status, test".into());
    };
    if what.is_empty() {
        return Err(format!("{id} says nothing"));
    }
    match (status.as_str(), tests.sightings.get(id).and_then(|sightings| sightings.first())) {
        ("open", None) if test == NO_TEST => Ok(()),
        ("open", None) => Err(format!("{id} is open, so its test is {NO_TEST}")),
        ("open", Some(seen)) => Err(format!("{id} is open here, but {} shows it", seen.place)),
        ("shown", None) => Err(format!("{id} is shown here, but no test names it")),
        ("shown", Some(_)) => match table::code(test).find(|name| !tests.names.contains(*name)) {
            Some(name) => Err(format!("{id}: there is no test {name}")),
            None if table::code(test).next().is_none() => Err(format!("{id} is shown by a test without a name")),
            None => Ok(()),
        },
        _ => Err(format!("{id}: the status is open or shown")),
    }
}

fn count_line(rows: &[table::Row]) -> String {
    let shown = rows.iter().filter(|row| row.cells.get(3).is_some_and(|status| status == "shown")).count();
    format!("{shown} of {} shown.", all_ids().len())
}

fn all_ids() -> Vec<Id> {
    GROUPS.iter().flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}"))).collect()
}

impl Tests {
    fn of(tree: &Tree) -> Self {
        let mut tests = Self::default();
        for source in source::sources(tree) {
            let lines: Vec<(usize, &str)> = source.test_lines().collect();
            tests.names.extend(lines.iter().filter_map(|(_, line)| function(line)).map(str::to_owned));
            for (index, (number, line)) in lines.iter().enumerate() {
                for id in ids_of_comment(line) {
                    let sighting = Sighting { place: format!("{}:{number}", source.file.path), test: test_at(&lines, index) };
                    tests.sightings.entry(id).or_default().push(sighting);
                }
            }
        }
        tests
    }

    fn first_name(&self, id: &str) -> Option<&str> {
        self.sightings.get(id)?.iter().find_map(|sighting| sighting.test.as_deref())
    }
}

/// The function that a comment stands above, or else the one that it stands in.
fn test_at(lines: &[(usize, &str)], comment: usize) -> Option<String> {
    let announces = |line: &str| line.trim().is_empty() || line.trim().starts_with("#[") || line.trim().starts_with("//");
    let below = lines[comment..].iter().map(|(_, line)| *line).find(|line| !announces(line)).and_then(function);
    let above = || lines[..=comment].iter().rev().find_map(|(_, line)| function(line));
    below.or_else(above).map(str::to_owned)
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.trim().split_once("fn ")?;
    let words_before = before.split_whitespace().all(|word| word.starts_with("pub") || matches!(word, "async" | "const"));
    let name = rest.split(['(', '<']).next()?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (words_before && is_name).then_some(name)
}

/// The ids at the beginning of a comment.
fn ids_of_comment(line: &str) -> Vec<Id> {
    let comments = line.match_indices("//").map(|(at, _)| line[at..].trim_start_matches('/'));
    comments.map(leading_ids).find(|ids| !ids.is_empty()).unwrap_or_default()
}

fn leading_ids(comment: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    for word in comment.split_whitespace() {
        let bare = word.trim_end_matches([',', ':', ';', '.']);
        if is_id(bare) {
            ids.push(bare.to_owned());
        }
        if !is_id(bare) || word.ends_with([':', ';', '.']) {
            break;
        }
    }
    ids
}

fn is_id(word: &str) -> bool {
    let mut chars = word.chars();
    let Some(group) = chars.next() else { return false };
    let number = chars.as_str();
    let Ok(value) = number.parse::<u16>() else { return false };
    value.to_string() == number && value > 0 && GROUPS.iter().any(|(name, last)| *name == group && value <= *last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_begin_a_comment() {
        let cases: &[(&str, &[&str])] = &[
            ("    // S18", &["S18"]),
            ("/// S33, S38: the origin decides.", &["S33", "S38"]),
            ("// S33 S38", &["S33", "S38"]),
            ("assert!(x); // L1", &["L1"]),
            ("// S10-S22 are ranges", &[]),
            ("// as S18 says", &[]),
            ("// S101, S0, S01, X1", &[]),
            ("let url = \"https://example.org\"; // O24.", &["O24"]),
            ("// S1: like S2", &["S1"]),
            ("// S1 and S2", &["S1"]),
        ];
        for (line, expected) in cases {
            assert_eq!(ids_of_comment(line), *expected, "{line}");
        }
    }

    #[test]
    fn a_comment_belongs_to_the_function_below_or_around() {
        let text = "// S1\n#[test]\nfn one() {\n    x();\n    // S2\n    y();\n}\n";
        let tests = Tests::of(&Tree::of(&[("tests/a.rs", text)]));
        assert_eq!(tests.first_name("S1"), Some("one"));
        assert_eq!(tests.first_name("S2"), Some("one"));
    }

    #[test]
    fn functions_are_told_from_other_lines() {
        assert_eq!(function("    pub async fn a_b(x: u8) {"), Some("a_b"));
        assert_eq!(function("fn generic<T>()"), Some("generic"));
        assert_eq!(function("let f: fn (u8) = x;"), None);
        assert_eq!(function("// the fn name"), None);
    }

    /// A document of all ids: the first is as given, the rest are open.
    fn document(first: &str, count: &str) -> String {
        let rest: String = all_ids()[1..].iter().map(|id| format!("| {id} | what | why | open | {NO_TEST} |\n")).collect();
        let head = "| id | what | source | status | test |\n|---|---|---|---|---|\n";
        format!("{count}\n<!-- requirements:begin -->\n{head}{first}\n{rest}<!-- requirements:end -->\n")
    }

    fn findings(document: &str, test: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&Tree::of(&[(DOCUMENT, document), ("tests/a.rs", test)]), &mut report);
        report.findings
    }

    const TEST: &str = "// S1\n#[test]\nfn one() {}\n";

    #[test]
    fn shown_and_open_agree_with_the_tests() {
        assert_eq!(findings(&document("| S1 | w | s | shown | `one` |", "1 of 199 shown."), TEST), Vec::<String>::new());
        assert_eq!(findings(&document("| S1 | w | s | open | – |", "0 of 199 shown."), ""), Vec::<String>::new());
    }

    #[test]
    fn each_disagreement_is_found() {
        let cases = [
            (
                "| S1 | w | s | open | – |",
                "0 of 199 shown.",
                TEST,
                "docs/requirements.md:5: S1 is open here, but tests/a.rs:1 shows it",
            ),
            (
                "| S1 | w | s | shown | `one` |",
                "1 of 199 shown.",
                "",
                "docs/requirements.md:5: S1 is shown here, but no test names it",
            ),
            ("| S1 | w | s | shown | `two` |", "1 of 199 shown.", TEST, "docs/requirements.md:5: S1: there is no test two"),
            (
                "| S1 | w | s | shown | – |",
                "1 of 199 shown.",
                TEST,
                "docs/requirements.md:5: S1 is shown by a test without a name",
            ),
            ("| S1 | w | s | half | – |", "0 of 199 shown.", "", "docs/requirements.md:5: S1: the status is open or shown"),
            (
                "| S1 | w | s | shown | `one` |",
                "2 of 199 shown.",
                TEST,
                "docs/requirements.md: a line must say: 1 of 199 shown.",
            ),
        ];
        for (row, count, test, expected) in cases {
            assert_eq!(findings(&document(row, count), test), [expected]);
        }
    }

    #[test]
    fn a_missing_id_is_found() {
        let text = document("| S2 | w | s | open | – |", "0 of 199 shown.");
        let expected = "docs/requirements.md: ids stand in order and once each: where S1 belongs stands S2";
        assert_eq!(findings(&text, ""), [expected]);
    }

    #[test]
    fn fixing_leaves_nothing_to_find() {
        let tree = Tree::of(&[("tests/a.rs", TEST)]);
        let stale = document("| S1 | w | s | open | – |", "0 of 199 shown.");
        let fixed_text = fixed(&stale, &Tests::of(&tree));
        assert_eq!(fixed_text, document("| S1 | w | s | shown | `one` |", "1 of 199 shown."));
        assert_eq!(findings(&fixed_text, TEST), Vec::<String>::new());
    }
}
