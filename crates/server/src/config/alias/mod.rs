//! Environment variables under the names that the systems before us used, so that their deployments start as they are.
//!
//! An alias overrides the file and yields to a variable of our own. Each is told to set something or to have no effect, and
//! why, so that nobody wonders. A comment behind a value is cut off: some readers of `.env` files hand it over with the value.

mod address;
mod names;

use super::{
    Environment,
    layers::{Layers, Raw, Source},
    report::{Problem, Setting, Variable},
    session::raise_lifetimes,
    value::Value as _,
};
use names::Reading;
use std::{collections::BTreeMap, time::Duration};

/// What became of the aliases that were given, by name.
#[derive(Default)]
pub(super) struct Found(BTreeMap<String, Effect>);

/// What became of one alias.
enum Effect {
    /// It is the setting, or a part of it.
    Sets(&'static str),
    /// It has none, for this reason.
    Nothing(String),
}

/// Lays the aliases over the file. What is wrong goes to `problems`.
pub(super) fn apply(env: &Environment, layers: &mut Layers, problems: &mut Vec<Problem>) -> Found {
    let mut aliases = Aliases { env, layers, problems, found: Found::default(), texts: BTreeMap::new() };
    let is_many = address::apply(&mut aliases);
    aliases.set_purposes(is_many);
    for (name, path, reading) in names::SETTINGS {
        aliases.set_one(name, path, reading);
    }
    for (name, reason) in names::WITHOUT_EFFECT {
        if aliases.given(name).is_some() {
            aliases.ignore(name, reason);
        }
    }
    aliases.name_the_unknown();
    aliases.found
}

impl Found {
    /// What deserves a look when the server starts.
    pub(super) fn warnings(&self) -> Vec<String> {
        let unused = |(name, effect): (&String, &Effect)| match effect {
            Effect::Sets(_) => None,
            Effect::Nothing(reason) => Some(format!("{name} has no effect: {reason}")),
        };
        self.0.iter().filter_map(unused).collect()
    }

    /// Every alias with the setting it ended up in, as that is shown.
    pub(super) fn variables(&self, settings: &[Setting]) -> Vec<Variable> {
        self.0.iter().map(|(name, effect)| self.variable(name, effect, settings)).collect()
    }

    fn variable(&self, name: &str, effect: &Effect, settings: &[Setting]) -> Variable {
        let without = |note: String| Variable { name: name.to_owned(), setting: None, value: None, note: Some(note) };
        let path = match effect {
            Effect::Nothing(reason) => return without(reason.clone()),
            Effect::Sets(path) => *path,
        };
        // A secret from a file is shown under the name of the secret.
        let shown = |key: &str| settings.iter().find(|setting| setting.key == key);
        let Some(setting) = shown(path).or_else(|| shown(path.strip_suffix("_file")?)) else {
            return without(format!("{path} could not be read"));
        };
        if !self.0.contains_key(&setting.source) && setting.source != "default" {
            return without(format!("{} says what {} is", setting.source, setting.key));
        }
        let later = names::LATER.iter().find(|(later, _)| *later == path);
        Variable {
            name: name.to_owned(),
            setting: Some(setting.key.clone()),
            value: Some(setting.value.clone()),
            note: later.map(|(_, note)| (*note).to_owned()),
        }
    }
}

/// The aliases of one environment on their way into the layers.
struct Aliases<'a> {
    env: &'a Environment,
    layers: &'a mut Layers,
    problems: &'a mut Vec<Problem>,
    found: Found,
    /// What was set, by setting: the name, and the text of the setting.
    texts: BTreeMap<&'static str, (String, String)>,
}

impl<'a> Aliases<'a> {
    /// Empty variables are those of a template that nobody has filled in.
    fn given(&self, name: &str) -> Option<&'a str> {
        self.env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The same without a comment behind it.
    fn plain(&self, name: &str) -> Option<&'a str> {
        self.given(name).map(without_comment).filter(|text| !text.is_empty())
    }

    fn set(&mut self, name: &str, path: &'static str, text: String) {
        self.layers.set(path, Raw::Word(text), Source::Alias(name.to_owned()));
        self.part_of(name, path);
    }

    /// Says of a name that it is a part of a setting that another name sets.
    fn part_of(&mut self, name: &str, path: &'static str) {
        self.found.0.insert(name.to_owned(), Effect::Sets(path));
    }

    fn is_found(&self, name: &str) -> bool {
        self.found.0.contains_key(name)
    }

    fn ignore(&mut self, name: &str, reason: impl Into<String>) {
        self.found.0.insert(name.to_owned(), Effect::Nothing(reason.into()));
    }

    fn problem(&mut self, name: &str, text: impl Into<String>) {
        self.problems.push(Problem::at(Some(Source::Alias(name.to_owned())), text));
    }

    fn set_one(&mut self, name: &str, path: &'static str, reading: Reading) {
        let text = if reading == Reading::Secret { self.given(name) } else { self.plain(name) };
        let Some(text) = text.map(|text| converted(text, reading)) else {
            return;
        };
        if let Some((other, _)) = self.texts.get(path).filter(|(_, earlier)| *earlier != text) {
            let text = format!("{path}: {other} says otherwise; keep one of them");
            return self.problem(name, text);
        }
        if path == "sessions.idle_timeout"
            && let Some(idle) = Duration::parse(&text)
        {
            raise_lifetimes(self.layers, idle, &Source::Alias(name.to_owned()));
        }
        self.texts.insert(path, (name.to_owned(), text.clone()));
        self.set(name, path, text);
    }

    /// Places of single capabilities are numbered databases of one server, which neither a cluster nor its kind has.
    fn set_purposes(&mut self, is_many: Option<&str>) {
        for (name, path) in names::PURPOSES {
            match (self.plain(name), is_many) {
                (None, _) => {}
                (Some(_), Some(switch)) => self.ignore(name, format!("{switch} says where everything is")),
                (Some(url), None) => self.set(name, path, url.to_owned()),
            }
        }
    }

    /// A misspelt name is worth a line, and so is one that only another system knows.
    fn name_the_unknown(&mut self) {
        let begins = |beginnings: &[&str], name: &str| beginnings.iter().any(|beginning| name.starts_with(beginning));
        for name in self.env.keys() {
            let is_ours = begins(&names::OURS, name) && !begins(&names::FOREIGN, name);
            if is_ours && self.given(name).is_some() && !self.is_found(name) {
                self.ignore(name, "the name is not known");
            }
        }
    }
}

/// A comment begins with a `#` at the start or behind a space.
fn without_comment(text: &str) -> &str {
    let is_comment = |(at, _): &(usize, &str)| text[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let end = text.match_indices('#').find(is_comment).map_or(text.len(), |(at, _)| at);
    text[..end].trim_end()
}

fn converted(text: &str, reading: Reading) -> String {
    let duration = |unit: &str| Duration::parse(&format!("{text}{unit}")).map(|duration| duration.show());
    match reading {
        Reading::Secret | Reading::Plain => text.to_owned(),
        // What is not a number is passed on, for the reader of the setting to refuse it by name.
        Reading::Seconds => duration("s").or_else(|| fraction(text)).unwrap_or_else(|| text.to_owned()),
        Reading::Minutes => duration("m").unwrap_or_else(|| text.to_owned()),
    }
}

/// Seconds such as `0.5`, as Python's clients take them.
fn fraction(text: &str) -> Option<String> {
    let seconds: f64 = text.parse().ok()?;
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|duration| duration.subsec_nanos() % 1_000_000 == 0)?;
    let text = format!("{}ms", duration.as_millis());
    Duration::parse(&text).map(|duration| duration.show())
}
