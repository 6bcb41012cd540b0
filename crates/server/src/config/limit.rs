//! `[limits]` and `[[limits.rules]]`: rate limits.

use super::{
    bounds,
    layers::is_bare,
    limit_override::{self, LimitOverride},
    reader::Reader,
    siteverify::{self, SiteVerify},
    value::{Value, words},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use vestibule::{
    http::{bounds::REQUIRED_LIMITS, rate_limit::LimitFields},
    id::{UserId, UserTag},
    limit::{
        AddressPrefixes, Addresses, Algorithm, Counted, Level, OnStoreFailure, Penalty, Rate, Rule, RuleError, RuleOptions,
        Ruled, Rules,
        bounds::{DEMANDS, RULES},
        normalised_path,
    },
    network::Networks,
    time::millis,
};

words!(Level, "ip, user, endpoint, global, key or custom",
    "ip" => Ip, "user" => User, "endpoint" => Endpoint, "global" => Global, "key" => Key, "custom" => Custom);
words!(Algorithm, "gcra, sliding, fixed or concurrent",
    "gcra" => Gcra, "sliding" => Sliding, "fixed" => Fixed, "concurrent" => Concurrent);
words!(OnStoreFailure, "open, closed or local", "open" => Open, "closed" => Closed, "local" => Local);
words!(Counted, "all or failure", "all" => All, "failure" => Failure);
words!(LimitFields, "ietf, legacy, both or off", "ietf" => Ietf, "legacy" => Legacy, "both" => Both, "off" => Off);

/// Rate limits.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// The rules: those of the file, and the built-in ones whose names the file does not use.
    pub(crate) rules: Vec<LimitRule>,
    /// What clients are told. Default both kinds of fields.
    pub(crate) fields: LimitFields,
    /// How much of an address counts. Default 32 bits of IPv4, 64 of IPv6.
    pub(crate) prefixes: AddressPrefixes,
    /// Networks that no rule bounds. Default none.
    pub(crate) exempt: Networks,
    /// Networks that get nothing of what a rule bounds. Default none.
    pub(crate) refused: Networks,
    /// Who judges responses to challenges. Default nobody: challenges are puzzles.
    pub(crate) siteverify: Option<SiteVerify>,
}

impl Limits {
    /// The rules as they are put into effect. Users are counted under tags, which the deployment makes.
    pub(crate) fn in_effect(&self, tag: impl Fn(&UserId) -> UserTag) -> Rules {
        let rules: Rules = self.rules.iter().map(|limit| limit.in_effect(&tag)).collect();
        rules.counting(Addresses(self.prefixes)).exempting(self.exempt.clone()).refusing(self.refused.clone())
    }
}

/// One rule, and where it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitRule {
    /// The rule.
    pub(crate) rule: Rule,
    /// Paths of the public listener that it guards; all below one that ends with `/*`. Default none: callers ask for it by name.
    pub(crate) apply: Vec<String>,
    /// Keys with numbers of their own. Default none.
    pub(crate) overrides: Vec<LimitOverride>,
}

impl LimitRule {
    fn in_effect(&self, tag: &impl Fn(&UserId) -> UserTag) -> Ruled {
        let numbers = |one: &LimitOverride| (one.key.counted(tag).text().into(), Arc::new(one.rule.clone()));
        let overrides = self.overrides.iter().map(numbers).collect();
        Ruled::new(self.rule.clone(), overrides).guarding(self.apply.iter().map(|path| path.as_str().into()))
    }
}

impl Value for Rate {
    const EXPECTED: &'static str = "a rate such as 5/15m or 100/1s";

    fn parse(text: &str) -> Option<Self> {
        let (count, period) = text.split_once('/')?;
        let rate = Self { count: u64::parse(count)?, period: Duration::parse(period)? };
        (rate.count <= *bounds::LIMIT_COUNT.end()).then_some(rate)
    }

    fn show(&self) -> String {
        format!("{}/{}", self.count, self.period.show())
    }
}

/// Reads the section and all rules.
pub(super) fn read(reader: &mut Reader) -> Limits {
    reader.section("limits");
    let ipv4 = reader.number("limits.ipv4_prefix", 32, bounds::IPV4_PREFIX);
    let ipv6 = reader.number("limits.ipv6_prefix", 64, bounds::IPV6_PREFIX);
    let prefix = |bits: u64| u8::try_from(bits).unwrap_or(u8::MAX);
    let prefixes = AddressPrefixes { ipv4: prefix(ipv4), ipv6: prefix(ipv6) };
    let mut rules = read_rules(reader);
    limit_override::read(reader, Addresses(prefixes), &mut rules);
    Limits {
        rules,
        fields: reader.value("limits.headers", LimitFields::Both),
        prefixes,
        exempt: read_networks(reader, "limits.exempt"),
        refused: read_networks(reader, "limits.refused"),
        siteverify: siteverify::read(reader),
    }
}

fn read_networks(reader: &mut Reader, path: &str) -> Networks {
    let entries = reader.list(path).unwrap_or_default();
    reader.note(path, format!("[{}]", entries.join(", ")));
    Networks::parse(entries.iter().map(String::as_str)).unwrap_or_else(|error| {
        reader.problem(path, error);
        Networks::default()
    })
}

fn read_rules(reader: &mut Reader) -> Vec<LimitRule> {
    let paths = reader.elements("limits.rules");
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(paths.len());
    for path in &paths {
        let Some(rule) = read_rule(reader, path) else {
            continue;
        };
        let name = rule.rule.name().to_owned();
        if !names.insert(name.clone()) {
            reader.problem(&format!("{path}.name"), format!("there is another rule {name}"));
        }
        rules.push(rule);
    }
    if rules.len() > RULES {
        reader.problem("limits.rules", format!("at most {RULES} rules can be given"));
    }
    // A proxy may ask for a few more beside those that hold at its path.
    if rules.iter().filter(|rule| !rule.apply.is_empty()).count() > DEMANDS - REQUIRED_LIMITS {
        reader.problem("limits.rules", format!("at most {} rules can be applied to paths", DEMANDS - REQUIRED_LIMITS));
    }
    rules.extend(built_in().into_iter().filter(|rule| !names.contains(rule.rule.name())));
    rules
}

/// What guards the routes of accounts from the first start: far above what people do, far below what a machine can. Guessing at one
/// account is bounded by the accounts themselves.
fn built_in() -> Vec<LimitRule> {
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(60 * 60);
    [
        ("login", "/auth/login", 300, 15 * MINUTE, Counted::Failure),
        ("register", "/auth/register", 1_000, HOUR, Counted::All),
        ("refresh", "/auth/refresh", 3_000, MINUTE, Counted::All),
        ("reset", "/auth/reset", 300, HOUR, Counted::All),
    ]
    .into_iter()
    .filter_map(|(name, path, count, period, counted)| {
        let options = RuleOptions {
            on_store_failure: OnStoreFailure::Local,
            counted,
            ..RuleOptions::new(name, Level::Ip, Rate { count, period })
        };
        Some(LimitRule { rule: Rule::new(options).ok()?, apply: vec![path.to_owned()], overrides: Vec::new() })
    })
    .collect()
}

fn read_rule(reader: &mut Reader, path: &str) -> Option<LimitRule> {
    let key = |name: &str| format!("{path}.{name}");
    let name = required::<String>(reader, path, "name");
    if name.as_ref().is_some_and(|name| !is_bare(name)) {
        reader.problem(&key("name"), "expected letters, digits, _ and -");
    }
    let level = required(reader, path, "level");
    let rate = required(reader, path, "rate");
    let algorithm = reader.value(&key("algorithm"), Algorithm::Gcra);
    let burst = reader.optional_number(&key("burst"), bounds::LIMIT_COUNT);
    let on_store_failure = reader.value(&key("on_store_failure"), OnStoreFailure::Open);
    let shadow = reader.value(&key("shadow"), false);
    let apply = read_apply(reader, &key("apply"), level);
    let counted = reader.value(&key("count"), Counted::All);
    let penalty = read_penalty(reader, &key("penalty"));
    let (name, level, rate) = (name?.into(), level?, rate?);
    let challenge = reader.value(&key("challenge"), false);
    let lease = reader.optional(&key("lease"));
    let options =
        RuleOptions { name, level, algorithm, rate, burst, on_store_failure, shadow, counted, penalty, challenge, lease };
    match Rule::new(options) {
        Ok(rule) => Some(LimitRule { rule, apply, overrides: Vec::new() }),
        Err(error) => {
            // What is wrong with the name was told above, and nothing is told twice.
            if error != RuleError::Name {
                reader.problem(path, error);
            }
            None
        }
    }
}

pub(super) fn required<T: Value>(reader: &mut Reader, path: &str, name: &str) -> Option<T> {
    let key = format!("{path}.{name}");
    let value = reader.optional(&key);
    if value.is_none() && !reader.is_given(&key) {
        reader.problem(path, format!("{name} is missing"));
    }
    value
}

fn read_apply(reader: &mut Reader, path: &str, level: Option<Level>) -> Vec<String> {
    let apply = reader.list(path).unwrap_or_default();
    reader.note(path, format!("[{}]", apply.join(", ")));
    if apply.iter().any(|path| !is_guarded_path(path)) {
        reader.problem(path, "expected paths such as /auth/login or /auth/*");
    }
    if !apply.is_empty() && matches!(level, Some(Level::Key | Level::Custom)) {
        reader.problem(path, "only rules of level ip, user, endpoint and global can be applied to paths");
    }
    apply
}

/// A star elsewhere than at the end, or another spelling of a path than the router's, would guard nothing, and nobody would notice.
fn is_guarded_path(path: &str) -> bool {
    let plain = path.strip_suffix("/*").unwrap_or(path);
    path.starts_with('/') && (plain.is_empty() || normalised_path(plain) == plain) && !plain.contains(['*', '?'])
}

fn read_penalty(reader: &mut Reader, path: &str) -> Option<Penalty> {
    reader.section(path);
    if !reader.is_given(path) {
        return None;
    }
    let key = |name: &str| format!("{path}.{name}");
    let cap = reader.value(&key("cap"), Duration::from_secs(86_400));
    let base = reader.value(&key("base"), Duration::from_secs(60));
    let factor = reader.number(&key("factor"), 2, bounds::PENALTY_FACTOR);
    let decay = reader.value(&key("decay"), cap * 2);
    let extend_on_hit = reader.value(&key("extend_on_hit"), false);
    if base > cap {
        reader.problem(&key("base"), format!("{} is longer than cap ({})", base.show(), cap.show()));
    }
    let penalty = Penalty { base_ms: millis(base), factor, cap_ms: millis(cap), decay_ms: millis(decay), extend_on_hit };
    // What is wrong with them was told above.
    (base <= cap).then_some(penalty)
}
