//! Reads settings out of the layers, one by one, and keeps account: what is in effect and from where, what is wrong.
//!
//! A setting is known because a section reads it. What nobody has read at the end is an unknown key, so there is no second
//! list of names that could fall behind.

use super::{
    bounds,
    layers::{Entry, Layers, Raw, Source, element, is_bare},
    report::{Problem, Setting},
    secret::{self, SecretText, Strictness},
    value::Value,
};
use std::{collections::BTreeMap, ops::RangeInclusive, path::PathBuf};

/// Reads settings and collects what there is to say of them.
pub(super) struct Reader {
    layers: Layers,
    /// Of the settings that were given; a setting that is not in it has its default.
    sources: BTreeMap<String, Source>,
    settings: Vec<Setting>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

/// What a reader has to say at the end.
pub(super) struct Findings {
    pub(super) settings: Vec<Setting>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(layers: Layers, problems: Vec<Problem>) -> Self {
        Self { layers, sources: BTreeMap::new(), settings: Vec::new(), warnings: Vec::new(), problems }
    }

    /// Says that `path` is a section, whatever it holds.
    pub(super) fn section(&mut self, path: &str) {
        let Some(entry) = self.layers.take(path) else {
            return;
        };
        if !matches!(entry.raw, Raw::Table) {
            self.wrong(path, "a section", &entry);
        }
        self.sources.insert(path.to_owned(), entry.source);
    }

    /// A setting with a default.
    pub(super) fn value<T: Value>(&mut self, path: &str, default: T) -> T {
        let value = self.given(path).unwrap_or(default);
        self.note(path, value.show());
        value
    }

    /// A setting without a default. Empty text in a variable counts as not given.
    pub(super) fn optional<T: Value>(&mut self, path: &str) -> Option<T> {
        if self.layers.get(path).is_some_and(is_empty_word) {
            self.layers.take(path);
        }
        let value: Option<T> = self.given(path);
        self.note(path, value.as_ref().map_or_else(|| "(none)".to_owned(), Value::show));
        value
    }

    /// A number within a range.
    pub(super) fn number(&mut self, path: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let value = self.value(path, default);
        self.within(path, value, &range, value.to_string())
    }

    /// A number within a range, without a default.
    pub(super) fn optional_number(&mut self, path: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value: u64 = self.optional(path)?;
        Some(self.within(path, value, &range, value.to_string()))
    }

    /// A size in bytes within a range.
    pub(super) fn bytes(&mut self, path: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let value = self.value(path, super::value::Bytes(default)).0;
        self.within(path, value, &range, super::value::Bytes(value).show())
    }

    fn within(&mut self, path: &str, value: u64, range: &RangeInclusive<u64>, shown: String) -> u64 {
        if !range.contains(&value) {
            self.problem(path, format!("{shown} is not from {} to {}", range.start(), range.end()));
        }
        value.clamp(*range.start(), *range.end())
    }

    /// A list of texts; in a variable they are separated by commas.
    pub(super) fn list(&mut self, path: &str) -> Option<Vec<String>> {
        const EXPECTED: &str = "a list of texts (in a variable: separated by commas)";
        let entry = self.layers.take(path)?;
        self.sources.insert(path.to_owned(), entry.source.clone());
        let items = match &entry.raw {
            Raw::List(items) => items.clone(),
            Raw::Word(text) => split_list(text),
            _ => {
                self.wrong(path, EXPECTED, &entry);
                return None;
            }
        };
        if items.len() > bounds::LIST_ITEMS {
            self.problem(path, format!("has more than {} items", bounds::LIST_ITEMS));
            return None;
        }
        Some(items)
    }

    /// A secret, given as text under `path` or as the name of a file under `path` with `_file` after it.
    pub(super) fn secret(&mut self, path: &str, strictness: Strictness) -> Option<SecretText> {
        let text = self.text_or_file(path);
        self.note(path, if text.is_some() { "(set)" } else { "(not set)" }.to_owned());
        let text = text?;
        if let Err(weakness) = secret::judge(text.expose()) {
            self.weak(path, &weakness.to_string(), strictness);
        }
        Some(text)
    }

    /// Judges a password that another server has set: it may be short, but not the text of an example.
    pub(super) fn refuse_example(&mut self, path: &str, password: &SecretText, strictness: Strictness) {
        if secret::is_example(password.expose()) {
            self.weak(path, "the password is the text of an example; give the server one of its own", strictness);
        }
    }

    fn weak(&mut self, path: &str, weakness: &str, strictness: Strictness) {
        match strictness {
            Strictness::Strict => self.problem(path, weakness),
            Strictness::Lenient => self.warn(format!("{path}: {weakness}; it is accepted because this is development mode")),
        }
    }

    /// Text that may hold a password, or the name of a file that holds it. The caller notes what may be shown of it.
    pub(super) fn text_or_file(&mut self, path: &str) -> Option<SecretText> {
        let file_path = format!("{path}_file");
        let mut take = |path: &str| self.layers.take(path).filter(|entry| !is_empty_word(entry));
        let (text, file) = (take(path), take(&file_path));
        match (text, file) {
            (None, None) => None,
            (Some(text), Some(file)) if text.source.ranks_with(&file.source) => {
                self.sources.insert(path.to_owned(), text.source);
                self.problem(path, format!("is given together with {file_path}; keep one of them"));
                None
            }
            (Some(text), file) if file.as_ref().is_none_or(|file| file.source < text.source) => self.secret_text(path, &text),
            (_, Some(file)) => self.secret_from_file(path, &file_path, &file),
            (Some(_), None) => None,
        }
    }

    fn secret_text(&mut self, path: &str, entry: &Entry) -> Option<SecretText> {
        self.sources.insert(path.to_owned(), entry.source.clone());
        match String::from_raw(&entry.raw) {
            Some(text) => Some(SecretText::new(text)),
            None => {
                self.wrong(path, String::EXPECTED, entry);
                None
            }
        }
    }

    fn secret_from_file(&mut self, path: &str, file_path: &str, entry: &Entry) -> Option<SecretText> {
        self.sources.insert(path.to_owned(), entry.source.clone());
        let Some(file) = PathBuf::from_raw(&entry.raw) else {
            self.wrong(file_path, PathBuf::EXPECTED, entry);
            return None;
        };
        match secret::read_file(&file) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(path, format!("cannot read {}: {error}", file.display()));
                None
            }
        }
    }

    /// The names of the sections below `path`.
    pub(super) fn names(&mut self, path: &str) -> Vec<String> {
        self.section(path);
        let mut names = self.layers.names_below(path);
        names.retain(|name| is_bare(name));
        if names.len() > bounds::TABLES {
            self.problem(path, format!("has more than {} sections", bounds::TABLES));
            names.truncate(bounds::TABLES);
        }
        names
    }

    /// The paths of the sections in the list `path`.
    pub(super) fn elements(&mut self, path: &str) -> Vec<String> {
        match self.layers.take(path) {
            Some(Entry { raw: Raw::List(items), .. }) if items.is_empty() => {}
            Some(entry) => self.wrong(path, "a list of sections, which only a file can have", &entry),
            None => {}
        }
        let given = |path: &String| self.layers.get(path).is_some();
        let mut paths: Vec<String> = (0..=bounds::TABLES).map(|index| element(path, index)).take_while(given).collect();
        if paths.len() > bounds::TABLES {
            self.problem(&paths[bounds::TABLES], format!("is beyond {} sections", bounds::TABLES));
            paths.truncate(bounds::TABLES);
        }
        for path in &paths {
            self.section(path);
        }
        paths
    }

    /// Whether any source gives this setting.
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.sources.contains_key(path)
    }

    /// Records what is in effect.
    pub(super) fn note(&mut self, path: &str, value: String) {
        let source = self.sources.get(path).map_or_else(|| "default".to_owned(), Source::to_string);
        self.settings.push(Setting { key: path.to_owned(), value, source });
    }

    /// Changes a default that another setting leaves no room for.
    pub(super) fn adapt<T: Value>(&mut self, path: &str, value: &T, to: &str) {
        if let Some(setting) = self.settings.iter_mut().rev().find(|setting| setting.key == path) {
            setting.value = value.show();
            setting.source = format!("default, adapted to {to}");
        }
    }

    /// Says what is wrong with a setting.
    pub(super) fn problem(&mut self, path: &str, text: impl std::fmt::Display) {
        let source = self.sources.get(path).cloned();
        self.problems.push(Problem::at(source, format!("{path}: {text}")));
    }

    /// Says what is allowed, but deserves a look.
    pub(super) fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Ends the reading: what is left is unknown.
    pub(super) fn finish(self) -> Findings {
        let Self { layers, settings, warnings, mut problems, .. } = self;
        let mut unknown_section: Option<String> = None;
        for (path, entry) in layers.into_rest() {
            // The members of an unknown section are not worth a line each.
            if unknown_section.as_ref().is_some_and(|section| path.starts_with(section.as_str())) {
                continue;
            }
            if matches!(entry.raw, Raw::Table) {
                unknown_section = Some(format!("{path}."));
            }
            problems.push(Problem::at(Some(entry.source), format!("unknown key {path}")));
        }
        Findings { settings, warnings, problems }
    }

    fn given<T: Value>(&mut self, path: &str) -> Option<T> {
        let entry = self.layers.take(path)?;
        self.sources.insert(path.to_owned(), entry.source.clone());
        let value = T::from_raw(&entry.raw);
        if value.is_none() {
            self.wrong(path, T::EXPECTED, &entry);
        }
        value
    }

    /// Says the type but never the value, which may be a secret in the wrong place.
    fn wrong(&mut self, path: &str, expected: &str, entry: &Entry) {
        let text = match &entry.raw {
            Raw::Word(text) if text.is_empty() => {
                format!("{path}: expected {expected}, found nothing")
            }
            Raw::Text(_) | Raw::Word(_) => format!("{path}: expected {expected}"),
            other => format!("{path}: expected {expected}, found {}", other.type_name()),
        };
        self.problems.push(Problem::at(Some(entry.source.clone()), text));
    }
}

fn is_empty_word(entry: &Entry) -> bool {
    matches!(&entry.raw, Raw::Word(text) if text.is_empty())
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
