//! `[[limits.rules]]`: rate limits.

use super::{
    bounds,
    layers::is_bare,
    reader::Reader,
    value::{Value, words},
};
use std::{collections::BTreeSet, time::Duration};

/// What a rule counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// The client's address.
    Ip,
    /// The user.
    User,
    /// The endpoint.
    Endpoint,
    /// Nothing: one count for all.
    Global,
    /// A key of the caller's making.
    Custom,
}

/// How a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Generic cell rate algorithm, with a burst.
    Gcra,
    /// Sliding counter.
    Sliding,
    /// Fixed window.
    Fixed,
}

/// What a rule answers while its store cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnStoreFailure {
    /// Yes.
    Open,
    /// No.
    Closed,
    /// What this process counts alone.
    Local,
}

/// Which requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Every one.
    All,
    /// Those that fail.
    Failure,
}

words!(Level, "ip, user, endpoint, global or custom",
    "ip" => Ip, "user" => User, "endpoint" => Endpoint, "global" => Global, "custom" => Custom);
words!(Algorithm, "gcra, sliding or fixed", "gcra" => Gcra, "sliding" => Sliding, "fixed" => Fixed);
words!(OnStoreFailure, "open, closed or local", "open" => Open, "closed" => Closed, "local" => Local);
words!(Counted, "all or failure", "all" => All, "failure" => Failure);

/// So many in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// How many; 0 denies everything.
    pub(crate) count: u64,
    /// In how long a time.
    pub(crate) period: Duration,
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

/// What repeated denials cost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "read by the limit capability")]
pub(crate) struct Penalty {
    /// The first block. Default 1 min.
    pub(crate) base: Duration,
    /// By what each further block is longer. Default 2.
    pub(crate) factor: u64,
    /// The longest block. Default 1 day.
    pub(crate) cap: Duration,
    /// How long a strike is remembered; longer than the longest block. Default twice `cap`.
    pub(crate) decay: Duration,
    /// Whether a request during a block begins it anew. Default false.
    pub(crate) extend_on_hit: bool,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(dead_code, reason = "read by the limit capability")]
pub(crate) struct LimitRule {
    /// Its name; unique.
    pub(crate) name: String,
    /// What it counts by.
    pub(crate) level: Level,
    /// How it counts. Default `gcra`.
    pub(crate) algorithm: Algorithm,
    /// What it allows.
    pub(crate) rate: Rate,
    /// How many may come at once. Default: the rate's count.
    pub(crate) burst: Option<u64>,
    /// What it answers while its store cannot. Default `open`.
    pub(crate) on_store_failure: OnStoreFailure,
    /// Whether it only counts what it would deny. Default false.
    pub(crate) shadow: bool,
    /// Paths of the public listener that it guards. Default none: callers ask for it by name.
    pub(crate) apply: Vec<String>,
    /// Which requests count. Default `all`.
    pub(crate) count: Counted,
    /// What repeated denials cost. Default none: nothing.
    pub(crate) penalty: Option<Penalty>,
}

/// Reads all rules.
pub(super) fn read(reader: &mut Reader) -> Vec<LimitRule> {
    reader.section("limits");
    let paths = reader.elements("limits.rules");
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(paths.len());
    for path in &paths {
        let Some(rule) = read_rule(reader, path) else {
            continue;
        };
        if !names.insert(rule.name.clone()) {
            reader.problem(&format!("{path}.name"), format!("there is another rule {}", rule.name));
        }
        rules.push(rule);
    }
    rules
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
    let apply = read_apply(reader, &key("apply"));
    let count = reader.value(&key("count"), Counted::All);
    let penalty = read_penalty(reader, &key("penalty"));
    let (name, level, rate) = (name?, level?, rate?);
    Some(LimitRule { name, level, algorithm, rate, burst, on_store_failure, shadow, apply, count, penalty })
}

fn required<T: Value>(reader: &mut Reader, path: &str, name: &str) -> Option<T> {
    let key = format!("{path}.{name}");
    let value = reader.optional(&key);
    if value.is_none() && !reader.is_given(&key) {
        reader.problem(path, format!("{name} is missing"));
    }
    value
}

fn read_apply(reader: &mut Reader, path: &str) -> Vec<String> {
    let apply = reader.list(path).unwrap_or_default();
    reader.note(path, format!("[{}]", apply.join(", ")));
    if apply.iter().any(|path| !path.starts_with('/')) {
        reader.problem(path, "expected paths such as /auth/login");
    }
    apply
}

fn read_penalty(reader: &mut Reader, path: &str) -> Option<Penalty> {
    reader.section(path);
    if !reader.is_given(path) {
        return None;
    }
    let key = |name: &str| format!("{path}.{name}");
    let cap = reader.value(&key("cap"), Duration::from_secs(86_400));
    let penalty = Penalty {
        base: reader.value(&key("base"), Duration::from_secs(60)),
        factor: reader.number(&key("factor"), 2, bounds::PENALTY_FACTOR),
        cap,
        decay: reader.value(&key("decay"), cap * 2),
        extend_on_hit: reader.value(&key("extend_on_hit"), false),
    };
    if penalty.base > penalty.cap {
        reader.problem(&key("base"), format!("{} is longer than cap ({})", penalty.base.show(), cap.show()));
    }
    if penalty.decay <= penalty.cap {
        reader.problem(
            &key("decay"),
            format!("is not longer than cap ({}): a strike would be forgotten before its block ends", cap.show()),
        );
    }
    Some(penalty)
}
