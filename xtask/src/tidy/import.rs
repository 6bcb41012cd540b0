//! Which of our crates may import which: the table of ARCHITECTURE.md against the manifests.

use super::{Report, table, tree::Tree};
use crate::{failure::Failure, process};
use serde_json::Value;

const DOCUMENT: &str = "ARCHITECTURE.md";
/// In the description of a crate that the table allows for and that is not written yet.
const PLANNED: &str = "(planned)";

/// A package of the workspace and what it depends on.
#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    /// Names of all dependencies, without those of tests.
    imports: Vec<String>,
}

/// A row of the table.
struct Rule {
    line: usize,
    name: String,
    planned: bool,
    may_import: Vec<String>,
}

/// The packages of the workspace.
pub(crate) fn members() -> Result<Vec<Member>, Failure> {
    let text = process::output(process::cargo().args(["metadata", "--no-deps", "--offline", "--format-version", "1"]))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("cargo metadata did not print JSON: {error}")))?;
    Ok(metadata["packages"].as_array().into_iter().flatten().map(member).collect())
}

fn member(package: &Value) -> Member {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let imports = dependencies.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"]));
    Member { name: text(&package["name"]), imports: imports.collect() }
}

/// Compares the table with the workspace.
pub(crate) fn check(tree: &Tree, members: &[Member], report: &mut Report) {
    let rows = tree.file(DOCUMENT).and_then(|file| table::rows(&file.text, "crates"));
    let Some(rows) = rows else {
        report.finding(DOCUMENT, "there is no table between <!-- crates:begin --> and <!-- crates:end -->");
        return;
    };
    let mut rules: Vec<Rule> = Vec::new();
    for row in &rows {
        match rule(row, &rules) {
            Some(rule) => rules.push(rule),
            None => report.finding(format!("{DOCUMENT}:{}", row.line), "a row is: crate, what it is, what it may import"),
        }
    }
    check_rules(&rules, members, report);
    for member in members {
        check_member(member, members, &rules, report);
    }
}

/// Reads a row; `all above` stands for every crate of the rows before it.
fn rule(row: &table::Row, above: &[Rule]) -> Option<Rule> {
    let [name, what, imports] = row.cells.as_slice() else { return None };
    let may_import = if imports == "all above" {
        above.iter().map(|rule| rule.name.clone()).collect()
    } else {
        table::code(imports).map(str::to_owned).collect()
    };
    Some(Rule { line: row.line, name: table::code(name).next()?.to_owned(), planned: what.contains(PLANNED), may_import })
}

/// The table itself: no row without its crate, and imports only of rows above.
fn check_rules(rules: &[Rule], members: &[Member], report: &mut Report) {
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("{DOCUMENT}:{}", rule.line);
        match (rule.planned, members.iter().any(|member| member.name == rule.name)) {
            (false, false) => report.finding(&place, format!("there is no crate {}", rule.name)),
            (true, true) => report.finding(&place, format!("{} is no longer {PLANNED}", rule.name)),
            _ => {}
        }
        for import in &rule.may_import {
            if !rules[..index].iter().any(|above| above.name == *import) {
                report.finding(&place, format!("{import} is not a crate above {}", rule.name));
            }
        }
    }
}

fn check_member(member: &Member, members: &[Member], rules: &[Rule], report: &mut Report) {
    let Some(rule) = rules.iter().find(|rule| rule.name == member.name) else {
        report.finding(DOCUMENT, format!("the table has no row for {}", member.name));
        return;
    };
    let ours = member.imports.iter().filter(|import| members.iter().any(|member| member.name == **import));
    for import in ours.filter(|import| !rule.may_import.contains(import)) {
        report.finding(&member.name, format!("imports {import}, which the table of {DOCUMENT} does not allow"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
<!-- crates:begin -->
| crate | what | may import |
|---|---|---|
| `core` | rules | nothing of ours |
| `redis` | a store (planned) | `core` |
| `sql` | a store | `core` |
| `app` | all | all above |
<!-- crates:end -->
";

    fn crate_of(name: &str, imports: &[&str]) -> Member {
        Member { name: name.into(), imports: imports.iter().map(|import| (*import).to_owned()).collect() }
    }

    fn findings(table: &str, members: &[Member]) -> Vec<String> {
        let mut report = Report::default();
        check(&Tree::of(&[(DOCUMENT, table)]), members, &mut report);
        report.findings
    }

    #[test]
    fn what_the_table_allows_is_allowed() {
        let members = [crate_of("core", &["serde"]), crate_of("sql", &["core"]), crate_of("app", &["sql", "core"])];
        assert_eq!(findings(TABLE, &members), Vec::<String>::new());
    }

    #[test]
    fn an_import_upward_is_found() {
        let members = [crate_of("core", &["sql"]), crate_of("sql", &[]), crate_of("app", &[])];
        assert_eq!(findings(TABLE, &members), ["core: imports sql, which the table of ARCHITECTURE.md does not allow"]);
    }

    #[test]
    fn table_and_workspace_name_the_same_crates() {
        let members = [crate_of("core", &[]), crate_of("redis", &[]), crate_of("sql", &[]), crate_of("new", &[])];
        let expected = [
            "ARCHITECTURE.md:5: redis is no longer (planned)",
            "ARCHITECTURE.md:7: there is no crate app",
            "ARCHITECTURE.md: the table has no row for new",
        ];
        assert_eq!(findings(TABLE, &members), expected);
    }

    #[test]
    fn a_table_that_points_upward_is_found() {
        let table = TABLE.replace("nothing of ours", "`sql`");
        let members = [crate_of("core", &[]), crate_of("sql", &[]), crate_of("app", &[])];
        assert_eq!(findings(&table, &members), ["ARCHITECTURE.md:4: sql is not a crate above core"]);
    }

    #[test]
    fn the_crates_of_this_workspace_import_only_downward() {
        let tree = Tree::read(&process::root()).expect("the repository can be read");
        let mut report = Report::default();
        check(&tree, &members().expect("cargo describes the workspace"), &mut report);
        assert_eq!(report.findings, Vec::<String>::new());
    }
}
