//! [`Leases`]: units of a hot key that one process took ahead in one check, and spends by itself.
//!
//! A key that a process is asked for [`bounds::LEASE_HOT`] times within [`bounds::LEASE_LIFE`] is *hot*: it is not asked for each time any
//! more, but once for as many units as were wanted lately. Everything colder is asked one by one, and exact to the unit.
//!
//! Nobody gets more for it than the rule allows, not even for a moment. The bucket counts a unit when it is taken, and drains from then on.
//! A unit that was spent after its place had drained off would be granted twice: once here, and once to whoever took the place. So a lease
//! ends, unit by unit, where the bucket as it was told could be empty again: [`Held::spend`]. What was taken and not spent is never given
//! back, since others count on the bucket as they were told it; it drains off like everything else. The price is therefore on the other
//! side: up to [`bounds::LEASE_SHARE`] of the limit may be denied falsely for each process, for the life of a lease.
//!
//! Deliberately absent: the store, see `refill.rs`; and leases on anything but a bucket, whose windows would lose what is not spent.

use super::{
    Refund, Rule, Standing, Verdict, bounds,
    bounds::{LEASE_HOT, LEASE_LIFE, LEASE_PAUSE},
    refill::Refill,
    rule::StoredRule,
};
use crate::time::millis;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

type Keys = HashMap<Box<str>, Lease>;

/// What this process knows of keys that may be leased: by rule, then by key, [`bounds::LEASED_KEYS`] of each rule at most.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<Box<str>, Keys>>);

/// What came of asking a lease.
#[derive(Debug)]
pub(super) enum Draw {
    /// The key is not hot: the store is asked.
    Cold,
    /// It was spent from what is held.
    Spent(Verdict),
    /// There is nothing for a while.
    Denied(Verdict),
    /// So many units should be taken ahead; whoever asks meanwhile waits for the same refill.
    Dry {
        /// The refill.
        refill: Arc<Refill>,
        /// Units.
        batch: u64,
    },
}

/// What a refill brought.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filled {
    /// Units.
    Units {
        /// How many.
        units: u64,
        /// Whether it is all that was wanted.
        is_whole: bool,
        /// Where the key stands after that.
        verdict: Verdict,
        /// When it was asked for.
        asked_at: Instant,
    },
    /// Nothing.
    Nothing {
        /// The cost that was denied.
        cost: u64,
        /// Where the key stands.
        verdict: Verdict,
    },
}

impl Leases {
    /// Counts that so many units are wanted, and spends them where they are held.
    pub(super) fn draw(&self, rule: &Rule, key: &str, cost: u64, now: Instant) -> Draw {
        let mut rules = self.0.lock();
        let Some(lease) = slot(&mut rules, rule.name(), key, now) else { return Draw::Cold };
        lease.wanted.add(cost, now);
        if lease.wanted.is_hot(now) { lease.draw(rule.numbers(), cost, now) } else { Draw::Cold }
    }

    /// As [`Self::draw`], for what was counted and hot before.
    pub(super) fn draw_again(&self, rule: &Rule, key: &str, cost: u64, now: Instant) -> Draw {
        let mut rules = self.0.lock();
        let lease = rules.get_mut(rule.name()).and_then(|keys| keys.get_mut(key));
        lease.map_or(Draw::Cold, |lease| lease.draw(rule.numbers(), cost, now))
    }

    /// Notes what a refill brought, unless the key was forgotten meanwhile.
    pub(super) fn fill(&self, rule: &Rule, key: &str, refill: &Arc<Refill>, filled: Filled, now: Instant) {
        let mut rules = self.0.lock();
        if let Some(lease) = rules.get_mut(rule.name()).and_then(|keys| keys.get_mut(key))
            && lease.refill.take_if(|current| Arc::ptr_eq(current, refill)).is_some()
        {
            lease.fill(rule.numbers(), filled, now);
        }
    }

    /// Ends a refill that failed.
    pub(super) fn give_up(&self, rule: &Rule, key: &str, refill: &Arc<Refill>) {
        let mut rules = self.0.lock();
        if let Some(lease) = rules.get_mut(rule.name()).and_then(|keys| keys.get_mut(key)) {
            lease.refill.take_if(|current| Arc::ptr_eq(current, refill));
        }
    }

    /// Puts back what was spent for a request that came to nothing, where the lease that it was spent from still lives.
    pub(super) fn put_back(&self, spent: &Refund) {
        let mut rules = self.0.lock();
        if let Some(lease) = rules.get_mut(spent.rule.name()).and_then(|keys| keys.get_mut(spent.key.text()))
            && let Some(held) = lease.held.as_mut().filter(|held| held.verdict.at == spent.taken_at)
        {
            held.left += spent.cost;
        }
    }

    /// Forgets a key, or all keys of a rule. What is held of them is lost.
    pub(super) fn forget(&self, rule: &str, key: Option<&str>) {
        let mut rules = self.0.lock();
        match key {
            Some(key) => drop(rules.get_mut(rule).and_then(|keys| keys.remove(key))),
            None => drop(rules.remove(rule)),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// The place of a key; `None` where there is no room for another one.
fn slot<'a>(rules: &'a mut HashMap<Box<str>, Keys>, rule: &str, key: &str, now: Instant) -> Option<&'a mut Lease> {
    if !rules.contains_key(rule) {
        rules.insert(rule.into(), Keys::new());
    }
    let keys = rules.get_mut(rule)?;
    if !keys.contains_key(key) {
        if keys.len() >= bounds::LEASED_KEYS {
            keys.retain(|_, lease| lease.wanted.is_hot(now));
        }
        if keys.len() >= bounds::LEASED_KEYS {
            return None;
        }
        keys.insert(key.into(), Lease::new(now));
    }
    keys.get_mut(key)
}

/// One key.
#[derive(Debug)]
struct Lease {
    wanted: Wanted,
    held: Option<Held>,
    scarce: Option<Scarce>,
    /// Whether the bucket was nearly empty when units were taken last, so that what is held of it ends soon.
    drains_soon: bool,
    refill: Option<Arc<Refill>>,
}

impl Lease {
    fn new(now: Instant) -> Self {
        let wanted = Wanted { since: now, current: 0, before: 0, hot_until: now };
        Self { wanted, held: None, scarce: None, drains_soon: true, refill: None }
    }

    fn draw(&mut self, rule: &StoredRule, cost: u64, now: Instant) -> Draw {
        if let Some(verdict) = self.held.as_mut().and_then(|held| held.spend(rule, cost, now)) {
            return Draw::Spent(verdict);
        }
        let share = rule.limit / bounds::LEASE_SHARE;
        if cost > share {
            return Draw::Cold;
        }
        if let Some(verdict) = self.scarce.as_ref().and_then(|scarce| scarce.verdict(cost, now)) {
            return Draw::Denied(verdict);
        }
        let batch = self.batch(rule).clamp(cost, share);
        Draw::Dry { refill: self.refill.get_or_insert_default().clone(), batch }
    }

    /// What was wanted lately; of a bucket that drains soon also what drains off meanwhile, so that something is left of it.
    fn batch(&self, rule: &StoredRule) -> u64 {
        let drained = millis(LEASE_LIFE).saturating_mul(rule.drain) / rule.weight;
        self.wanted.units().saturating_add(if self.drains_soon { drained } else { 0 })
    }

    fn fill(&mut self, rule: &StoredRule, filled: Filled, now: Instant) {
        match filled {
            Filled::Units { units, is_whole, verdict, asked_at } => {
                self.drains_soon = verdict.remaining > rule.limit / 2 && verdict.reset_ms < 2 * millis(LEASE_LIFE);
                self.held = Some(Held { rule: *rule, left: units, since: asked_at, until: now + LEASE_LIFE, verdict });
                self.scarce = (!is_whole).then(|| Scarce { cost: 1, since: now, until: now + LEASE_PAUSE, verdict });
            }
            Filled::Nothing { cost, verdict } => {
                self.drains_soon = false;
                let until = now + LEASE_PAUSE.max(Duration::from_millis(verdict.retry_ms));
                self.scarce = Some(Scarce { cost, since: now, until, verdict });
            }
        }
    }
}

/// Units that were wanted lately.
#[derive(Debug)]
struct Wanted {
    since: Instant,
    current: u64,
    before: u64,
    hot_until: Instant,
}

impl Wanted {
    fn add(&mut self, cost: u64, now: Instant) {
        let age = now.duration_since(self.since);
        if age >= 2 * LEASE_LIFE {
            // Where the store is slow everybody waits, and nothing is wanted meanwhile.
            let before = if self.is_hot(now) { self.units() } else { 0 };
            (self.since, self.current, self.before) = (now, 0, before);
        } else if age >= LEASE_LIFE {
            (self.since, self.current, self.before) = (self.since + LEASE_LIFE, 0, self.current);
        }
        self.current = self.current.saturating_add(cost);
        if self.current >= LEASE_HOT {
            self.hot_until = now + bounds::LEASE_COOLS;
        }
    }

    /// In the life of a lease.
    fn units(&self) -> u64 {
        self.current.max(self.before)
    }

    fn is_hot(&self, now: Instant) -> bool {
        now < self.hot_until
    }
}

/// Units that were taken ahead.
#[derive(Debug)]
struct Held {
    /// The numbers under which they were taken.
    rule: StoredRule,
    left: u64,
    /// When they were asked for: the server's clock was not before.
    since: Instant,
    until: Instant,
    /// Where the key stood after they were taken.
    verdict: Verdict,
}

impl Held {
    /// Spends units, as far as the bucket still counts so many.
    fn spend(&mut self, rule: &StoredRule, cost: u64, now: Instant) -> Option<Verdict> {
        if now >= self.until || self.rule != *rule {
            return None;
        }
        let passed = now.duration_since(self.since);
        // A millisecond each for what both clocks cut off, and one for the time to empty, which was rounded up.
        let passed_ms = millis(passed) + 2;
        let counted = self.verdict.reset_ms.saturating_sub(passed_ms + 1).saturating_mul(rule.drain) / rule.weight;
        self.left = self.left.min(counted);
        self.left = self.left.checked_sub(cost)?;
        let verdict = self.verdict.after_ms(millis(passed));
        Some(Verdict { remaining: verdict.remaining + self.left, ..verdict })
    }
}

/// That there is not enough for a cost, for a while.
#[derive(Debug)]
struct Scarce {
    cost: u64,
    since: Instant,
    until: Instant,
    verdict: Verdict,
}

impl Scarce {
    fn verdict(&self, cost: u64, now: Instant) -> Option<Verdict> {
        if now >= self.until || cost < self.cost {
            return None;
        }
        let verdict = self.verdict.after_ms(millis(now.duration_since(self.since)));
        let pause_ms = millis(self.until.duration_since(now)) + 1;
        let next_ms = if verdict.remaining < cost { verdict.next_ms } else { 0 };
        let retry_ms = verdict.retry_ms.max(next_ms).max(pause_ms);
        Some(Verdict { standing: Standing::Denied, remaining: verdict.remaining.min(cost - 1), retry_ms, ..verdict })
    }
}

#[cfg(test)]
mod tests;
