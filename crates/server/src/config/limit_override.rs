//! `[[limits.overrides]]`: numbers of their own for single keys of a rule.

use super::{
    bounds,
    limit::{LimitRule, required},
    reader::Reader,
};
use vestibule::{
    id::{UserId, UserTag},
    limit::{Addresses, AskError, KeyError, Level, LimitKey, Rate, Rule, RuleOptions},
};

/// Numbers of its own for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitOverride {
    /// The key.
    pub(crate) key: OverrideKey,
    /// Its numbers, with all else as in the rule.
    pub(crate) rule: Rule,
}

/// A key as an operator can name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OverrideKey {
    /// Counted under a tag that only the deployment can make.
    User(UserId),
    /// Counted as it is.
    Other(LimitKey),
}

impl OverrideKey {
    fn read(level: Level, text: &str, addresses: Addresses) -> Result<Self, AskError> {
        match level {
            Level::User => UserId::new(text).map(Self::User).map_err(|_| AskError::UserId),
            Level::Ip => addresses.parse(text).map(Self::Other).map_err(AskError::Key),
            Level::Global if text != "all" => Err(AskError::Key(KeyError::Global)),
            _ => LimitKey::new(text).map(Self::Other).map_err(AskError::Key),
        }
    }

    /// The key that is counted.
    pub(super) fn counted(&self, tag: impl Fn(&UserId) -> UserTag) -> LimitKey {
        match self {
            Self::User(user) => LimitKey::of_user(tag(user)),
            Self::Other(key) => key.clone(),
        }
    }
}

/// Reads all of them into the rules that they are of.
pub(super) fn read(reader: &mut Reader, addresses: Addresses, rules: &mut [LimitRule]) {
    for path in reader.elements("limits.overrides") {
        let name = required::<String>(reader, &path, "rule");
        let key = required::<String>(reader, &path, "key");
        let rate = required::<Rate>(reader, &path, "rate");
        let burst = reader.optional_number(&format!("{path}.burst"), bounds::LIMIT_COUNT);
        let (Some(name), Some(key), Some(rate)) = (name, key, rate) else { continue };
        match rules.iter_mut().find(|limit| limit.rule.name() == name) {
            Some(limit) => add(reader, &path, limit, (&key, rate, burst), addresses),
            None => reader.problem(&format!("{path}.rule"), format!("there is no rule {name}")),
        }
    }
}

fn add(
    reader: &mut Reader,
    path: &str,
    limit: &mut LimitRule,
    (key, rate, burst): (&str, Rate, Option<u64>),
    addresses: Addresses,
) {
    let options = limit.rule.options();
    let key = match OverrideKey::read(options.level, key, addresses) {
        Ok(key) => key,
        Err(error) => return reader.problem(&format!("{path}.key"), error),
    };
    if limit.overrides.iter().any(|other| other.key == key) {
        return reader.problem(&format!("{path}.key"), format!("has another override of {}", limit.rule.name()));
    }
    match Rule::new(RuleOptions { rate, burst, ..options.clone() }) {
        Ok(rule) => limit.overrides.push(LimitOverride { key, rule }),
        Err(error) => reader.problem(path, error),
    }
}
