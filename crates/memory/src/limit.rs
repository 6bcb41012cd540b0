//! [`MemoryLimits`]: counts of one process.

use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher as _, RandomState},
};
use vestibule_core::{
    Answer,
    limit::{
        Decision, Demand, LimitKey, LimitStore, Matched, Refund, ResetPattern, Rule, Usage,
        bounds::{AFTERLIFE_MS, MEMORY_KEYS},
        decide, give_back, look, pardon,
    },
    time::Timestamp,
};

const SHARDS: usize = 64;
/// Of a full shard this part is forgotten at once, so that a flood of new keys does not look through all of it each time.
const FORGOTTEN: usize = 8;

/// Counts in process. Bounded: where there are too many keys, those whose counts end soonest are forgotten.
pub struct MemoryLimits {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    keys: usize,
}

impl fmt::Debug for MemoryLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryLimits")
    }
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self::new(MEMORY_KEYS)
    }
}

type Name = (Box<str>, LimitKey);

#[derive(Debug, Default)]
struct Shard {
    usages: HashMap<Name, Kept>,
}

#[derive(Debug)]
struct Kept {
    usage: Usage,
    until: Timestamp,
}

impl Shard {
    fn get(&self, name: &Name, now: Timestamp) -> Option<Usage> {
        self.usages.get(name).filter(|kept| kept.until > now).map(|kept| kept.usage.clone())
    }

    fn put(&mut self, name: Name, kept: Kept, bound: usize, now: Timestamp) {
        if self.usages.len() >= bound && !self.usages.contains_key(&name) {
            self.usages.retain(|_, kept| kept.until > now);
            self.forget_soonest(bound);
        }
        self.usages.insert(name, kept);
    }

    fn forget_soonest(&mut self, bound: usize) {
        if self.usages.len() < bound {
            return;
        }
        let mut ends: Vec<Timestamp> = self.usages.values().map(|kept| kept.until).collect();
        let place = ends.len() / FORGOTTEN;
        let (_, end, _) = ends.select_nth_unstable(place);
        let end = *end;
        let mut room = place + 1;
        self.usages.retain(|_, kept| {
            let goes = kept.until <= end && room > 0;
            room -= usize::from(goes);
            !goes
        });
        metrics::counter!("vestibule_limit_keys_forgotten_total").increment((place + 1) as u64);
    }
}

impl MemoryLimits {
    /// Counts of so many keys at most.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), keys: keys.div_ceil(SHARDS).max(1) }
    }

    /// Keys that are held.
    #[must_use]
    pub fn keys_held(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().usages.len()).sum()
    }

    fn place(&self, name: &Name) -> usize {
        self.hasher.hash_one(name) as usize % SHARDS
    }

    /// All shards of these names, locked in order.
    fn lock(&self, names: &[Name]) -> Locked<'_> {
        let mut places: Vec<usize> = names.iter().map(|name| self.place(name)).collect();
        places.sort_unstable();
        places.dedup();
        Locked(places.into_iter().map(|place| (place, self.shards[place].lock())).collect())
    }
}

/// Shards of one step.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl Locked<'_> {
    fn shard(&mut self, place: usize) -> &mut Shard {
        let at = self.0.binary_search_by_key(&place, |(place, _)| *place).expect("every shard of a step is locked before it");
        &mut self.0[at].1
    }
}

fn name(rule: &str, key: &LimitKey) -> Name {
    (rule.into(), key.clone())
}

fn kept(usage: Usage, rule: &Rule, now: Timestamp) -> Kept {
    let until = now.plus_ms(usage.life_ms(rule.numbers(), now) + AFTERLIFE_MS);
    Kept { usage, until }
}

impl MemoryLimits {
    fn decide(&self, demands: &[Demand], now: Timestamp) -> Decision {
        let names: Vec<Name> = demands.iter().map(|demand| name(demand.rule.name(), &demand.key)).collect();
        let mut locked = self.lock(&names);
        let held = names.iter().map(|name| locked.shard(self.place(name)).get(name, now)).collect();
        let (decision, changed) = decide(demands, held, now);
        for (place, usage) in changed {
            let name = names[place].clone();
            let kept = kept(usage, &demands[place].rule, now);
            locked.shard(self.place(&name)).put(name, kept, self.keys, now);
        }
        decision
    }

    fn look(&self, demands: &[Demand], now: Timestamp) -> Decision {
        let names: Vec<Name> = demands.iter().map(|demand| name(demand.rule.name(), &demand.key)).collect();
        let mut locked = self.lock(&names);
        let held = names.iter().map(|name| locked.shard(self.place(name)).get(name, now)).collect();
        look(demands, held, now)
    }

    fn refund_one(&self, refund: &Refund, now: Timestamp) {
        let name = name(refund.rule.name(), &refund.key);
        let mut shard = self.shards[self.place(&name)].lock();
        let held = shard.get(&name, now);
        if let Some(usage) = give_back(held, refund.rule.numbers(), refund.cost, refund.taken_at, now) {
            shard.put(name, kept(usage, &refund.rule, now), self.keys, now);
        }
    }

    fn pardon_one(&self, rule: &Rule, key: &LimitKey, now: Timestamp) {
        let name = name(rule.name(), key);
        let mut shard = self.shards[self.place(&name)].lock();
        match pardon(shard.get(&name, now), rule.numbers(), now) {
            Some(usage) => shard.put(name, kept(usage, rule, now), self.keys, now),
            None => {
                shard.usages.remove(&name);
            }
        }
    }

    fn reset_all(&self, pattern: &ResetPattern) -> Matched {
        let mut matched = Matched::default();
        for shard in &self.shards {
            shard.lock().usages.retain(|(rule, key), _| {
                let meant = *rule == pattern.rule && pattern.matches(key.text());
                if meant {
                    matched.add(key.text());
                }
                !meant || pattern.dry_run
            });
        }
        matched
    }
}

impl LimitStore for MemoryLimits {
    fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(async move { Ok(self.decide(demands, now)) })
    }

    fn costs_a_trip(&self) -> bool {
        false
    }

    fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(async move { Ok(self.look(demands, now)) })
    }

    fn refund<'a>(&'a self, refunds: &'a [Refund], now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            refunds.iter().for_each(|refund| self.refund_one(refund, now));
            Ok(())
        })
    }

    fn reset<'a>(&'a self, rule: &'a str, key: &'a LimitKey) -> Answer<'a, bool> {
        Box::pin(async move {
            let name = name(rule, key);
            Ok(self.shards[self.place(&name)].lock().usages.remove(&name).is_some())
        })
    }

    fn pardon<'a>(&'a self, rule: &'a Rule, key: &'a LimitKey, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            self.pardon_one(rule, key, now);
            Ok(())
        })
    }

    fn reset_matching<'a>(&'a self, pattern: &'a ResetPattern) -> Answer<'a, Matched> {
        Box::pin(async move { Ok(self.reset_all(pattern)) })
    }
}
