//! Tables in Markdown files, between two marks.

/// A row of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Line of the file, from 1.
    pub(crate) line: usize,
    pub(crate) cells: Vec<String>,
}

/// The rows between `<!-- NAME:begin -->` and `<!-- NAME:end -->` without head and rule; `None` without both marks.
pub(crate) fn rows(text: &str, name: &str) -> Option<Vec<Row>> {
    let lines: Vec<&str> = text.lines().collect();
    let mark = |which: &str| lines.iter().position(|line| line.trim() == format!("<!-- {name}:{which} -->"));
    let (begin, end) = (mark("begin")?, mark("end")?);
    let inside = lines.get(begin + 1..end)?;
    let rows = inside.iter().enumerate().filter_map(|(index, line)| row(line).map(|cells| (begin + 2 + index, cells)));
    let rows = rows.skip_while(|(_, cells)| !is_rule(cells)).filter(|(_, cells)| !is_rule(cells));
    Some(rows.map(|(line, cells)| Row { line, cells }).collect())
}

/// The words of a cell that are set as code.
pub(crate) fn code(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The cells of a line that is a row.
pub(crate) fn row(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The line under the head of a table.
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.len() >= 3 && cell.chars().all(|c| matches!(c, '-' | ':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
| not | this |
|---|---|
| x | y |
<!-- crates:begin -->
| crate | may import |
|:---|---|
| `a` | nothing |
text between
| `b` | `a`, `c` |
<!-- crates:end -->
| `z` | `a` |
";

    #[test]
    fn rows_between_the_marks_are_read_with_their_lines() {
        let rows = rows(TEXT, "crates").expect("there is a table");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], Row { line: 7, cells: vec!["`a`".into(), "nothing".into()] });
        assert_eq!((rows[1].line, code(&rows[1].cells[1]).collect::<Vec<_>>()), (9, vec!["a", "c"]));
    }

    #[test]
    fn without_marks_there_is_no_table() {
        assert_eq!(rows(TEXT, "others"), None);
        assert_eq!(rows("<!-- a:end -->\n<!-- a:begin -->\n", "a"), None);
    }
}
