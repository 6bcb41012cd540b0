//! Where sessions are read from, one at a time.

use super::{
    super::failure::Failure,
    django, file,
    layout::{Encoding, Layout},
    map::Reason,
    postgres, redis, sqlite, tower,
};
use serde_json::{Map, Value};

/// A session as it was found.
pub(super) struct Document {
    /// Its token, where the place tells it and not the document.
    pub(super) token: Option<String>,
    /// What is kept of it.
    pub(super) value: Value,
    /// Milliseconds that it has left, where the place tells it.
    pub(super) left_ms: Option<u64>,
}

/// A session, or why it could not be read.
pub(super) type Entry = Result<Document, Reason>;

/// Takes one session after the other.
pub(super) type Take<'a> = dyn FnMut(Entry) -> Result<(), Failure> + 'a;

/// A store of another system.
pub(super) enum Source {
    Redis { url: String, prefix: String, encoding: Encoding },
    Sqlite { path: String, rows: Rows },
    Postgres { url: String, rows: Rows },
    Lines { path: String },
}

/// A table with sessions.
pub(super) struct Rows {
    pub(super) table: String,
    body: Option<&'static str>,
    encoding: Encoding,
}

impl Source {
    pub(super) fn new(from: &str, layout: &Layout, prefix: Option<&str>, table: Option<&str>) -> Result<Self, Failure> {
        let rows = || {
            let table =
                table.or(layout.table).ok_or_else(|| Failure::usage("this layout knows no table: name it by --table"))?;
            Ok::<_, Failure>(Rows { table: table.to_owned(), body: layout.body, encoding: layout.encoding })
        };
        let is = |schemes: &[&str]| schemes.iter().any(|scheme| from.starts_with(scheme));
        if is(&["redis://", "rediss://", "unix:"]) {
            let prefix = prefix.unwrap_or(layout.prefix).to_owned();
            return Ok(Self::Redis { url: from.to_owned(), prefix, encoding: layout.encoding });
        }
        if is(&["postgres://", "postgresql://"]) {
            return Ok(Self::Postgres { url: from.to_owned(), rows: rows()? });
        }
        if let Some(path) = from.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path).to_owned();
            return Ok(Self::Sqlite { path, rows: rows()? });
        }
        if from.contains("://") {
            // The address may hold a password, so it is not repeated.
            return Err(Failure::usage("--from: expected redis://, rediss://, unix:, postgres://, sqlite:FILE, or a file"));
        }
        Ok(Self::Lines { path: from.to_owned() })
    }

    /// Gives every session to `take`, until that fails.
    pub(super) fn each(&self, take: &mut Take<'_>) -> Result<(), Failure> {
        match self {
            Self::Redis { url, prefix, encoding } => redis::each(url, prefix, *encoding, take),
            Self::Sqlite { path, rows } => sqlite::each(path, rows, take),
            Self::Postgres { url, rows } => postgres::each(url, rows, take),
            Self::Lines { path } => file::each(path, take),
        }
    }
}

/// The document in the bytes of a session.
pub(super) fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Value, Reason> {
    let value = match encoding {
        Encoding::Json => serde_json::from_slice(bytes).map_err(|_| "unreadable")?,
        Encoding::Django => django::decode(bytes)?,
        Encoding::MessagePack => tower::decode(bytes)?,
    };
    if value.is_object() { Ok(value) } else { Err("unreadable") }
}

impl Rows {
    /// The document of a row: its columns, and the members of the session where one column holds it.
    pub(super) fn document(&self, mut columns: Map<String, Value>) -> Entry {
        if let Some(Value::String(body)) = self.body.and_then(|body| columns.remove(body)) {
            let Value::Object(mut members) = decode(self.encoding, body.as_bytes())? else { return Err("unreadable") };
            members.append(&mut columns);
            columns = members;
        }
        Ok(Document { token: None, value: Value::Object(columns), left_ms: None })
    }
}

/// A failure of a store of another system.
pub(super) fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Local { code: "source", text: format!("{what}: {error}") }
}
