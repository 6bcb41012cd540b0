//! [`Rule`]: how often something may happen.

use super::{Penalty, bounds};
use crate::time::millis;
use std::{sync::Arc, time::Duration};

/// What a rule counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The client's address: IPv4 whole, IPv6 by its /64.
    Ip,
    /// The user, by their tag.
    User,
    /// The endpoint.
    Endpoint,
    /// Nothing: one count for all, under the key `all`.
    Global,
    /// A management key or an API key of the application.
    Key,
    /// A key of the caller's making.
    Custom,
}

impl Level {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::User => "user",
            Self::Endpoint => "endpoint",
            Self::Global => "global",
            Self::Key => "key",
            Self::Custom => "custom",
        }
    }
}

/// How a rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Generic cell rate algorithm in its leaky bucket form (ITU-T I.371 annex A): a burst at once, then evenly.
    Gcra,
    /// Two windows that begin with the first use; the one before counts by what part of it the last period still covers.
    Sliding,
    /// Windows of the calendar in UTC: hours, days, weeks that begin on Monday.
    Fixed,
    /// Requests in flight; the period is how long one that is never given back counts.
    Concurrent,
}

impl Algorithm {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gcra => "gcra",
            Self::Sliding => "sliding",
            Self::Fixed => "fixed",
            Self::Concurrent => "concurrent",
        }
    }
}

/// What a rule answers while its store cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnStoreFailure {
    /// Yes.
    Open,
    /// Neither yes nor no: the caller answers that the service has reduced capacity.
    Closed,
    /// What this process counts alone, with the limit divided by the nodes that live.
    Local,
}

impl OnStoreFailure {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Local => "local",
        }
    }
}

/// Which requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Every one.
    All,
    /// Those that fail: a unit is taken before and given back after success, so that no flood slips in between.
    Failure,
}

impl Counted {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Failure => "failure",
        }
    }
}

/// So many in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; 0 denies everything.
    pub count: u64,
    /// In how long a time.
    pub period: Duration,
}

/// What a [`Rule`] is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleOptions {
    /// Its name: letters, digits, `_`, `-` and `.`.
    pub name: Box<str>,
    /// What it counts by.
    pub level: Level,
    /// How it counts.
    pub algorithm: Algorithm,
    /// What it allows.
    pub rate: Rate,
    /// How many may come at once, for [`Algorithm::Gcra`]. Default: the rate's count.
    pub burst: Option<u64>,
    /// What it answers while its store cannot.
    pub on_store_failure: OnStoreFailure,
    /// Whether it only counts what it would deny.
    pub shadow: bool,
    /// Which requests count.
    pub counted: Counted,
    /// What repeated denials cost.
    pub penalty: Option<Penalty>,
    /// Whether whoever is denied may solve a puzzle instead of waiting.
    pub challenge: bool,
    /// Whether a process takes units of a hot key ahead. Default: for [`Level::Global`], where the rule is one that can be leased.
    pub lease: Option<bool>,
}

impl RuleOptions {
    /// A rule of this name with the usual options: gcra with the rate's count as its burst, open while its store is away, counting every
    /// request, without shadow, penalty or challenge.
    #[must_use]
    pub fn new(name: &str, level: Level, rate: Rate) -> Self {
        Self {
            name: name.into(),
            level,
            algorithm: Algorithm::Gcra,
            rate,
            burst: None,
            on_store_failure: OnStoreFailure::Open,
            shadow: false,
            counted: Counted::All,
            penalty: None,
            challenge: false,
            lease: None,
        }
    }
}

/// Why a rule cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The name is empty, too long or has other characters.
    #[error("a name has 1 to 64 letters, digits, _, - and .")]
    Name,
    /// The period is none or too long.
    #[error("a period is at least 1 ms and at most ten years")]
    Period,
    /// Count and period together are too large.
    #[error("so high a limit over so long a period cannot be counted exactly: lower one of them")]
    TooLarge,
    /// Too many in flight.
    #[error("at most 1000 requests in flight can be counted")]
    InFlight,
    /// A burst where there is none.
    #[error("only gcra has a burst")]
    Burst,
    /// A burst without a rate would never be refilled.
    #[error("a rate of 0 has no burst")]
    BurstOfNothing,
    /// A lease where there is none.
    #[error("only a gcra rule that counts every request and has no penalty can be leased")]
    Lease,
    /// The penalty cannot be.
    #[error("a penalty needs 1 ms <= base <= cap, a decay of at least 1 ms, a factor of at least 1, and at most ten years")]
    Penalty,
}

/// How often something may happen: options that were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    options: RuleOptions,
    numbers: StoredRule,
}

/// The numbers of a rule, as scripts get them. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRule {
    /// How it counts.
    pub algorithm: Algorithm,
    /// Units that may be out at a time.
    pub limit: u64,
    /// The period.
    pub period_ms: u64,
    /// What one unit weighs; see [`Self::drain`].
    pub weight: u64,
    /// What drains off in a millisecond. Weight and drain are period and count without their common divisor, so that nothing is rounded.
    pub drain: u64,
    /// What repeated denials cost.
    pub penalty: Option<Penalty>,
    /// Whether it denies nothing.
    pub shadow: bool,
}

impl Rule {
    /// Judges options.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn new(options: RuleOptions) -> Result<Self, RuleError> {
        if !is_name(&options.name) {
            return Err(RuleError::Name);
        }
        if options.penalty.is_some_and(|penalty| !penalty.is_sound()) {
            return Err(RuleError::Penalty);
        }
        if options.lease == Some(true) && !can_be_leased(&options) {
            return Err(RuleError::Lease);
        }
        let numbers = numbers(&options)?;
        Ok(Self { options, numbers })
    }

    /// What it was made of.
    #[must_use]
    pub fn options(&self) -> &RuleOptions {
        &self.options
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its numbers.
    #[must_use]
    pub fn numbers(&self) -> &StoredRule {
        &self.numbers
    }

    /// The same rule for one of several nodes that cannot speak to each other. Each may allow at least one.
    #[must_use]
    pub fn divided_by(&self, nodes: u64) -> Self {
        let nodes = nodes.max(1);
        let mut divided = self.clone();
        let numbers = &mut divided.numbers;
        if numbers.limit > 0 {
            let limit = (numbers.limit / nodes).max(1);
            numbers.weight = match numbers.algorithm {
                Algorithm::Gcra => numbers.weight.saturating_mul(nodes).min(bounds::LARGEST / limit),
                _ => numbers.weight,
            };
            numbers.limit = limit;
        }
        divided
    }

    /// Whether a denial holds until the time that was told, whatever happens meanwhile but a reset.
    #[must_use]
    pub fn denies_for_good(&self) -> bool {
        let extends = self.options.penalty.is_some_and(|penalty| penalty.extend_on_hit);
        self.options.counted == Counted::All && self.options.algorithm != Algorithm::Concurrent && !extends
    }

    /// Whether a process takes units of a hot key ahead. A rule that denies nothing, or leaves too little for a batch, is asked for each time.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        let is_wanted = self.options.lease.unwrap_or(self.options.level == Level::Global && can_be_leased(&self.options));
        is_wanted && !self.numbers.shadow && self.numbers.limit >= bounds::LEASE_SHARE * bounds::LEASE_LEAST
    }

    /// Shared.
    #[must_use]
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

/// Units that are given back, and denials that are punished, need the store each time; a window would lose what is not spent.
fn can_be_leased(options: &RuleOptions) -> bool {
    options.algorithm == Algorithm::Gcra && options.counted == Counted::All && options.penalty.is_none()
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=bounds::RULE_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

fn numbers(options: &RuleOptions) -> Result<StoredRule, RuleError> {
    let RuleOptions { algorithm, rate, burst, shadow, penalty, .. } = *options;
    let period_ms = millis(rate.period);
    if period_ms == 0 || period_ms > bounds::LONGEST_MS {
        return Err(RuleError::Period);
    }
    let limit = match (algorithm, burst) {
        (Algorithm::Gcra, Some(burst)) if rate.count == 0 && burst > 0 => return Err(RuleError::BurstOfNothing),
        (Algorithm::Gcra, burst) => burst.unwrap_or(rate.count),
        (_, Some(_)) => return Err(RuleError::Burst),
        (Algorithm::Concurrent, None) if rate.count > bounds::IN_FLIGHT => return Err(RuleError::InFlight),
        (_, None) => rate.count,
    };
    let (weight, drain) = match algorithm {
        Algorithm::Gcra => {
            let common = common_divisor(period_ms, rate.count);
            (period_ms / common, rate.count / common)
        }
        _ => (period_ms, 0),
    };
    // Twice: a caller may ask for the whole limit where all of it is out, and two windows may be full.
    let largest = limit.checked_mul(weight).and_then(|full| full.checked_mul(2)).and_then(|full| full.checked_add(drain));
    if largest.is_none_or(|largest| largest > bounds::LARGEST) {
        return Err(RuleError::TooLarge);
    }
    Ok(StoredRule { algorithm, limit, period_ms, weight, drain, penalty, shadow })
}

/// Never 0: a period is not.
fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::limit) fn options(algorithm: Algorithm, count: u64, period: Duration) -> RuleOptions {
        RuleOptions { algorithm, ..RuleOptions::new("rule", Level::Custom, Rate { count, period }) }
    }

    pub(in crate::limit) fn rule(algorithm: Algorithm, count: u64, period: Duration) -> Rule {
        Rule::new(options(algorithm, count, period)).expect("a rule")
    }

    #[test]
    fn what_cannot_be_counted_is_no_rule() {
        let of = |algorithm, count, period_s: u64| Rule::new(options(algorithm, count, Duration::from_secs(period_s)));
        assert_eq!(of(Algorithm::Gcra, 1, 0), Err(RuleError::Period));
        assert_eq!(of(Algorithm::Gcra, 1, 4_000 * 86_400), Err(RuleError::Period));
        assert_eq!(of(Algorithm::Sliding, 1_000_000_000, 86_400), Err(RuleError::TooLarge));
        assert_eq!(of(Algorithm::Concurrent, 1_001, 30), Err(RuleError::InFlight));
        assert!(of(Algorithm::Gcra, 1_000_000_000, 86_400).is_ok(), "weight and drain have no common divisor");
        let burst = RuleOptions { burst: Some(5), ..options(Algorithm::Fixed, 1, Duration::from_secs(1)) };
        assert_eq!(Rule::new(burst), Err(RuleError::Burst));
        let nothing = RuleOptions { burst: Some(5), ..options(Algorithm::Gcra, 0, Duration::from_secs(1)) };
        assert_eq!(Rule::new(nothing), Err(RuleError::BurstOfNothing));
        let leased = |algorithm, counted, penalty| {
            let of = options(algorithm, 1_000, Duration::from_secs(1));
            Rule::new(RuleOptions { counted, penalty, lease: Some(true), ..of }).map(|rule| rule.is_leased())
        };
        let penalty = Penalty { base_ms: 1, factor: 2, cap_ms: 2, decay_ms: 4, extend_on_hit: false };
        assert_eq!(leased(Algorithm::Gcra, Counted::All, None), Ok(true));
        for odd in [
            leased(Algorithm::Sliding, Counted::All, None),
            leased(Algorithm::Gcra, Counted::Failure, None),
            leased(Algorithm::Gcra, Counted::All, Some(penalty)),
        ] {
            assert_eq!(odd, Err(RuleError::Lease));
        }
        for name in ["", "a b", "a:b", "a*", &"x".repeat(65)] {
            let named = RuleOptions { name: name.into(), ..options(Algorithm::Gcra, 1, Duration::from_secs(1)) };
            assert_eq!(Rule::new(named), Err(RuleError::Name), "{name}");
        }
    }

    /// L23
    #[test]
    fn hot_keys_are_leased_where_a_batch_is_worth_it() {
        let leased = |level, count, lease| {
            let of = options(Algorithm::Gcra, count, Duration::from_secs(1));
            Rule::new(RuleOptions { level, lease, ..of }).expect("a rule").is_leased()
        };
        assert!(leased(Level::Global, 128, None) && leased(Level::Custom, 128, Some(true)));
        assert!(
            !leased(Level::Custom, 128, None) && !leased(Level::Global, 128, Some(false)) && !leased(Level::Global, 127, None)
        );
        let shadow =
            RuleOptions { shadow: true, level: Level::Global, ..options(Algorithm::Gcra, 128, Duration::from_secs(1)) };
        assert!(!Rule::new(shadow).expect("a rule").is_leased());
    }

    #[test]
    fn a_divided_rule_allows_its_part_and_never_nothing() {
        let rule = rule(Algorithm::Gcra, 100, Duration::from_secs(60));
        let part = *rule.divided_by(4).numbers();
        assert_eq!((part.limit, part.weight, part.drain), (25, 2_400, 1));
        assert_eq!(rule.divided_by(1_000).numbers().limit, 1);
        assert_eq!(rule.divided_by(0), rule);
    }
}
