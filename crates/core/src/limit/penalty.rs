//! What repeated denials cost: blocks that grow.

use super::bounds;
use crate::time::Timestamp;

/// How blocks grow. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Penalty {
    /// The first block.
    pub base_ms: u64,
    /// By what each further block is longer.
    pub factor: u64,
    /// The longest block.
    pub cap_ms: u64,
    /// How long without a violation forgives one strike. Where the block is longer it begins when that ends, so that no block outlives its
    /// strike.
    pub decay_ms: u64,
    /// Whether a request during a block begins it anew.
    pub extend_on_hit: bool,
}

impl Penalty {
    pub(super) fn is_sound(&self) -> bool {
        (1..=self.cap_ms).contains(&self.base_ms)
            && self.cap_ms <= bounds::LONGEST_MS
            && (1..=bounds::FACTOR).contains(&self.factor)
            && (1..=bounds::LONGEST_MS).contains(&self.decay_ms)
    }

    /// The block of the n-th strike.
    #[must_use]
    pub fn block_ms(&self, strike: u64) -> u64 {
        let mut block = self.base_ms;
        for _ in 1..strike.min(bounds::STRIKES) {
            block = block.saturating_mul(self.factor).min(self.cap_ms);
        }
        block.min(self.cap_ms)
    }
}

/// The strikes of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strikes {
    /// How many, as of the last one.
    pub count: u64,
    /// When the last one was.
    pub last: Timestamp,
    /// Until when the key is blocked.
    pub until: Timestamp,
}

impl Strikes {
    /// Forgives a strike for each decay that was quiet. A clock that went back neither forgives nor blocks for longer than a block.
    #[must_use]
    pub fn at(self, penalty: &Penalty, now: Timestamp) -> Self {
        let block = penalty.block_ms(self.count.max(1));
        let until = self.until.min(now.plus_ms(block));
        let since = if penalty.decay_ms > block { self.last } else { self.last.max(until) };
        let quiet = now.since_ms(since) / penalty.decay_ms;
        let last = if quiet > 0 { since.plus_ms(quiet * penalty.decay_ms) } else { self.last };
        Self { count: self.count.saturating_sub(quiet), last: last.min(now), until }
    }

    /// Milliseconds that the block lasts on, 0 for none.
    #[must_use]
    pub fn blocked_ms(&self, now: Timestamp) -> u64 {
        self.until.since_ms(now)
    }

    /// After one more violation.
    #[must_use]
    pub fn struck(self, penalty: &Penalty, now: Timestamp) -> Self {
        let count = (self.count + 1).min(bounds::STRIKES);
        Self { count, last: now, until: now.plus_ms(penalty.block_ms(count)) }
    }

    /// After a request during a block.
    #[must_use]
    pub fn hit(self, penalty: &Penalty, now: Timestamp) -> Self {
        if !penalty.extend_on_hit {
            return self;
        }
        Self { until: now.plus_ms(penalty.block_ms(self.count.max(1))), last: now, ..self }
    }

    /// Milliseconds until nothing of it is left.
    #[must_use]
    pub fn life_ms(&self, penalty: &Penalty, now: Timestamp) -> u64 {
        self.last.max(self.until).plus_ms(self.count.saturating_mul(penalty.decay_ms)).since_ms(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;
    const PENALTY: Penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: false };

    /// L18
    #[test]
    fn blocks_grow_to_the_cap_and_decay_by_steps() {
        let mut now = Timestamp::from_millis(1_000 * DAY);
        let mut strikes = Strikes::default();
        for minutes in [1, 4, 16, 64, 256, 1_024, 1_440, 1_440] {
            strikes = strikes.at(&PENALTY, now).struck(&PENALTY, now);
            assert_eq!(strikes.blocked_ms(now), minutes * MINUTE);
            now = strikes.until;
        }
        let four = Strikes { count: 4, last: now, until: now };
        let quiet = now.plus_ms(PENALTY.decay_ms);
        assert_eq!(four.at(&PENALTY, quiet).struck(&PENALTY, quiet).blocked_ms(quiet), 64 * MINUTE, "one step lower than 256");
        let before = now.plus_ms(PENALTY.decay_ms - 1);
        assert_eq!(four.at(&PENALTY, before).struck(&PENALTY, before).blocked_ms(before), 256 * MINUTE);
    }

    /// L19
    #[test]
    fn strikes_outlive_their_block_and_hits_extend_it_only_on_demand() {
        let now = Timestamp::from_millis(1_000 * DAY);
        let strikes = Strikes::default().struck(&PENALTY, now);
        assert!(strikes.life_ms(&PENALTY, now) > strikes.blocked_ms(now));
        let later = now.plus_ms(MINUTE / 2);
        assert_eq!(strikes.at(&PENALTY, later).hit(&PENALTY, later).blocked_ms(later), MINUTE / 2);
        let extending = Penalty { extend_on_hit: true, ..PENALTY };
        assert_eq!(strikes.at(&extending, later).hit(&extending, later).blocked_ms(later), MINUTE);
    }

    /// L19: however short the decay is.
    #[test]
    fn no_strike_is_forgotten_during_its_block() {
        let hasty = Penalty { decay_ms: MINUTE / 2, ..PENALTY };
        let now = Timestamp::from_millis(1_000 * DAY);
        let strikes = Strikes { count: 1, last: now, until: now }.struck(&hasty, now);
        assert_eq!(strikes.blocked_ms(now), 4 * MINUTE);
        for (later, count) in [(4 * MINUTE, 2), (4 * MINUTE + MINUTE / 2, 1), (5 * MINUTE, 0)] {
            assert_eq!(strikes.at(&hasty, now.plus_ms(later)).count, count, "{later} ms");
        }
        assert_eq!(strikes.life_ms(&hasty, now), 5 * MINUTE);
        let once = strikes.at(&hasty, now.plus_ms(4 * MINUTE + MINUTE / 2));
        assert_eq!(once.at(&hasty, now.plus_ms(5 * MINUTE)).count, 0, "in steps as at once");
    }

    /// L14
    #[test]
    fn a_clock_that_goes_back_blocks_for_no_longer_than_a_block() {
        let now = Timestamp::from_millis(1_000 * DAY);
        let strikes = Strikes::default().struck(&PENALTY, now);
        let before = now.minus_ms(60 * MINUTE);
        assert_eq!(strikes.at(&PENALTY, before).blocked_ms(before), MINUTE);
    }

    #[test]
    fn a_penalty_that_cannot_be_is_none() {
        assert!(PENALTY.is_sound());
        for bad in [
            Penalty { decay_ms: 0, ..PENALTY },
            Penalty { cap_ms: bounds::LONGEST_MS + 1, ..PENALTY },
            Penalty { base_ms: 0, ..PENALTY },
            Penalty { base_ms: DAY + 1, ..PENALTY },
            Penalty { factor: 0, ..PENALTY },
        ] {
            assert!(!bad.is_sound(), "{bad:?}");
        }
    }
}
