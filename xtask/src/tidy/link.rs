//! Links from our documents to our files.

use super::{
    Report,
    tree::{File, Tree},
};
use std::path::Path;

/// Finds relative links that lead nowhere.
pub(crate) fn check(root: &Path, tree: &Tree, report: &mut Report) {
    for file in tree.files.iter().filter(|file| file.is(".md")) {
        let folder = root.join(&file.path).parent().map_or_else(|| root.to_path_buf(), Path::to_path_buf);
        for (number, target) in relative_links(file) {
            if !folder.join(target).exists() {
                report.finding(format!("{}:{number}", file.path), format!("the link to {target} leads nowhere"));
            }
        }
    }
}

/// Targets of links to files, with their lines; code blocks are passed over.
fn relative_links(file: &File) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (number, line) in file.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if !in_code {
            links.extend(targets(line).map(|target| (number, target)));
        }
    }
    links
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    let ends = line.match_indices("](").map(move |(at, open)| &line[at + open.len()..]);
    let targets = ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    files.map(|target| target.split_once('#').map_or(target, |(file, _)| file)).filter(|target| !target.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_are_checked() {
        let line = "[a](docs/a.md#part), [b](https://example.org/x.md) [c](#here) `d[1]` [e](mailto:x@y) ![f](f.svg)";
        assert_eq!(targets(line).collect::<Vec<_>>(), ["docs/a.md", "f.svg"]);
    }

    #[test]
    fn a_dead_link_is_found_and_code_is_not_read() {
        let text = "[x](gone.md)\n```text\n[y](gone-too.md)\n```\n[z](Cargo.toml)\n";
        let root = crate::process::root();
        let mut report = Report::default();
        check(&root, &Tree::of(&[("README.md", text)]), &mut report);
        assert_eq!(report.findings, ["README.md:1: the link to gone.md leads nowhere"]);
    }
}
