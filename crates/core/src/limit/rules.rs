//! [`Rules`]: the rules in effect, and the figures of each.

use super::{LimitKey, Rule};
use metrics::Counter;
use std::{collections::HashMap, sync::Arc};

/// A rule in effect.
#[derive(Clone)]
pub struct Ruled {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Keys that have numbers of their own, under the same name.
    pub overrides: HashMap<Box<str>, Arc<Rule>>,
    figures: Figures,
}

impl std::fmt::Debug for Ruled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ruled").field("rule", &self.rule).finish_non_exhaustive()
    }
}

/// Counters, made once: their labels are the rule and a word of a closed set, never a key.
#[derive(Clone)]
pub(super) struct Figures {
    pub(super) allowed: Counter,
    pub(super) denied: Counter,
    /// Denied without a question to the store.
    pub(super) remembered: Counter,
    pub(super) unsatisfiable: Counter,
    pub(super) failed: Counter,
    pub(super) near: Counter,
    pub(super) would_deny: Counter,
}

impl Figures {
    fn of(rule: &str) -> Self {
        let checks = |outcome: &'static str| metrics::counter!("vestibule_limit_checks_total", "rule" => rule.to_owned(), "outcome" => outcome);
        Self {
            allowed: checks("allowed"),
            denied: checks("denied"),
            remembered: checks("denied_remembered"),
            unsatisfiable: checks("unsatisfiable"),
            failed: checks("store_unavailable"),
            near: metrics::counter!("vestibule_limit_near_total", "rule" => rule.to_owned()),
            would_deny: metrics::counter!("vestibule_limit_would_deny_total", "rule" => rule.to_owned()),
        }
    }
}

impl Ruled {
    /// A rule, and keys with numbers of their own. The recorder of metrics has to be installed before.
    #[must_use]
    pub fn new(rule: Rule, overrides: HashMap<Box<str>, Arc<Rule>>) -> Self {
        let figures = Figures::of(rule.name());
        Self { rule: Arc::new(rule), overrides, figures }
    }

    /// The numbers that hold for a key.
    #[must_use]
    pub fn for_key(&self, key: &LimitKey) -> &Arc<Rule> {
        self.overrides.get(key.text()).unwrap_or(&self.rule)
    }

    pub(super) fn figures(&self) -> &Figures {
        &self.figures
    }
}

/// Rules by name.
#[derive(Debug, Clone, Default)]
pub struct Rules(HashMap<Box<str>, Arc<Ruled>>);

impl Rules {
    /// The rule of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Ruled>> {
        self.0.get(name)
    }

    /// All rules, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Ruled>> {
        let mut rules: Vec<_> = self.0.values().collect();
        rules.sort_unstable_by(|a, b| a.rule.name().cmp(b.rule.name()));
        rules.into_iter()
    }
}

impl FromIterator<Ruled> for Rules {
    fn from_iter<I: IntoIterator<Item = Ruled>>(rules: I) -> Self {
        Self(rules.into_iter().map(|ruled| (ruled.rule.name().into(), Arc::new(ruled))).collect())
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        rules.into_iter().map(|rule| Ruled::new(rule, HashMap::new())).collect()
    }
}
