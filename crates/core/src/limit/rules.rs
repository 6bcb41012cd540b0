//! [`Rules`]: the rules in effect, where they hold, and the figures of each.

use super::{Addresses, LimitKey, Listed, Rule};
use crate::network::Networks;
use metrics::Counter;
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// A rule in effect.
#[derive(Clone)]
pub struct Ruled {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Keys that have numbers of their own, under the same name.
    pub overrides: HashMap<Box<str>, Arc<Rule>>,
    /// Paths that it guards by itself; all below one that ends with `/*`.
    pub paths: Vec<Box<str>>,
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
    /// Not counted: the address is exempt.
    pub(super) exempt: Counter,
    /// Denied without a count: the address is refused.
    pub(super) refused: Counter,
    /// Questions for units of a hot key ahead.
    pub(super) refills: Counter,
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
            exempt: checks("exempt"),
            refused: checks("refused"),
            near: metrics::counter!("vestibule_limit_near_total", "rule" => rule.to_owned()),
            would_deny: metrics::counter!("vestibule_limit_would_deny_total", "rule" => rule.to_owned()),
            refills: metrics::counter!("vestibule_limit_lease_refills_total", "rule" => rule.to_owned()),
        }
    }
}

impl Ruled {
    /// A rule, and keys with numbers of their own. The recorder of metrics has to be installed before.
    #[must_use]
    pub fn new(rule: Rule, overrides: HashMap<Box<str>, Arc<Rule>>) -> Self {
        let figures = Figures::of(rule.name());
        Self { rule: Arc::new(rule), overrides, paths: Vec::new(), figures }
    }

    /// The same, guarding these paths.
    #[must_use]
    pub fn guarding(self, paths: impl IntoIterator<Item = Box<str>>) -> Self {
        Self { paths: paths.into_iter().collect(), ..self }
    }

    /// Whether it guards this path by itself.
    #[must_use]
    pub fn guards(&self, path: &str) -> bool {
        self.paths.iter().any(|guarded| is_at(path, guarded))
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

/// Whether a path is guarded: the same, or below one that ends with `/*`.
#[must_use]
pub fn is_at(path: &str, guarded: &str) -> bool {
    match guarded.strip_suffix("/*") {
        Some(above) => path.strip_prefix(above).is_some_and(|below| below.starts_with('/')),
        None => path == guarded,
    }
}

/// Rules by name, and what holds for all of them.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    by_name: HashMap<Box<str>, Arc<Ruled>>,
    /// Those that guard a path: every request looks at them.
    guards: Vec<Arc<Ruled>>,
    addresses: Addresses,
    exempt: Networks,
    refused: Networks,
}

impl Rules {
    /// The same, with addresses that count as one by these prefixes.
    #[must_use]
    pub fn counting(self, addresses: Addresses) -> Self {
        Self { addresses, ..self }
    }

    /// The same, bounding nobody from these networks.
    #[must_use]
    pub fn exempting(self, exempt: Networks) -> Self {
        Self { exempt, ..self }
    }

    /// The same, giving nobody from these networks what a rule bounds.
    #[must_use]
    pub fn refusing(self, refused: Networks) -> Self {
        Self { refused, ..self }
    }

    /// Which addresses count as one.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The networks that no rule bounds.
    #[must_use]
    pub fn exempt(&self) -> &Networks {
        &self.exempt
    }

    /// The networks that get nothing of what a rule bounds.
    #[must_use]
    pub fn refused(&self) -> &Networks {
        &self.refused
    }

    /// On which list an address is.
    #[must_use]
    pub fn listed(&self, address: IpAddr) -> Option<Listed> {
        let refused = self.refused.contains(address).then_some(Listed::Refused);
        refused.or_else(|| self.exempt.contains(address).then_some(Listed::Exempt))
    }

    /// The rule of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Ruled>> {
        self.by_name.get(name)
    }

    /// The rules that guard a path by themselves, by name.
    pub fn guarding<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Arc<Ruled>> + Clone {
        self.guards.iter().filter(|ruled| ruled.guards(path))
    }

    /// All rules, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Ruled>> {
        let mut rules: Vec<_> = self.by_name.values().collect();
        rules.sort_unstable_by(|a, b| a.rule.name().cmp(b.rule.name()));
        rules.into_iter()
    }
}

impl FromIterator<Ruled> for Rules {
    fn from_iter<I: IntoIterator<Item = Ruled>>(rules: I) -> Self {
        let by_name = rules.into_iter().map(|ruled| (ruled.rule.name().into(), Arc::new(ruled))).collect();
        let mut rules = Self { by_name, ..Self::default() };
        rules.guards = rules.iter().filter(|ruled| !ruled.paths.is_empty()).cloned().collect();
        rules
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        rules.into_iter().map(|rule| Ruled::new(rule, HashMap::new())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_guards_what_is_below() {
        assert!(is_at("/auth/login", "/auth/login") && is_at("/auth/login", "/auth/*") && is_at("/a/b/c", "/a/*"));
        assert!(!is_at("/auth", "/auth/*") && !is_at("/authority", "/auth/*") && !is_at("/auth/login/", "/auth/login"));
    }

    #[test]
    fn what_is_refused_is_looked_at_first() {
        let networks = |text| Networks::parse([text]).expect("a network");
        let rules = Rules::default().exempting(networks("10.0.0.0/8")).refusing(networks("10.9.0.0/16"));
        let listed = |text: &str| rules.listed(text.parse().expect("an address"));
        assert_eq!(listed("10.1.0.1"), Some(Listed::Exempt));
        assert_eq!(listed("::ffff:10.9.0.1"), Some(Listed::Refused));
        assert_eq!(listed("192.0.2.1"), None);
    }
}
