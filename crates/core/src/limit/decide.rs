//! The rule of rules: all demands of one request are decided together.

use super::{
    Penalty, Rule, Strikes, Tally,
    key::LimitKey,
    rule::{Algorithm, StoredRule},
};
use crate::time::Timestamp;
use std::sync::Arc;

/// Asks whether something may happen under one rule.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What it counts.
    pub key: LimitKey,
    /// Units, at least 1.
    pub cost: u64,
}

impl Demand {
    /// Whether both are counted in the same place.
    #[must_use]
    pub fn counts_with(&self, other: &Self) -> bool {
        self.key == other.key && self.rule.name() == other.rule.name()
    }
}

/// How a demand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It fits in.
    Allowed,
    /// Too much was used.
    Denied,
    /// The key is blocked for what it did before.
    Blocked,
    /// It costs more than the rule ever allows.
    Unsatisfiable,
}

/// What one rule says of one demand, and where its key stands afterwards. Times are milliseconds from the decision on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// When it was decided, by the clock of whoever keeps the count.
    pub at: Timestamp,
    /// How it stands.
    pub standing: Standing,
    /// Units that may be out at a time.
    pub limit: u64,
    /// Units that are left.
    pub remaining: u64,
    /// Until one more unit is left; 0 where all are.
    pub next_ms: u64,
    /// Until all units are left.
    pub reset_ms: u64,
    /// Until the demand may be made again; 0 where it was allowed or never will be.
    pub retry_ms: u64,
    /// Strikes of the key.
    pub strikes: u64,
}

impl Verdict {
    /// Whether this demand alone would have been allowed.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.standing == Standing::Allowed
    }

    /// What was said so many milliseconds ago, as if it was said now. A time that was told never becomes none.
    #[must_use]
    pub(super) fn after_ms(self, passed: u64) -> Self {
        let left = |ms: u64| if ms == 0 { 0 } else { ms.saturating_sub(passed).max(1) };
        Self { next_ms: left(self.next_ms), reset_ms: left(self.reset_ms), retry_ms: left(self.retry_ms), ..self }
    }

    /// Whether hardly anything is left: a tenth of the limit or less.
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.allowed() && self.remaining <= self.limit / 10
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether everything was allowed, and taken. Shadow rules deny nothing.
    pub granted: bool,
    /// One for each demand, in order.
    pub verdicts: Vec<Verdict>,
    /// Whether something was taken for a moment and given back, as where several servers decide: somebody else may have been denied for it.
    pub gave_back: bool,
}

impl Decision {
    /// Nothing was demanded, so nothing denies.
    pub(super) fn of_nothing() -> Self {
        Self { granted: true, verdicts: Vec::new(), gave_back: false }
    }

    /// With what was spent elsewhere, by the place of its demand; `None` is what was decided here.
    pub(super) fn with(self, spent: &[Option<Verdict>]) -> Self {
        let mut decided = self.verdicts.into_iter();
        let verdicts = spent.iter().filter_map(|spent| spent.or_else(|| decided.next())).collect();
        Self { verdicts, ..self }
    }
}

/// What is kept of a key under a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// [`StoredRule::weight`] when it was counted: a count under another rate is none.
    pub weight: u64,
    /// What is used.
    pub tally: Tally,
    /// What it did before.
    pub strikes: Strikes,
}

impl Usage {
    /// What is kept, or nothing, brought to a time and a rule.
    #[must_use]
    pub fn at(kept: Option<Self>, rule: &StoredRule, now: Timestamp) -> Self {
        let (tally, strikes) = match kept {
            Some(usage) if usage.weight == rule.weight && usage.tally.algorithm() == rule.algorithm => {
                (usage.tally.at(rule, now), usage.strikes)
            }
            Some(usage) => (Tally::new(rule, now), usage.strikes),
            None => (Tally::new(rule, now), Strikes::default()),
        };
        let strikes = rule.penalty.map_or_else(Strikes::default, |penalty| strikes.at(&penalty, now));
        Self { weight: rule.weight, tally, strikes }
    }

    /// Whether a clock that was further on counted it.
    fn is_ahead(&self, rule: &StoredRule, now: Timestamp) -> bool {
        self.tally.is_ahead(rule, now) || self.strikes.last > now
    }

    /// How long it is worth keeping, in milliseconds.
    #[must_use]
    pub fn life_ms(&self, rule: &StoredRule, now: Timestamp) -> u64 {
        let strikes = rule.penalty.map_or(0, |penalty| self.strikes.life_ms(&penalty, now));
        self.tally.life_ms(rule, now).max(strikes)
    }

    /// How a cost stands here.
    fn standing(&self, rule: &StoredRule, cost: u64, now: Timestamp) -> Standing {
        if self.strikes.blocked_ms(now) > 0 {
            Standing::Blocked
        } else if cost > rule.limit && rule.limit > 0 {
            Standing::Unsatisfiable
        } else if self.wait_ms(rule, cost, now) > 0 {
            Standing::Denied
        } else {
            Standing::Allowed
        }
    }

    /// Milliseconds until a cost fits in, whatever the key did before; 0 where it never will.
    fn wait_ms(&self, rule: &StoredRule, cost: u64, now: Timestamp) -> u64 {
        match rule.limit {
            0 => rule.period_ms,
            limit if cost > limit => 0,
            _ => self.tally.wait_ms(rule, cost, now),
        }
    }

    /// After a demand that was not allowed: whether and how it is punished.
    fn punished(&self, penalty: &Penalty, standing: Standing, now: Timestamp) -> Strikes {
        match standing {
            Standing::Denied => self.strikes.struck(penalty, now),
            Standing::Blocked => self.strikes.hit(penalty, now),
            Standing::Allowed | Standing::Unsatisfiable => self.strikes,
        }
    }

    fn verdict(&self, rule: &StoredRule, standing: Standing, wait_ms: u64, now: Timestamp) -> Verdict {
        let blocked = self.strikes.blocked_ms(now);
        let wait = |cost: u64| self.wait_ms(rule, cost, now);
        let remaining = if blocked > 0 { 0 } else { self.tally.remaining(rule, now) };
        let retry_ms = match standing {
            Standing::Allowed | Standing::Unsatisfiable => 0,
            Standing::Denied | Standing::Blocked => wait_ms.max(blocked),
        };
        Verdict {
            at: now,
            standing,
            limit: rule.limit,
            remaining,
            next_ms: wait(remaining + 1).max(blocked),
            reset_ms: wait(rule.limit).max(blocked),
            retry_ms,
            strikes: self.strikes.count,
        }
    }
}

/// A demand under decision.
struct Work {
    standing: Standing,
    /// Until it fits in together with all demands for its key before it.
    wait_ms: u64,
    /// Whether what was kept is of a time to come.
    is_ahead: bool,
    /// The key at this time, before this request.
    before: Usage,
    /// With what this request took so far.
    after: Usage,
}

/// Decides demands on what is kept of their keys, in order. Of two for the same key the second one is judged by the sum, since it is granted
/// with the first one or not at all. Answers what is to be kept, by the place of the first demand for it: everything that was taken if all
/// was allowed, else only what denials cost.
#[must_use]
pub fn decide(demands: &[Demand], kept: Vec<Option<Usage>>, now: Timestamp) -> (Decision, Vec<(usize, Usage)>) {
    let (works, firsts) = weigh(demands, kept, now);
    let granted = demands.iter().zip(&works).all(|(demand, work)| passes(demand, work.standing));
    if granted {
        let verdicts = verdicts(demands, &works, |place| &works[place].after, now);
        let changed = |place: &usize| {
            let work = &works[*place];
            firsts[*place] == *place && (work.is_ahead || work.before != last(&works, &firsts, *place).after)
        };
        let changed: Vec<usize> = (0..works.len()).filter(changed).collect();
        let kept = changed.into_iter().map(|place| (place, last(&works, &firsts, place).after.clone())).collect();
        return (Decision { granted, verdicts, gave_back: false }, kept);
    }
    let kept = after_denial(demands, &works, &firsts, now);
    let state = |place: usize| {
        let first = firsts[place];
        kept.iter().find(|(other, _)| *other == first).map_or(&works[first].before, |(_, usage)| usage)
    };
    let verdicts = verdicts(demands, &works, state, now);
    (Decision { granted, verdicts, gave_back: false }, kept)
}

/// What a request that was denied leaves behind: what it costs, once for each key.
fn after_denial(demands: &[Demand], works: &[Work], firsts: &[usize], now: Timestamp) -> Vec<(usize, Usage)> {
    let mut kept: Vec<(usize, Usage)> = Vec::new();
    for (place, (demand, work)) in demands.iter().zip(works).enumerate() {
        let first = firsts[place];
        if kept.iter().any(|(other, _)| *other == first) {
            continue;
        }
        let numbers = demand.rule.numbers();
        let before = &works[first].before;
        let penalty = numbers.penalty.filter(|_| !numbers.shadow);
        let strikes = penalty.map_or(before.strikes, |penalty| before.punished(&penalty, work.standing, now));
        if strikes != before.strikes || work.is_ahead {
            kept.push((first, Usage { strikes, ..before.clone() }));
        }
    }
    kept
}

/// As [`decide`], taking nothing and punishing nobody.
#[must_use]
pub fn look(demands: &[Demand], kept: Vec<Option<Usage>>, now: Timestamp) -> Decision {
    let (works, _) = weigh(demands, kept, now);
    let granted = demands.iter().zip(&works).all(|(demand, work)| passes(demand, work.standing));
    let verdicts = verdicts(demands, &works, |place| &works[place].before, now);
    Decision { granted, verdicts, gave_back: false }
}

fn passes(demand: &Demand, standing: Standing) -> bool {
    standing == Standing::Allowed || demand.rule.numbers().shadow
}

/// How each demand stands, and for each the first one for the same key.
fn weigh(demands: &[Demand], kept: Vec<Option<Usage>>, now: Timestamp) -> (Vec<Work>, Vec<usize>) {
    let mut works: Vec<Work> = Vec::with_capacity(demands.len());
    let mut firsts = Vec::with_capacity(demands.len());
    for (place, (demand, kept)) in demands.iter().zip(kept).enumerate() {
        let numbers = demand.rule.numbers();
        let earlier = |other: &usize| demands[*other].counts_with(demand);
        let first = (0..place).find(earlier).unwrap_or(place);
        let is_ahead = kept.as_ref().is_some_and(|usage| usage.is_ahead(numbers, now));
        let (before, mut after) = match (0..place).rev().find(earlier) {
            Some(last) => (works[first].before.clone(), works[last].after.clone()),
            None => {
                let usage = Usage::at(kept, numbers, now);
                (usage.clone(), usage)
            }
        };
        firsts.push(first);
        let sum = sum(demands, &firsts, place);
        let standing = before.standing(numbers, sum, now);
        if standing == Standing::Allowed {
            after.tally.take(numbers, demand.cost, now);
        }
        works.push(Work { standing, wait_ms: before.wait_ms(numbers, sum, now), is_ahead, before, after });
    }
    (works, firsts)
}

/// What a demand costs with all before it for the same key.
fn sum(demands: &[Demand], firsts: &[usize], place: usize) -> u64 {
    let same = demands.iter().zip(firsts).filter(|(_, first)| **first == firsts[place]);
    same.fold(0, |sum, (demand, _)| sum.saturating_add(demand.cost))
}

/// The last demand for the key of this first one.
fn last<'a>(works: &'a [Work], firsts: &[usize], first: usize) -> &'a Work {
    let last = firsts.iter().rposition(|other| *other == first).unwrap_or(first);
    &works[last]
}

fn verdicts<'a>(demands: &[Demand], works: &'a [Work], state: impl Fn(usize) -> &'a Usage, now: Timestamp) -> Vec<Verdict> {
    let verdict = |(place, (demand, work)): (usize, (&Demand, &'a Work))| {
        state(place).verdict(demand.rule.numbers(), work.standing, work.wait_ms, now)
    };
    demands.iter().zip(works).enumerate().map(verdict).collect()
}

/// Gives back what was taken at a time. `None` where nothing is kept of the key any more.
#[must_use]
pub fn give_back(kept: Option<Usage>, rule: &StoredRule, cost: u64, taken_at: Timestamp, now: Timestamp) -> Option<Usage> {
    let kept = kept.filter(|usage| usage.weight == rule.weight && usage.tally.algorithm() == rule.algorithm)?;
    // The tally as it is kept knows the clock that counted it, so its window may be older than the one of now.
    let mut usage = Usage::at(Some(kept), rule, now);
    usage.tally.give_back(rule, cost.min(rule.limit), taken_at, now);
    Some(usage)
}

/// What is kept of a key that begins anew: its strikes. `None` where it has none.
#[must_use]
pub fn pardon(kept: Option<Usage>, rule: &StoredRule, now: Timestamp) -> Option<Usage> {
    let strikes = Usage::at(kept, rule, now).strikes;
    let (tally, strikes) = (Tally::new(rule, now), Strikes { until: Timestamp::ZERO, ..strikes });
    (strikes.count > 0).then_some(Usage { weight: rule.weight, tally, strikes })
}

impl Algorithm {
    /// The number of scripts and of stored counts.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Gcra => 1,
            Self::Sliding => 2,
            Self::Fixed => 3,
            Self::Concurrent => 4,
        }
    }
}
