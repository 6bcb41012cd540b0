//! Which lines of the Rust files are tests.
//!
//! By the layout that rustfmt gives, not by parsing: a module ends at the brace that stands as deep as its `mod`.

use super::tree::{File, Tree};

/// A crate that is nothing but tests for other crates.
const TESTKIT: &str = "crates/testkit/src/";

/// A Rust file with a mark for each line.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a File,
    /// Whether the line, from 0, belongs to a test.
    pub(crate) is_test: Vec<bool>,
}

impl Source<'_> {
    /// Lines of tests with their numbers, from 1.
    pub(crate) fn test_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.file.lines().filter(|(number, _)| self.is_test[number - 1])
    }
}

/// Every Rust file.
pub(crate) fn sources(tree: &Tree) -> Vec<Source<'_>> {
    let modules: Vec<String> = tree.rust().flat_map(test_modules).collect();
    tree.rust().map(|file| source(file, &modules)).collect()
}

/// Whether a file is compiled only for tests or benchmarks, judged by its path.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

fn source<'a>(file: &'a File, modules: &[String]) -> Source<'a> {
    let stem = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let whole = is_test_path(&file.path)
        || file.path.starts_with(TESTKIT)
        || modules
            .iter()
            .any(|module| stem.strip_prefix(module.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let count = file.lines().count();
    Source { file, is_test: if whole { vec![true; count] } else { inline_tests(&file.text) } }
}

/// Marks the lines of `#[cfg(test)] mod name { .. }`.
pub(crate) fn inline_tests(text: &str) -> Vec<bool> {
    let mut end: Option<String> = None;
    let mut announced = false;
    let mark = |line: &str| {
        let inside = end.is_some() || announced;
        if end.as_deref() == Some(line) {
            end = None;
        }
        if end.is_none() && announced && opens_module(line) {
            end = Some(format!("{}}}", indent(line)));
        }
        announced = line.trim() == "#[cfg(test)]" || (announced && line.trim().starts_with("#["));
        inside || announced
    };
    text.split('\n').map(mark).collect()
}

/// Paths, without ending, of the modules that a file declares as `#[cfg(test)] mod name;`.
fn test_modules(file: &File) -> Vec<String> {
    let stem = file.path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folder = if matches!(name, "mod" | "lib" | "main") { folder } else { stem };
    let marks = inline_tests(&file.text);
    let tests = file.lines().filter(|(number, _)| marks[number - 1]).map(|(_, line)| line.trim());
    let names = tests.filter_map(|line| line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| format!("{folder}/{name}")).collect()
}

fn opens_module(line: &str) -> bool {
    let line = line.trim();
    line.ends_with('{') && line.split_once("mod ").is_some_and(|(before, _)| before.is_empty() || before.starts_with("pub"))
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_module_begins_at_its_attribute_and_ends_at_its_brace() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        let marks = inline_tests(text);
        assert_eq!(marks, [false, true, true, true, true, true, false, false]);
    }

    #[test]
    fn attributes_may_follow_the_first() {
        let marks = inline_tests("#[cfg(test)]\n#[allow(missing_docs)]\nmod tests {\n    x\n}\ny\n");
        assert_eq!(marks, [true, true, true, true, true, false, false]);
    }

    #[test]
    fn a_single_test_item_does_not_swallow_what_follows() {
        let marks = inline_tests("#[cfg(test)]\nuse a::b;\nfn c() {\n}\n");
        assert_eq!(marks, [true, true, false, false, false]);
    }

    #[test]
    fn a_module_in_a_file_of_its_own_is_a_test_by_its_declaration() {
        let tree = Tree::of(&[
            ("crates/a/src/queue.rs", "mod order;\n#[cfg(test)]\nmod storm;\n"),
            ("crates/a/src/queue/order.rs", "x"),
            ("crates/a/src/queue/storm.rs", "x"),
            ("crates/a/src/queue/storms.rs", "x"),
            ("crates/a/src/queue/tests.rs", "x"),
            ("crates/a/tests/http.rs", "x"),
            ("crates/testkit/src/lib.rs", "x"),
        ]);
        let whole: Vec<bool> = sources(&tree).iter().skip(1).map(|source| source.is_test[0]).collect();
        assert_eq!(whole, [false, true, false, true, true, true]);
    }
}
