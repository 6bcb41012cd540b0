//! Rules about every text file: nothing that only one machine has, no white space that nobody sees.

use super::{Report, tree::Tree};

// Spelled in two parts, so that the rule does not find itself.
const MACHINE_FOLDERS: &[&str] = &[concat!("/ho", "me/"), concat!("/Use", "rs/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];

/// Finds folders of one machine and trailing white space.
pub(crate) fn check(tree: &Tree, report: &mut Report) {
    for file in &tree.files {
        for (number, line) in file.lines() {
            let place = format!("{}:{number}", file.path);
            if line.ends_with([' ', '\t', '\r']) {
                report.finding(&place, "white space at the end of the line");
            }
            if let Some(folder) = machine_folder(line) {
                report.finding(&place, format!("a path below {folder} exists on one machine only"));
            }
        }
    }
}

/// A folder of one machine at the beginning of a path; the middle of a longer path or of an address is something else.
fn machine_folder(line: &str) -> Option<&'static str> {
    let begins =
        |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '}' | ']'));
    MACHINE_FOLDERS.iter().copied().find(|folder| line.match_indices(folder).any(|(at, _)| begins(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found_at_their_beginning_only() {
        let folder = MACHINE_FOLDERS[0];
        assert_eq!(machine_folder(&format!("open(\"{folder}me/x\")")), Some(folder));
        assert_eq!(machine_folder(&format!("https://example.org{folder}me")), None);
        assert_eq!(machine_folder("/usr/sbin/nginx"), None);
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_found() {
        let mut report = Report::default();
        check(&Tree::of(&[("a.md", "fine\n not \nfine"), ("b", "\t\n")]), &mut report);
        let places = ["a.md:2: white space at the end of the line", "b:1: white space at the end of the line"];
        assert_eq!(report.findings, places);
    }
}
