//! How long a Rust file may be, its tests not counted.

use super::{Report, source, tree::Tree};
use crate::bounds::{FILE_LINES, FILE_LINES_WARN};

/// Finds files that want to be folders.
pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in tree.rust().filter(|file| !source::is_test_path(&file.path)) {
        let lines = source::inline_tests(file.text.trim_end()).iter().filter(|is_test| !**is_test).count();
        if lines > FILE_LINES {
            report.finding(&file.path, format!("{lines} lines outside tests, at most {FILE_LINES}"));
        } else if lines >= FILE_LINES_WARN {
            report.warning(&file.path, format!("{lines} lines outside tests, soon too long"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count() {
        let (code, test) = ("x\n".repeat(FILE_LINES), "    x\n".repeat(FILE_LINES));
        let fits = format!("{code}#[cfg(test)]\nmod tests {{\n{test}}}\n");
        let tree = Tree::of(&[
            ("a.rs", &fits),
            ("b.rs", &format!("{code}x\n")),
            ("tests/c.rs", &format!("{code}x\n")),
            ("d.rs", &"x\n".repeat(FILE_LINES_WARN - 1)),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        assert_eq!(report.findings, ["b.rs: 601 lines outside tests, at most 600"]);
        assert_eq!(report.warnings, ["a.rs: 600 lines outside tests, soon too long"]);
    }
}
