//! The sources of settings, laid over each other before anybody reads them.
//!
//! Every source becomes the same thing: a path such as `sessions.idle_timeout`, a raw value, and where it was found. What
//! the value must be is known only to the section that reads it.

use super::report::Problem;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use toml::de::{DeArray, DeTable, DeValue};

/// Where a setting comes from. A later variant overrides an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The configuration file.
    File {
        /// The file as the operator named it.
        name: String,
        /// Its line, from 1.
        line: usize,
    },
    /// An environment variable under the name that another system gave it.
    Alias(String),
    /// An environment variable of ours.
    Environment(String),
    /// An option of the command line.
    Flag(String),
}

impl Source {
    /// Whether both are of one kind, so that neither overrides the other.
    pub(super) fn ranks_with(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Alias(name) | Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value before its section has judged it. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) enum Raw {
    /// The header of a section: its members have entries of their own.
    Table,
    /// Text from the file.
    Text(String),
    /// An integer from the file.
    Integer(i64),
    /// A boolean from the file.
    Boolean(bool),
    /// A list of texts from the file.
    List(Vec<String>),
    /// Text from the environment or the command line, of whatever type the setting has.
    Word(String),
    /// A type that no setting has.
    Other(&'static str),
}

impl Raw {
    /// The type, for a message.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Table => "a section",
            Self::Text(_) | Self::Word(_) => "text",
            Self::Integer(..0) => "a negative number",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        }
    }
}

/// A raw value and where it was found.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// All settings that were given, by path; of several the one from the latest source.
#[derive(Default)]
pub(super) struct Layers(BTreeMap<String, Entry>);

impl Layers {
    /// Lays a value over what is there, unless that is from a later source.
    pub(super) fn set(&mut self, path: &str, raw: Raw, source: Source) {
        let overrides = |held: &Entry| held.source <= source || held.source.ranks_with(&source);
        if self.0.get(path).is_none_or(overrides) {
            self.0.insert(path.to_owned(), Entry { raw, source });
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }

    pub(super) fn take(&mut self, path: &str) -> Option<Entry> {
        self.0.remove(path)
    }

    /// What nobody has taken.
    pub(super) fn into_rest(self) -> impl Iterator<Item = (String, Entry)> {
        self.0.into_iter()
    }

    /// The names directly below `prefix`, sorted.
    pub(super) fn names_below(&self, prefix: &str) -> Vec<String> {
        let below = format!("{prefix}.");
        let names: BTreeSet<&str> =
            self.0.keys().filter_map(|path| path.strip_prefix(&below)).filter_map(|rest| rest.split('.').next()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// Reads a configuration file's text. `name` is what messages call it.
    pub(super) fn add_file(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let line_at = |offset: usize| {
            let before = text.get(..offset).unwrap_or(text);
            before.bytes().filter(|byte| *byte == b'\n').count() + 1
        };
        let source_at = |offset: usize| Source::File { name: name.to_owned(), line: line_at(offset) };
        let document = DeTable::parse(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            Problem::at(Some(source_at(offset)), message)
        })?;
        self.add_table("", document.get_ref(), &source_at);
        Ok(())
    }

    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>, source_at: &dyn Fn(usize) -> Source) {
        for (key, value) in table {
            let path = join(prefix, key.get_ref());
            let source = source_at(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.set(&path, Raw::Table, source);
                    self.add_table(&path, inner, source_at);
                }
                DeValue::Array(items) => self.add_array(&path, items, source, source_at),
                scalar => self.set(&path, raw_scalar(scalar), source),
            }
        }
    }

    fn add_array(&mut self, path: &str, items: &DeArray<'_>, source: Source, source_at: &dyn Fn(usize) -> Source) {
        let texts: Option<Vec<String>> = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
        if let Some(texts) = texts {
            return self.set(path, Raw::List(texts), source);
        }
        for (index, item) in items.iter().enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                return self.set(path, Raw::Other("a list of something else"), source);
            };
            let path = element(path, index);
            self.set(&path, Raw::Table, source_at(item.span().start));
            self.add_table(&path, table, source_at);
        }
    }
}

/// The path of an element in a list of sections.
pub(super) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// Whether a name can stand in a path as it is.
pub(super) fn is_bare(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !name.is_empty() && name.bytes().all(fits)
}

/// A key that is not bare is quoted, so that it can neither look like a path nor break a line of a message.
fn join(prefix: &str, key: &str) -> String {
    let key = if is_bare(key) { key.to_owned() } else { format!("{key:?}") };
    if prefix.is_empty() { key } else { format!("{prefix}.{key}") }
}

fn raw_scalar(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.clone().into_owned()),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Datetime(at) => Raw::Text(at.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Raw::Other("a number out of range"), Raw::Integer)
        }
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Array(_) | DeValue::Table(_) => Raw::Other("a collection"),
    }
}
