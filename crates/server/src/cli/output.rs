//! What a command prints: tables for people, JSON for programs.

use super::failure::Failure;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use std::io::Write as _;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// JSON instead of tables.
    pub(super) json: bool,
}

impl Output {
    /// Prints a value as JSON, one document.
    pub(super) fn json(self, value: &Value) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
        self.text(&text)
    }

    /// Prints a line or lines of text, with an end of line.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Prints an answer with one thing in it: each member is a row.
    pub(super) fn object(self, answer: &Value, shown: &Value) -> Result<(), Failure> {
        if self.json {
            return self.json(answer);
        }
        let mut table = plain_table(&["FIELD", "VALUE"]);
        for (name, value) in shown.as_object().into_iter().flatten() {
            table.add_row(vec![printable(name), cell(value)]);
        }
        self.text(&table.trim_fmt())
    }

    /// Prints an answer with a list in it: each item is a row, each named member a column.
    pub(super) fn list(self, answer: &Value, member: &str, columns: &[&str]) -> Result<(), Failure> {
        if self.json {
            return self.json(answer);
        }
        let headings: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let mut table = plain_table(&headings);
        for item in answer[member].as_array().into_iter().flatten() {
            table.add_row(columns.iter().map(|column| cell(&item[*column])).collect::<Vec<_>>());
        }
        match table.row_count() {
            0 => self.text(&format!("no {}", member.replace('_', " "))),
            _ => self.text(&table.trim_fmt()),
        }?;
        match answer["next_cursor"].as_str() {
            Some(cursor) => self.text(&format!("more: --cursor {}", printable(cursor))),
            None => Ok(()),
        }
    }

    /// Prints that something is done: a sentence for people, the answer for programs (`{}` where it is empty).
    pub(super) fn done(self, answer: &Value, sentence: &str) -> Result<(), Failure> {
        match (self.json, answer) {
            (true, Value::Null) => self.json(&serde_json::json!({})),
            (true, answer) => self.json(answer),
            (false, _) => self.text(&printable(sentence)),
        }
    }
}

fn plain_table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.to_vec());
    table
}

/// A value in a cell: `-` where there is none.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) if items.iter().all(Value::is_string) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => printable(&other.to_string()),
    }
}

/// Text without control characters: a user agent must not move the operator's cursor.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => out.extend(character.escape_default()),
            false => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // S90
    #[test]
    fn cells_hold_no_control_characters() {
        assert_eq!(cell(&json!("curl\u{1b}[2J\r\n")), "curl\\u{1b}[2J\\r\\n");
        assert_eq!(cell(&json!(["a", "b"])), "a,b");
        assert_eq!(cell(&json!([])), "-");
        assert_eq!(cell(&json!({ "id": 1 })), "{\"id\":1}");
    }
}
