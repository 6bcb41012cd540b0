//! Comma separated values (RFC 4180): a header, then records whose fields may be quoted and then hold commas, quotes and ends of
//! lines.

use std::io::{self, BufRead, Read as _};

/// Records, one after the other, with the number of the line each begins on.
pub(super) struct Records<R> {
    input: R,
    line: u64,
    longest: usize,
}

/// A record, or nothing of one that is no CSV.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) fields: Option<Vec<String>>,
}

impl<R: BufRead> Records<R> {
    /// Reads records of at most `longest` bytes.
    pub(super) fn new(input: R, longest: usize) -> Self {
        Self { input, line: 0, longest }
    }

    /// The next record; empty lines are none.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let mut text = String::new();
        let mut first = self.line + 1;
        loop {
            if self.input.by_ref().take(self.longest as u64 + 1).read_line(&mut text)? == 0 {
                return Ok((!text.is_empty()).then(|| Record { line: first, fields: fields(&text) }));
            }
            self.line += 1;
            if text.len() > self.longest {
                if !text.ends_with('\n') {
                    self.input.skip_until(b'\n')?;
                }
                return Ok(Some(Record { line: first, fields: None }));
            }
            if text.trim().is_empty() {
                (text, first) = (String::new(), self.line + 1);
            } else if text.matches('"').count().is_multiple_of(2) {
                return Ok(Some(Record { line: first, fields: fields(&text) }));
            }
        }
    }
}

/// The fields of a record; `None` where a quote stands where none may.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    rest = rest.strip_suffix('\r').unwrap_or(rest);
    let mut fields = Vec::new();
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (!field.contains('"')).then(|| (field.to_owned(), after))?
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// What is quoted, and what follows the closing quote. Two quotes in it stand for one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Option<Vec<String>>)> {
        let mut records = Records::new(text.as_bytes(), 64);
        let mut found = Vec::new();
        while let Some(record) = records.next().expect("it is in memory") {
            found.push((record.line, record.fields));
        }
        found
    }

    #[test]
    fn records_are_read_with_their_lines() {
        let record = |line, fields: &[&str]| (line, Some(fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>()));
        let text = "email,name\r\na@b,\"Ada, \"\"the\"\" first\"\r\n\n\"c\nd\",\ne@f,g";
        let expected = [
            record(1, &["email", "name"]),
            record(2, &["a@b", "Ada, \"the\" first"]),
            record(4, &["c\nd", ""]),
            record(6, &["e@f", "g"]),
        ];
        assert_eq!(read(text), expected);
        assert_eq!(read(""), []);
    }

    #[test]
    fn what_is_no_csv_is_told() {
        assert_eq!(read("a\"b\",c\nd,e"), [(1, None), (2, Some(vec!["d".into(), "e".into()]))]);
        assert_eq!(read("\"a\"b,c\n"), [(1, None)]);
        assert_eq!(read(&format!("{}\nd\n", "x".repeat(100))), [(1, None), (2, Some(vec!["d".into()]))]);
        assert_eq!(read("\"never closed"), [(1, None)]);
    }
}
