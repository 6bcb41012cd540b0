//! [`DeniedKeys`]: keys of which it is known that they are denied for a while, so that asking costs nothing.

use super::{Verdict, bounds};
use crate::time::millis;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const SHARDS: usize = 16;
const SHARD_KEYS: usize = bounds::DENIED_KEYS / SHARDS;

/// Denied keys of all rules, [`bounds::DENIED_KEYS`] at most.
#[derive(Debug, Default)]
pub(super) struct DeniedKeys {
    shards: [Mutex<HashMap<u64, Denied>>; SHARDS],
    hasher: RandomState,
    /// Grows with whatever is forgotten.
    forgotten: AtomicU64,
}

/// How often something had been forgotten before a question. Its answer may be older than what was forgotten since, and is not remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// A denial to be remembered.
#[derive(Debug)]
pub(super) struct Denial<'a> {
    pub(super) rule: &'a str,
    pub(super) key: &'a str,
    /// The cost that was denied.
    pub(super) cost: u64,
    pub(super) verdict: Verdict,
    /// Of the whole request that was denied.
    pub(super) together: Arc<[Told]>,
    pub(super) lasts: Duration,
    /// When it was asked for.
    pub(super) epoch: Epoch,
}

/// What the store said of a key of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) rule: Box<str>,
    pub(super) key: Box<str>,
    pub(super) cost: u64,
    pub(super) verdict: Verdict,
}

/// A denial that is remembered, as it stands now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) verdict: Verdict,
    /// Of the whole request that was denied.
    together: Arc<[Told]>,
    passed_ms: u64,
}

impl Remembered {
    /// What was said of another key of the same request, unless that was a denial that is over by now or was of a higher cost.
    pub(super) fn beside(&self, rule: &str, key: &str, cost: u64) -> Option<Verdict> {
        let told = self.together.iter().find(|told| *told.rule == *rule && *told.key == *key)?;
        let is_denied = told.verdict.retry_ms > self.passed_ms && told.cost <= cost;
        (told.verdict.allowed() || is_denied).then(|| told.verdict.after_ms(self.passed_ms))
    }
}

impl From<Verdict> for Remembered {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, together: Arc::default(), passed_ms: 0 }
    }
}

#[derive(Debug)]
struct Denied {
    rule: Box<str>,
    key: Box<str>,
    /// The smallest cost that was denied.
    cost: u64,
    verdict: Verdict,
    together: Arc<[Told]>,
    since: Instant,
    until: Instant,
    hits: u64,
}

impl Denied {
    fn is_of(&self, rule: &str, key: &str) -> bool {
        *self.rule == *rule && *self.key == *key
    }

    /// What the store said, as if it was asked now.
    fn at(&self, now: Instant) -> Remembered {
        let passed_ms = millis(now.duration_since(self.since));
        Remembered { verdict: self.verdict.after_ms(passed_ms), together: self.together.clone(), passed_ms }
    }
}

/// A key that is denied often.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TopKey {
    /// The rule.
    pub rule: Box<str>,
    /// The key.
    pub key: Box<str>,
    /// How often this process denied it since it remembers it.
    pub denied: u64,
}

impl DeniedKeys {
    fn shard(&self, rule: &str, key: &str) -> (u64, &Mutex<HashMap<u64, Denied>>) {
        let hash = self.hasher.hash_one((rule, key));
        (hash, &self.shards[(hash >> 60) as usize % SHARDS])
    }

    /// What is known of a key, if it is known to be denied at this cost.
    pub(super) fn get(&self, rule: &str, key: &str, cost: u64, now: Instant) -> Option<Remembered> {
        let (hash, shard) = self.shard(rule, key);
        let mut shard = shard.lock();
        let denied =
            shard.get_mut(&hash).filter(|denied| denied.until > now && denied.cost <= cost && denied.is_of(rule, key))?;
        denied.hits += 1;
        Some(denied.at(now))
    }

    /// To be read before the store is asked.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.forgotten.load(Ordering::Acquire))
    }

    /// Remembers a denial for a time, unless anything was forgotten since it was asked for.
    pub(super) fn add(&self, denial: Denial<'_>, now: Instant) {
        let Denial { rule, key, cost, verdict, together, lasts, epoch } = denial;
        let (hash, shard) = self.shard(rule, key);
        let mut shard = shard.lock();
        // Under the lock: whoever forgets later removes what is added here.
        if self.epoch() != epoch {
            return;
        }
        if shard.len() >= SHARD_KEYS && !shard.contains_key(&hash) {
            shard.retain(|_, denied| denied.until > now);
            if shard.len() >= SHARD_KEYS {
                shard.clear();
            }
        }
        let hits = shard.get(&hash).filter(|denied| denied.is_of(rule, key)).map_or(0, |denied| denied.hits);
        let (rule, key) = (rule.into(), key.into());
        shard.insert(hash, Denied { rule, key, cost, verdict, together, since: now, until: now + lasts, hits: hits + 1 });
    }

    /// Forgets a key, or all keys of a rule.
    pub(super) fn forget(&self, rule: &str, key: Option<&str>) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        match key {
            Some(key) => {
                let (hash, shard) = self.shard(rule, key);
                shard.lock().remove(&hash);
            }
            None => self.shards.iter().for_each(|shard| shard.lock().retain(|_, denied| *denied.rule != *rule)),
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.forgotten.fetch_add(1, Ordering::AcqRel);
        self.shards.iter().for_each(|shard| shard.lock().clear());
    }

    /// The keys that were denied most often.
    pub(super) fn top(&self, limit: usize) -> Vec<TopKey> {
        let mut top: Vec<TopKey> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            top.extend(shard.values().map(|denied| TopKey {
                rule: denied.rule.clone(),
                key: denied.key.clone(),
                denied: denied.hits,
            }));
        }
        top.sort_unstable_by(|a, b| b.denied.cmp(&a.denied).then_with(|| (&a.rule, &a.key).cmp(&(&b.rule, &b.key))));
        top.truncate(limit);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{limit::Standing, time::Timestamp};

    const VERDICT: Verdict = Verdict {
        at: Timestamp::from_millis(0),
        standing: Standing::Denied,
        limit: 5,
        remaining: 0,
        next_ms: 400,
        reset_ms: 9_000,
        retry_ms: 5_000,
        strikes: 0,
    };

    fn denial<'a>(keys: &DeniedKeys, rule: &'a str, key: &'a str, cost: u64) -> Denial<'a> {
        let (together, lasts) = (Arc::default(), Duration::from_secs(5));
        Denial { rule, key, cost, verdict: VERDICT, together, lasts, epoch: keys.epoch() }
    }

    /// L6
    #[test]
    fn a_denied_key_is_remembered_until_it_may_ask_again() {
        let (keys, now) = (DeniedKeys::default(), Instant::now());
        keys.add(denial(&keys, "login", "10.0.0.1", 2), now);
        let later = now + Duration::from_secs(4);
        let verdict = keys.get("login", "10.0.0.1", 2, later).expect("denied").verdict;
        assert_eq!((verdict.retry_ms, verdict.reset_ms, verdict.next_ms), (1_000, 5_000, 1));
        assert_eq!(keys.get("login", "10.0.0.1", 1, later), None, "less may fit in");
        assert_eq!(keys.get("login", "10.0.0.2", 2, later), None);
        assert_eq!(keys.get("other", "10.0.0.1", 2, later), None);
        assert_eq!(keys.get("login", "10.0.0.1", 2, now + Duration::from_secs(5)), None);
        keys.forget("login", Some("10.0.0.1"));
        assert_eq!(keys.get("login", "10.0.0.1", 2, later), None);
    }

    /// L3
    #[test]
    fn the_other_keys_of_a_request_are_remembered_with_it() {
        let (keys, now) = (DeniedKeys::default(), Instant::now());
        let free = Verdict { standing: Standing::Allowed, remaining: 3, retry_ms: 0, ..VERDICT };
        let brief = Verdict { retry_ms: 1_000, ..VERDICT };
        let told = |rule: &str, cost, verdict| Told { rule: rule.into(), key: "k".into(), cost, verdict };
        let together = Arc::new([told("ip", 1, free), told("user", 2, brief)]);
        keys.add(Denial { together, ..denial(&keys, "all", "k", 1) }, now);
        let remembered = |ms| keys.get("all", "k", 1, now + Duration::from_millis(ms)).expect("denied");
        let beside = |ms, rule, cost| remembered(ms).beside(rule, "k", cost);
        assert_eq!(beside(900, "ip", 1).map(|verdict| (verdict.remaining, verdict.reset_ms)), Some((3, 8_100)));
        assert_eq!(beside(900, "user", 2).map(|verdict| verdict.retry_ms), Some(100));
        assert_eq!([beside(900, "user", 1), beside(1_000, "user", 2), beside(0, "other", 1)], [None, None, None]);
    }

    /// L22
    #[test]
    fn an_answer_that_was_on_its_way_when_its_key_was_forgotten_is_not_remembered() {
        let (keys, now) = (DeniedKeys::default(), Instant::now());
        let forgets: [fn(&DeniedKeys); 3] =
            [|keys| keys.forget("login", Some("k")), |keys| keys.forget("login", None), DeniedKeys::clear];
        for forget in forgets {
            let late = denial(&keys, "login", "k", 1);
            forget(&keys);
            keys.add(late, now);
            assert_eq!(keys.get("login", "k", 1, now), None);
            keys.add(denial(&keys, "login", "k", 1), now);
            assert!(keys.get("login", "k", 1, now).is_some(), "asked for afterwards");
        }
    }

    /// L16
    #[test]
    fn what_is_remembered_is_bounded() {
        let (keys, now) = (DeniedKeys::default(), Instant::now());
        for number in 0..3 * bounds::DENIED_KEYS {
            keys.add(denial(&keys, "ip", &number.to_string(), 1), now);
        }
        let held: usize = keys.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(held <= bounds::DENIED_KEYS, "{held}");
        for _ in 0..7 {
            keys.add(denial(&keys, "ip", "worst", 1), now);
        }
        let worst = TopKey { rule: "ip".into(), key: "worst".into(), denied: 7 };
        assert_eq!(keys.top(1), [worst]);
        keys.forget("ip", None);
        assert!(keys.top(1).is_empty());
    }
}
