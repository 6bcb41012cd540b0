//! Puzzles: whoever is denied may work instead of waiting.
//!
//! A puzzle is a text that only we can make: sealed under the key ring, it holds when it expires and how hard it is, and is bound to
//! one rule and key. Nothing is kept of it before it is solved. A solution is any text for which SHA-256 of `puzzle:solution` begins with so many zero
//! bits; it is taken once.

use super::{
    Algorithm, Counted, Demand, Level, LimitKey, Limiter, OnStoreFailure, Rate, Rule, RuleOptions, bounds, service::Ask,
};
use crate::{fault::Fault, secret::KeyRing, time::Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Work instead of waiting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Puzzle {
    /// The text.
    pub puzzle: String,
    /// Zero bits that a solution needs.
    pub difficulty: u8,
    /// Until when it is taken.
    pub expires_at: Timestamp,
}

/// What became of a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solved {
    /// It is right: the key begins anew.
    Cleared,
    /// It is wrong, or belongs to another rule or key.
    Wrong,
    /// It came too late.
    Expired,
    /// It was taken before.
    Used,
}

impl Solved {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }
}

/// Makes and judges puzzles.
#[derive(Debug)]
pub(super) struct Puzzles {
    ring: Arc<KeyRing>,
    used: Arc<Rule>,
}

impl Puzzles {
    pub(super) fn new(ring: Arc<KeyRing>) -> Self {
        // Its name has a dot, which those of configurations have not. One use in longer than a puzzle lives.
        let used = RuleOptions {
            name: "puzzle.used".into(),
            level: Level::Custom,
            algorithm: Algorithm::Concurrent,
            rate: Rate { count: 1, period: 2 * bounds::PUZZLE_LIFE },
            burst: None,
            on_store_failure: OnStoreFailure::Closed,
            shadow: false,
            counted: Counted::All,
            penalty: None,
            challenge: false,
        };
        Self { ring, used: Rule::new(used).expect("a sound rule").shared() }
    }

    fn context(ask: &Ask) -> Vec<u8> {
        [b"limit puzzle\0", ask.rule().name().as_bytes(), b"\0", ask.key().text().as_bytes()].concat()
    }

    fn make(&self, ask: &Ask, strikes: u64, now: Timestamp) -> Puzzle {
        let expires_at = now.plus_ms(crate::time::millis(bounds::PUZZLE_LIFE));
        let harder = strikes.saturating_mul(bounds::PUZZLE_BITS_A_STRIKE).min(bounds::PUZZLE_BITS.1 - bounds::PUZZLE_BITS.0);
        let difficulty = u8::try_from(bounds::PUZZLE_BITS.0 + harder).unwrap_or(u8::MAX);
        let mut plain = expires_at.millis().to_le_bytes().to_vec();
        plain.push(difficulty);
        let sealed = self.ring.seal(&Self::context(ask), &plain);
        Puzzle { puzzle: URL_SAFE_NO_PAD.encode(sealed), difficulty, expires_at }
    }

    /// Whether a solution is right, without regard to whether it was taken before.
    fn judge(&self, ask: &Ask, puzzle: &str, solution: &str, now: Timestamp) -> Solved {
        if puzzle.len() > bounds::PUZZLE_BYTES || solution.len() > bounds::PUZZLE_BYTES {
            return Solved::Wrong;
        }
        let opened = URL_SAFE_NO_PAD.decode(puzzle).ok().and_then(|sealed| self.ring.open(&Self::context(ask), &sealed).ok());
        let read = opened.as_deref().and_then(|plain| plain.split_first_chunk::<8>());
        let Some((expires_at, [difficulty])) = read else { return Solved::Wrong };
        if Timestamp::from_millis(u64::from_le_bytes(*expires_at)) <= now {
            Solved::Expired
        } else if zero_bits(puzzle, solution) >= u32::from(*difficulty) {
            Solved::Cleared
        } else {
            Solved::Wrong
        }
    }
}

/// The zero bits with which the digest of a solution begins.
fn zero_bits(puzzle: &str, solution: &str) -> u32 {
    let digest = Sha256::new_with_prefix(puzzle).chain_update(":").chain_update(solution).finalize();
    let whole = digest.iter().take_while(|byte| **byte == 0).count();
    whole as u32 * 8 + digest.get(whole).map_or(0, |byte| byte.leading_zeros())
}

impl Limiter {
    /// A puzzle for whoever is denied by this rule and key; the more strikes, the harder.
    #[must_use]
    pub fn puzzle(&self, ask: &Ask, strikes: u64) -> Puzzle {
        self.puzzles.make(ask, strikes, self.clock.now())
    }

    /// Takes a solution: where it is right, and for the first time, the key begins anew.
    ///
    /// # Errors
    /// A [`Fault`] of the store; the solution may be used up then.
    pub async fn solve(&self, ask: &Ask, puzzle: &str, solution: &str) -> Result<Solved, Fault> {
        let now = self.clock.now();
        let solved = self.puzzles.judge(ask, puzzle, solution, now);
        if solved != Solved::Cleared {
            return Ok(solved);
        }
        // A puzzle has one spelling only: other ones of the same bytes were not decoded.
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(puzzle));
        let Ok(key) = LimitKey::new(&digest) else { return Ok(Solved::Wrong) };
        let first = Demand { rule: self.puzzles.used.clone(), key, cost: 1 };
        if !self.store.check(&[first], now).await?.granted {
            return Ok(Solved::Used);
        }
        self.reset(ask).await?;
        metrics::counter!("vestibule_limit_puzzles_solved_total", "rule" => ask.rule().name().to_owned()).increment(1);
        Ok(Solved::Cleared)
    }
}

/// Solves a puzzle, as a client does; for tests and clients in Rust. Expensive: about two to the power of the difficulty digests.
#[must_use]
pub fn solution_of(puzzle: &Puzzle) -> String {
    let is_right = |number: &u64| zero_bits(&puzzle.puzzle, &number.to_string()) >= u32::from(puzzle.difficulty);
    (0..=u64::MAX).find(is_right).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::{LocalBus, Repeats},
        deployment::Deployment,
        event::Observer,
        limit::{Addresses, Decision, LimitStore, Matched, Refund, ResetPattern},
        limit::{LimiterParts, decide::decide, rule::tests::options},
        time::Clock,
    };
    use parking_lot::Mutex;
    use std::{collections::HashSet, time::Duration};

    /// Knows only which keys it has seen.
    #[derive(Debug, Default)]
    struct Once(Mutex<HashSet<Box<str>>>);

    impl LimitStore for Once {
        fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> crate::Answer<'a, Decision> {
            let fresh = self.0.lock().insert(demands[0].key.text().into());
            let mut decision = decide(demands, vec![None; demands.len()], now).0;
            decision.granted = fresh;
            Box::pin(async move { Ok(decision) })
        }

        fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> crate::Answer<'a, Decision> {
            self.check(demands, now)
        }

        fn refund<'a>(&'a self, _: &'a [Refund], _: Timestamp) -> crate::Answer<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn reset<'a>(&'a self, _: &'a str, _: &'a LimitKey) -> crate::Answer<'a, bool> {
            Box::pin(async { Ok(true) })
        }

        fn reset_matching<'a>(&'a self, _: &'a ResetPattern) -> crate::Answer<'a, Matched> {
            Box::pin(async { Ok(Matched::default()) })
        }
    }

    fn limiter(clock: Clock) -> Arc<Limiter> {
        let rule = Rule::new(options(Algorithm::Gcra, 1, Duration::from_secs(60))).expect("a rule");
        Limiter::start(LimiterParts {
            store: Arc::new(Once::default()),
            fallback: Arc::new(Once::default()),
            bus: Arc::new(LocalBus::new(Repeats::Told)),
            deployment: Deployment::new(&[1; 32]),
            ring: Arc::new(KeyRing::ephemeral()),
            rules: [rule].into_iter().collect(),
            addresses: Addresses::default(),
            observer: Observer::new().0,
            clock,
        })
    }

    #[tokio::test]
    async fn a_solution_is_taken_once_for_its_key_and_in_time() {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let limiter = limiter(clock);
        let (mine, other) = (limiter.ask("rule", "mine", 1).expect("a rule"), limiter.ask("rule", "other", 1).expect("a rule"));
        let puzzle = limiter.puzzle(&mine, 0);
        let solution = solution_of(&puzzle);
        assert_eq!(limiter.solve(&other, &puzzle.puzzle, &solution).await, Ok(Solved::Wrong), "another key");
        assert_eq!(limiter.solve(&mine, &puzzle.puzzle, "x").await, Ok(Solved::Wrong));
        assert_eq!(limiter.solve(&mine, &puzzle.puzzle, &solution).await, Ok(Solved::Cleared));
        assert_eq!(limiter.solve(&mine, &puzzle.puzzle, &solution).await, Ok(Solved::Used));
        let late = limiter.puzzle(&mine, 0);
        let solution = solution_of(&late);
        hand.advance(bounds::PUZZLE_LIFE);
        assert_eq!(limiter.solve(&mine, &late.puzzle, &solution).await, Ok(Solved::Expired));
        for garbage in ["", "AAAA", &"A".repeat(300)] {
            assert_eq!(limiter.solve(&mine, garbage, "1").await, Ok(Solved::Wrong));
        }
    }

    #[tokio::test]
    async fn strikes_make_puzzles_harder_up_to_a_bound() {
        let limiter = limiter(Clock::system());
        let ask = limiter.ask("rule", "k", 1).expect("a rule");
        assert_eq!([0, 1, 2, 9, u64::MAX].map(|strikes| limiter.puzzle(&ask, strikes).difficulty), [16, 18, 20, 24, 24]);
    }
}
