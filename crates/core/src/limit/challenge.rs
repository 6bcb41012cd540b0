//! Challenges: what whoever is denied may do instead of waiting.
//!
//! Usually that is work at a [`Puzzle`]. Where a [`ChallengeVerifier`] is given it is what that one judges, such as a widget that tells people
//! from machines, and puzzles are neither made nor taken.
//!
//! A solution is taken once, by all nodes together: it is marked as used where limits are counted, before anything else happens for it.
//! Then the key begins anew. Its strikes stay, so that whoever goes on as before is denied sooner for longer, and works harder.

use super::{
    Algorithm, Checked, Counted, Demand, Level, LimitKey, Limiter, OnStoreFailure, Outcome, Rate, Refund, Rule, RuleOptions,
    bounds,
    puzzle::{Puzzle, Puzzles},
    service::Ask,
};
use crate::{fault::Fault, secret::KeyRing};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::{fmt, net::IpAddr, pin::Pin, sync::Arc};

/// What is asked of whoever is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// Work.
    Puzzle(Puzzle),
    /// A response that the [`ChallengeVerifier`] takes.
    Response,
}

/// What whoever was challenged brings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Solution<'a> {
    /// Work that was done.
    Work {
        /// The text of the puzzle.
        puzzle: &'a str,
        /// The text that was found.
        text: &'a str,
    },
    /// A response for the [`ChallengeVerifier`].
    Response {
        /// As the client got it.
        text: &'a str,
        /// Where the client is.
        client: Option<IpAddr>,
    },
}

impl fmt::Debug for Solution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Work { .. } => "Work(redacted)",
            Self::Response { .. } => "Response(redacted)",
        })
    }
}

/// What became of a solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solved {
    /// It is right: the key begins anew.
    Cleared,
    /// It is wrong, belongs to another rule or key, or is not of the kind that is asked for.
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

/// Why nobody can tell whether a solution is right. None of it ever counts as right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// The store of limits failed; the solution may be used up.
    #[error("a challenge cannot be cleared")]
    Store(#[from] Fault),
    /// The verifier failed; the same response may be brought again.
    #[error("a challenge cannot be judged")]
    Verifier(#[from] VerifierFault),
}

/// Why a verifier did not judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifierFault {
    /// It did not answer, or not as a verifier does. The text is for the operator.
    #[error("the verifier of challenges did not answer: {0}")]
    Unavailable(String),
    /// Too much is under way.
    #[error("too many responses are being verified")]
    Busy,
    /// It refuses us until an operator changes something; the text says what.
    #[error("the verifier of challenges is misconfigured: {0}")]
    Misconfigured(String),
}

/// What a verifier answers: whether a response is right, or why it cannot say.
pub type VerifierAnswer<'a> = Pin<Box<dyn Future<Output = Result<bool, VerifierFault>> + Send + 'a>>;

/// Judges the responses of another service's challenges.
pub trait ChallengeVerifier: fmt::Debug + Send + Sync {
    /// Whether a response is right. It is asked once for each response; a bound on the time of an answer is the verifier's matter.
    fn verify<'a>(&'a self, response: &'a str, client: Option<IpAddr>) -> VerifierAnswer<'a>;
}

/// Makes and judges challenges.
#[derive(Debug)]
pub(super) struct Challenges {
    puzzles: Puzzles,
    verifier: Option<Arc<dyn ChallengeVerifier>>,
    /// Counts uses of solutions: one each.
    used: Arc<Rule>,
}

impl Challenges {
    pub(super) fn new(ring: Arc<KeyRing>, verifier: Option<Arc<dyn ChallengeVerifier>>) -> Self {
        let used = RuleOptions {
            // No configuration has a rule with a dot in its name.
            name: "challenge.used".into(),
            level: Level::Custom,
            algorithm: Algorithm::Concurrent,
            rate: Rate { count: 1, period: bounds::SOLUTION_LIFE },
            burst: None,
            on_store_failure: OnStoreFailure::Closed,
            shadow: false,
            counted: Counted::All,
            penalty: None,
            challenge: false,
            lease: None,
        };
        Self { puzzles: Puzzles::new(ring), verifier, used: Rule::new(used).expect("a sound rule").shared() }
    }

    /// One use of a solution. A puzzle has one spelling only, and so is used up whatever solves it.
    fn use_of(&self, solution: Solution<'_>) -> Demand {
        let (Solution::Work { puzzle: text, .. } | Solution::Response { text, .. }) = solution;
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        let key = LimitKey::new(&digest).expect("a digest is short and printable");
        Demand { rule: self.used.clone(), key, cost: 1 }
    }
}

impl Limiter {
    /// What is asked of whoever was denied by this check, and for which rule and key; `None` where only waiting helps.
    #[must_use]
    pub fn challenge<'a>(&self, checked: &'a Checked) -> Option<(&'a Ask, Challenge)> {
        let (ask, Outcome::Challenge { strikes, .. }) = (checked.challenged()?, checked.outcome) else { return None };
        let challenge = match self.challenges.verifier {
            Some(_) => Challenge::Response,
            None => Challenge::Puzzle(self.challenges.puzzles.make(ask, strikes, self.clock.now())),
        };
        Some((ask, challenge))
    }

    /// Whether responses for a [`ChallengeVerifier`] are taken, and work is not.
    #[must_use]
    pub fn wants_responses(&self) -> bool {
        self.challenges.verifier.is_some()
    }

    /// Takes a solution: where it is right, and for the first time, the key begins anew. Two round trips, and for a response the
    /// verifier's.
    ///
    /// # Errors
    /// [`SolveError`]; the key stands as before.
    ///
    /// # Cancel safety
    /// A solution whose future is dropped may be used up.
    pub async fn solve(&self, ask: &Ask, solution: Solution<'_>) -> Result<Solved, SolveError> {
        let solved = match (solution, &self.challenges.verifier) {
            (Solution::Work { puzzle, text }, None) => self.solve_puzzle(ask, puzzle, text).await?,
            (Solution::Response { text, client }, Some(verifier)) => self.solve_response(&**verifier, text, client).await?,
            _ => Solved::Wrong,
        };
        if solved == Solved::Cleared {
            self.pardon(ask).await?;
        }
        let (rule, outcome) = (ask.rule().name().to_owned(), solved.as_str());
        metrics::counter!("vestibule_limit_solutions_total", "rule" => rule, "outcome" => outcome).increment(1);
        Ok(solved)
    }

    async fn solve_puzzle(&self, ask: &Ask, puzzle: &str, text: &str) -> Result<Solved, SolveError> {
        let solved = self.challenges.puzzles.judge(ask, puzzle, text, self.clock.now());
        if solved != Solved::Cleared {
            return Ok(solved);
        }
        let used = self.use_up(Solution::Work { puzzle, text }).await?;
        Ok(if used.is_some() { Solved::Cleared } else { Solved::Used })
    }

    async fn solve_response(
        &self,
        verifier: &dyn ChallengeVerifier,
        text: &str,
        client: Option<IpAddr>,
    ) -> Result<Solved, SolveError> {
        if text.is_empty() || text.len() > bounds::RESPONSE_BYTES {
            return Ok(Solved::Wrong);
        }
        let Some(used) = self.use_up(Solution::Response { text, client }).await? else { return Ok(Solved::Used) };
        match verifier.verify(text, client).await {
            Ok(is_right) => Ok(if is_right { Solved::Cleared } else { Solved::Wrong }),
            Err(fault) => {
                tracing::warn!(error = %fault, "a response to a challenge was not verified");
                // Nothing was learnt. Where this fails the client needs another response.
                let _ = self.store.refund(&[used], self.clock.now()).await;
                Err(fault.into())
            }
        }
    }

    /// Uses a solution up: how to undo it; `None` where it was used before.
    async fn use_up(&self, solution: Solution<'_>) -> Result<Option<Refund>, Fault> {
        let demand = self.challenges.use_of(solution);
        let decision = self.store.check(std::slice::from_ref(&demand), self.clock.now()).await?;
        let taken = decision.verdicts.first().filter(|_| decision.granted);
        let Demand { rule, key, cost } = demand;
        Ok(taken.map(|verdict| Refund { rule, key, cost, taken_at: verdict.at }))
    }

    /// Lets a key begin anew, but for its strikes, on all nodes within a second.
    async fn pardon(&self, ask: &Ask) -> Result<(), Fault> {
        self.store.pardon(ask.rule(), ask.key(), self.clock.now()).await?;
        // In memory: cannot fail.
        let _ = self.fallback.pardon(ask.rule(), ask.key(), self.clock.now()).await;
        self.tell(ask.rule().name(), Some(ask.key().text()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Answer,
        bus::{LocalBus, Repeats},
        deployment::Deployment,
        event::Observer,
        limit::{Decision, LimitStore, LimiterParts, Matched, ResetPattern, decide, rule::tests::options, solution_of},
        time::{Clock, Timestamp},
    };
    use parking_lot::Mutex;
    use std::{collections::HashSet, time::Duration};

    /// Grants each key once.
    #[derive(Debug, Default)]
    struct Once(Mutex<HashSet<Box<str>>>);

    impl LimitStore for Once {
        fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
            let fresh = self.0.lock().insert(demands[0].key.text().into());
            let mut decision = decide(demands, vec![None; demands.len()], now).0;
            decision.granted = fresh;
            Box::pin(async move { Ok(decision) })
        }

        fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
            self.check(demands, now)
        }

        fn refund<'a>(&'a self, refunds: &'a [Refund], _: Timestamp) -> Answer<'a, ()> {
            for refund in refunds {
                self.0.lock().remove(refund.key.text());
            }
            Box::pin(async { Ok(()) })
        }

        fn reset<'a>(&'a self, _: &'a str, _: &'a LimitKey) -> Answer<'a, bool> {
            Box::pin(async { Ok(true) })
        }

        fn pardon<'a>(&'a self, _: &'a Rule, _: &'a LimitKey, _: Timestamp) -> Answer<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn reset_matching<'a>(&'a self, _: &'a ResetPattern) -> Answer<'a, Matched> {
            Box::pin(async { Ok(Matched::default()) })
        }
    }

    /// Says yes to `right`, and is away for `away` until it is back.
    #[derive(Debug, Default)]
    struct Verifier {
        asked: Mutex<Vec<String>>,
        is_back: std::sync::atomic::AtomicBool,
    }

    impl ChallengeVerifier for Verifier {
        fn verify<'a>(&'a self, response: &'a str, _: Option<IpAddr>) -> VerifierAnswer<'a> {
            self.asked.lock().push(response.to_owned());
            let is_back = self.is_back.load(std::sync::atomic::Ordering::SeqCst);
            Box::pin(async move {
                match response {
                    "away" if !is_back => Err(VerifierFault::Busy),
                    other => Ok(other == "right" || other == "away"),
                }
            })
        }
    }

    fn limiter(clock: Clock, verifier: Option<Arc<dyn ChallengeVerifier>>) -> Arc<Limiter> {
        let rule = Rule::new(options(Algorithm::Gcra, 1, Duration::from_secs(60))).expect("a rule");
        Limiter::start(LimiterParts {
            store: Arc::new(Once::default()),
            fallback: Arc::new(Once::default()),
            bus: Arc::new(LocalBus::new(Repeats::Told)),
            deployment: Deployment::new(&[1; 32]),
            ring: Arc::new(KeyRing::ephemeral()),
            verifier,
            rules: [rule].into_iter().collect(),
            observer: Observer::new().0,
            clock,
        })
    }

    #[tokio::test]
    async fn work_is_taken_once_for_its_key_and_in_time() {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let limiter = limiter(clock, None);
        let (mine, other) = (limiter.ask("rule", "mine", 1).expect("a rule"), limiter.ask("rule", "other", 1).expect("a rule"));
        let made = || limiter.challenges.puzzles.make(&mine, 0, limiter.clock.now());
        let puzzle = made();
        let text = solution_of(&puzzle);
        let (puzzle, late) = (puzzle.puzzle.as_str(), made());
        let work = |text| Solution::Work { puzzle, text };
        assert_eq!(limiter.solve(&other, work(&text)).await, Ok(Solved::Wrong), "another key");
        assert_eq!(limiter.solve(&mine, work("x")).await, Ok(Solved::Wrong));
        assert_eq!(limiter.solve(&mine, Solution::Response { text: "right", client: None }).await, Ok(Solved::Wrong));
        assert_eq!(limiter.solve(&mine, work(&text)).await, Ok(Solved::Cleared));
        assert_eq!(limiter.solve(&mine, work(&text)).await, Ok(Solved::Used));
        let text = solution_of(&late);
        hand.advance(bounds::PUZZLE_LIFE);
        assert_eq!(limiter.solve(&mine, Solution::Work { puzzle: &late.puzzle, text: &text }).await, Ok(Solved::Expired));
    }

    #[tokio::test]
    async fn a_response_is_verified_once_and_a_verifier_that_is_away_is_no_pass() {
        let verifier = Arc::new(Verifier::default());
        let limiter = limiter(Clock::system(), Some(verifier.clone()));
        let ask = limiter.ask("rule", "k", 1).expect("a rule");
        let too_long = "x".repeat(bounds::RESPONSE_BYTES + 1);
        let solve = |text| limiter.solve(&ask, Solution::Response { text, client: None });
        assert_eq!(solve("right").await, Ok(Solved::Cleared));
        assert_eq!(solve("right").await, Ok(Solved::Used));
        assert_eq!(solve("other").await, Ok(Solved::Wrong));
        assert_eq!(solve("").await, Ok(Solved::Wrong));
        assert_eq!(solve(&too_long).await, Ok(Solved::Wrong));
        assert_eq!(limiter.solve(&ask, Solution::Work { puzzle: "x", text: "y" }).await, Ok(Solved::Wrong));
        assert_eq!(solve("away").await, Err(SolveError::Verifier(VerifierFault::Busy)));
        verifier.is_back.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(solve("away").await, Ok(Solved::Cleared), "it was not used up");
        assert_eq!(*verifier.asked.lock(), ["right", "other", "away", "away"]);
    }

    #[test]
    fn what_is_brought_is_not_shown() {
        let shown = format!("{:?}", Solution::Response { text: "dQw4w9", client: None });
        assert!(!shown.contains("dQw4w9"), "{shown}");
    }
}
