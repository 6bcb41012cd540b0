//! [`Tally`]: what one key has used of one rule.
//!
//! Every algorithm answers the same three questions: how much is left, how long to wait for a cost, and what taking it changes. All of
//! it is on whole numbers; a clock that went back moves the tally back with it, so that it never waits for a time that was.

use super::rule::{Algorithm, StoredRule};
use crate::time::Timestamp;

/// What is used. Brought to a time by [`Tally::at`] before anything is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    /// A bucket that drains.
    Gcra {
        /// What is in it: [`StoredRule::weight`] a unit.
        level: u64,
        /// When.
        at: Timestamp,
    },
    /// A window and the one before it.
    Sliding {
        /// When the window began.
        start: Timestamp,
        /// Units in it.
        current: u64,
        /// Units in the window before.
        previous: u64,
        /// When.
        at: Timestamp,
    },
    /// A window of the calendar.
    Fixed {
        /// When it began.
        start: Timestamp,
        /// Units in it.
        count: u64,
    },
    /// Requests in flight.
    Concurrent {
        /// When each is no longer waited for, earliest first.
        ends: Vec<Timestamp>,
    },
}

impl Tally {
    /// Nothing used.
    #[must_use]
    pub fn new(rule: &StoredRule, now: Timestamp) -> Self {
        match rule.algorithm {
            Algorithm::Gcra => Self::Gcra { level: 0, at: now },
            Algorithm::Sliding => Self::Sliding { start: now, current: 0, previous: 0, at: now },
            Algorithm::Fixed => Self::Fixed { start: calendar_start(rule, now), count: 0 },
            Algorithm::Concurrent => Self::Concurrent { ends: Vec::new() },
        }
    }

    /// Which algorithm counted it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Gcra { .. } => Algorithm::Gcra,
            Self::Sliding { .. } => Algorithm::Sliding,
            Self::Fixed { .. } => Algorithm::Fixed,
            Self::Concurrent { .. } => Algorithm::Concurrent,
        }
    }

    /// Whether it was counted by a clock that was further on. Then it is written again as soon as it is asked for: it would else stand
    /// still until that time comes again.
    #[must_use]
    pub fn is_ahead(&self, rule: &StoredRule, now: Timestamp) -> bool {
        match self {
            Self::Gcra { at, .. } | Self::Sliding { at, .. } => *at > now,
            Self::Fixed { start, .. } => *start > now,
            Self::Concurrent { ends } => ends.last().is_some_and(|end| *end > now.plus_ms(rule.period_ms)),
        }
    }

    /// The tally at a time: what time gives back is given back.
    #[must_use]
    pub fn at(self, rule: &StoredRule, now: Timestamp) -> Self {
        match self {
            Self::Gcra { level, at } => {
                Self::Gcra { level: level.saturating_sub(now.since_ms(at).saturating_mul(rule.drain)), at: now }
            }
            Self::Sliding { start, current, previous, at } => {
                let start = start.minus_ms(at.since_ms(now));
                slide(rule, start, current, previous, now)
            }
            Self::Fixed { start, count } => {
                let now_start = calendar_start(rule, now);
                // What was counted in a window that is still to come, by a clock that went back, counts in this one.
                Self::Fixed { start: now_start, count: if now_start > start { 0 } else { count } }
            }
            Self::Concurrent { mut ends } => {
                ends.retain(|end| *end > now);
                let latest = now.plus_ms(rule.period_ms);
                ends.iter_mut().for_each(|end| *end = (*end).min(latest));
                Self::Concurrent { ends }
            }
        }
    }

    /// Units that are left.
    #[must_use]
    pub fn remaining(&self, rule: &StoredRule, now: Timestamp) -> u64 {
        match self {
            Self::Gcra { level, .. } => (rule.limit * rule.weight).saturating_sub(*level) / rule.weight,
            Self::Sliding { start, current, previous, .. } => {
                let used = weighted(rule, *start, *current, *previous, now);
                (rule.limit * rule.period_ms).saturating_sub(used) / rule.period_ms
            }
            Self::Fixed { count, .. } => rule.limit.saturating_sub(*count),
            Self::Concurrent { ends } => rule.limit.saturating_sub(ends.len() as u64),
        }
    }

    /// Milliseconds until a cost of at most the limit fits in, if nothing else comes; 0 if it does now.
    #[must_use]
    pub fn wait_ms(&self, rule: &StoredRule, cost: u64, now: Timestamp) -> u64 {
        match self {
            Self::Gcra { level, .. } => {
                let excess = (level + cost * rule.weight).saturating_sub(rule.limit * rule.weight);
                // A bucket that never drains is waited for as long as its period, and then again.
                if rule.drain == 0 && excess > 0 { rule.period_ms } else { excess.div_ceil(rule.drain.max(1)) }
            }
            Self::Sliding { start, current, previous, .. } => {
                sliding_wait_ms(rule, (*current, *previous), now.since_ms(*start), cost)
            }
            Self::Fixed { start, count } if count + cost > rule.limit => start.plus_ms(rule.period_ms).since_ms(now),
            Self::Fixed { .. } => 0,
            Self::Concurrent { ends } => {
                let too_many = (ends.len() as u64 + cost).saturating_sub(rule.limit);
                let last = usize::try_from(too_many).ok().and_then(|count| ends.get(count.checked_sub(1)?));
                last.map_or(0, |end| end.since_ms(now))
            }
        }
    }

    /// Takes a cost that fits in.
    pub fn take(&mut self, rule: &StoredRule, cost: u64, now: Timestamp) {
        match self {
            Self::Gcra { level, .. } => *level += cost * rule.weight,
            Self::Sliding { current, .. } => *current += cost,
            Self::Fixed { count, .. } => *count += cost,
            Self::Concurrent { ends } => {
                let end = now.plus_ms(rule.period_ms);
                let place = ends.partition_point(|other| *other <= end);
                let taken = usize::try_from(cost).unwrap_or(usize::MAX).min(super::bounds::IN_FLIGHT as usize);
                ends.splice(place..place, std::iter::repeat_n(end, taken));
            }
        }
    }

    /// Gives back a cost that was taken at a time: never more than what is certainly still counted of it, so that nobody gains by it.
    pub fn give_back(&mut self, rule: &StoredRule, cost: u64, taken_at: Timestamp, now: Timestamp) {
        match self {
            Self::Gcra { level, .. } => {
                let drained = now.since_ms(taken_at).saturating_mul(rule.drain);
                *level = level.saturating_sub((cost * rule.weight).saturating_sub(drained));
            }
            Self::Sliding { start, current, previous, .. } => {
                if taken_at >= *start {
                    *current = current.saturating_sub(cost);
                } else if taken_at >= start.minus_ms(rule.period_ms) {
                    *previous = previous.saturating_sub(cost);
                }
            }
            Self::Fixed { start, count } => {
                if taken_at >= *start {
                    *count = count.saturating_sub(cost);
                }
            }
            Self::Concurrent { ends } => {
                let end = taken_at.plus_ms(rule.period_ms);
                for _ in 0..cost {
                    let Some(place) = ends.iter().position(|other| *other == end) else { break };
                    ends.remove(place);
                }
            }
        }
    }

    /// Milliseconds until nothing of it is left.
    #[must_use]
    pub fn life_ms(&self, rule: &StoredRule, now: Timestamp) -> u64 {
        match self {
            Self::Gcra { level, .. } if rule.drain > 0 => level.div_ceil(rule.drain),
            Self::Gcra { .. } => rule.period_ms,
            Self::Sliding { start, .. } => start.plus_ms(2 * rule.period_ms).since_ms(now),
            Self::Fixed { start, .. } => start.plus_ms(rule.period_ms).since_ms(now),
            Self::Concurrent { ends } => ends.last().map_or(0, |end| end.since_ms(now)),
        }
    }
}

fn slide(rule: &StoredRule, start: Timestamp, current: u64, previous: u64, now: Timestamp) -> Tally {
    let windows = now.since_ms(start) / rule.period_ms;
    let (start, current, previous) = match windows {
        0 => (start, current, previous),
        1 => (start.plus_ms(rule.period_ms), 0, current),
        _ => (now, 0, 0),
    };
    Tally::Sliding { start, current, previous, at: now }
}

/// What two windows weigh: a period a unit. The one before counts by the part of it that the last period covers.
fn weighted(rule: &StoredRule, start: Timestamp, current: u64, previous: u64, now: Timestamp) -> u64 {
    let left = rule.period_ms.saturating_sub(now.since_ms(start));
    previous * left + current * rule.period_ms
}

fn sliding_wait_ms(rule: &StoredRule, (current, previous): (u64, u64), elapsed: u64, cost: u64) -> u64 {
    let period = rule.period_ms;
    // How far a window must be so that what is before it weighs at most so many units.
    let until = |before: u64, units: u64| period - (units * period).checked_div(before).unwrap_or(period).min(period);
    if current + cost <= rule.limit {
        until(previous, rule.limit - current - cost).saturating_sub(elapsed)
    } else {
        period.saturating_sub(elapsed) + until(current, rule.limit.saturating_sub(cost))
    }
}

/// The beginning of the calendar's window: multiples of the period since the epoch, and whole weeks from Monday.
fn calendar_start(rule: &StoredRule, now: Timestamp) -> Timestamp {
    const WEEK_MS: u64 = 7 * 86_400_000;
    const FIRST_MONDAY_MS: u64 = 4 * 86_400_000;
    let phase = if rule.period_ms.is_multiple_of(WEEK_MS) { FIRST_MONDAY_MS } else { 0 };
    let since = now.millis().saturating_sub(phase);
    Timestamp::from_millis(since - since % rule.period_ms + phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::rule::tests::rule;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn numbers(algorithm: Algorithm, count: u64, period_ms: u64) -> StoredRule {
        *rule(algorithm, count, Duration::from_millis(period_ms)).numbers()
    }

    /// Takes as many single units as fit in at a time.
    fn drink(rule: &StoredRule, tally: &mut Tally, now: Timestamp) -> u64 {
        *tally = tally.clone().at(rule, now);
        let mut taken = 0;
        while tally.wait_ms(rule, 1, now) == 0 {
            tally.take(rule, 1, now);
            taken += 1;
        }
        taken
    }

    /// L1
    #[test]
    fn gcra_allows_the_burst_and_then_the_rate_exactly() {
        let rule = StoredRule { limit: 20, ..numbers(Algorithm::Gcra, 10, 1_000) };
        let mut tally = Tally::new(&rule, START);
        let mut taken = 0;
        for ms in 0..5_000 {
            taken += drink(&rule, &mut tally, START.plus_ms(ms));
            assert_eq!(taken, 20 + ms * 10 / 1_000, "{ms} ms");
        }
    }

    /// A rate that no whole number of milliseconds divides is kept exactly over a long time.
    #[test]
    fn gcra_rounds_nothing() {
        let rule = numbers(Algorithm::Gcra, 7, 1_000);
        let mut tally = Tally::new(&rule, START);
        let mut taken = 0;
        for step in 0..=30_000 {
            taken += drink(&rule, &mut tally, START.plus_ms(step * 3));
        }
        assert_eq!(taken, 7 + 90_000 * 7 / 1_000);
    }

    /// L2
    #[test]
    fn two_windows_that_meet_allow_hardly_more_than_one() {
        let rule = numbers(Algorithm::Sliding, 100, 60_000);
        let mut tally = Tally::new(&rule, START);
        let mut taken = drink(&rule, &mut tally, START.plus_ms(59_000));
        for ms in 60_000..61_000 {
            taken += drink(&rule, &mut tally, START.plus_ms(ms));
        }
        assert!((100..=102).contains(&taken), "{taken}");
    }

    #[test]
    fn a_wait_that_was_told_is_enough_and_not_too_long() {
        for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed, Algorithm::Concurrent] {
            let rule = numbers(algorithm, 7, 60_000);
            for (first, later, cost) in [(7, 0, 1), (3, 4, 3), (5, 2, 7), (1, 6, 2)] {
                let mut tally = Tally::new(&rule, START);
                tally.take(&rule, first, START);
                let now = START.plus_ms(17_000);
                tally = tally.at(&rule, now);
                tally.take(&rule, later.min(tally.remaining(&rule, now)), now);
                let wait = tally.wait_ms(&rule, cost, now);
                let fits = |ms| tally.clone().at(&rule, now.plus_ms(ms)).wait_ms(&rule, cost, now.plus_ms(ms)) == 0;
                assert!(fits(wait), "{algorithm:?} {first} {later} {cost}: {wait}");
                assert!(wait == 0 || !fits(wait - 1), "{algorithm:?} {first} {later} {cost}: {wait}");
            }
        }
    }

    /// L14
    #[test]
    fn a_clock_that_goes_back_blocks_nobody_for_longer_than_a_period() {
        for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed, Algorithm::Concurrent] {
            let rule = numbers(algorithm, 10, 60_000);
            let mut tally = Tally::new(&rule, START);
            drink(&rule, &mut tally, START);
            let before = START.minus_ms(3_600_000);
            tally = tally.at(&rule, before);
            let usable = before.plus_ms(60_000);
            // The sliding window gives the first unit back a tenth of a period into the next one.
            let usable = if algorithm == Algorithm::Sliding { usable.plus_ms(6_000) } else { usable };
            assert!(tally.wait_ms(&rule, 1, before) <= usable.since_ms(before), "{algorithm:?}");
            assert_eq!(tally.clone().at(&rule, usable).wait_ms(&rule, 1, usable), 0, "{algorithm:?}");
        }
    }

    #[test]
    fn what_is_given_back_is_never_more_than_what_is_left_of_it() {
        let rule = numbers(Algorithm::Gcra, 10, 1_000);
        let mut tally = Tally::new(&rule, START);
        tally.take(&rule, 1, START);
        let later = START.plus_ms(500);
        tally = tally.at(&rule, later);
        tally.take(&rule, 5, later);
        tally.give_back(&rule, 1, START, later);
        assert_eq!(tally.remaining(&rule, later), 5, "the unit had drained off by itself");
        tally.give_back(&rule, 2, later, later);
        assert_eq!(tally.remaining(&rule, later), 7);

        for algorithm in [Algorithm::Sliding, Algorithm::Fixed] {
            let rule = numbers(algorithm, 10, 1_000);
            let mut tally = Tally::new(&rule, START);
            tally.take(&rule, 1, START);
            let later = START.plus_ms(1_000);
            tally = tally.at(&rule, later);
            tally.take(&rule, 5, later);
            let before = tally.clone();
            tally.give_back(&rule, 3, START.minus_ms(5_000), later);
            assert_eq!(tally, before, "{algorithm:?}: a window long gone");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_days_at_midnight() {
        let day = numbers(Algorithm::Fixed, 1, 86_400_000);
        let week = numbers(Algorithm::Fixed, 1, 7 * 86_400_000);
        let saturday = Timestamp::parse("2026-11-21T14:00:00Z").expect("a time");
        assert_eq!(calendar_start(&day, saturday).to_string(), "2026-11-21T00:00:00.000Z");
        assert_eq!(calendar_start(&week, saturday).to_string(), "2026-11-16T00:00:00.000Z");
    }

    #[test]
    fn a_request_in_flight_counts_until_it_is_given_back_or_forgotten() {
        let rule = numbers(Algorithm::Concurrent, 2, 30_000);
        let mut tally = Tally::new(&rule, START);
        assert_eq!(drink(&rule, &mut tally, START), 2);
        tally.give_back(&rule, 1, START, START);
        assert_eq!(drink(&rule, &mut tally, START.plus_ms(1)), 1);
        assert_eq!(drink(&rule, &mut tally, START.plus_ms(30_000)), 1, "the older one is no longer waited for");
    }
}
