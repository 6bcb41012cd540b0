//! Challenges: what whoever is denied may do instead of waiting.
//!
//! Usually that is work at a [`Puzzle`]. Where a [`ChallengeVerifier`] is given it is what that one judges, such as a widget that tells people
//! from machines, and puzzles are neither made nor taken.
//!
//! A solution is taken once, by all nodes together: once it is known to be right it is marked as used where limits are counted, and only
//! whoever marks it has the key begin anew. Its strikes stay, so that whoever goes on as before is denied sooner for longer, and works harder.
//!
//! A wrong solution leaves nothing behind: not in the store, and of a response nothing but a try, which its key has few of in each process.

use super::{
    Algorithm, Checked, Demand, Level, LimitKey, Limiter, OnStoreFailure, Outcome, Rate, Refund, Rule, RuleOptions, bounds,
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
    /// The key had [`bounds::RESPONSE_TRIES`] responses that were not right; nobody was asked about this one.
    #[error("too many responses were not right: try again in {retry_ms} ms")]
    TooOften {
        /// Until the next is taken, in milliseconds.
        retry_ms: u64,
    },
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
    /// Whether a response is right. Of one that was right it is asked once, unless the same is brought twice at a time; a bound on the time of
    /// an answer is the verifier's matter.
    fn verify<'a>(&'a self, response: &'a str, client: Option<IpAddr>) -> VerifierAnswer<'a>;
}

/// Makes and judges challenges.
#[derive(Debug)]
pub(super) struct Challenges {
    puzzles: Puzzles,
    verifier: Option<Arc<dyn ChallengeVerifier>>,
    /// Counts uses of solutions: one each.
    used: Arc<Rule>,
    /// Counts responses that were not right, by what they were brought for.
    tried: Arc<Rule>,
}

/// A rule of our own. No configuration has one with a dot in its name.
fn rule(name: &str, algorithm: Algorithm, rate: Rate) -> Arc<Rule> {
    let options =
        RuleOptions { algorithm, on_store_failure: OnStoreFailure::Closed, ..RuleOptions::new(name, Level::Custom, rate) };
    Rule::new(options).expect("a sound rule").shared()
}

/// One unit under the digest of a text, which may be long or hold anything.
fn one_of(rule: &Arc<Rule>, text: impl AsRef<[u8]>) -> Demand {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    let key = LimitKey::new(&digest).expect("a digest is short and printable");
    Demand { rule: rule.clone(), key, cost: 1 }
}

impl Challenges {
    pub(super) fn new(ring: Arc<KeyRing>, verifier: Option<Arc<dyn ChallengeVerifier>>) -> Self {
        let once = Rate { count: 1, period: bounds::SOLUTION_LIFE };
        let tries = Rate { count: bounds::RESPONSE_TRIES, period: bounds::RESPONSE_PERIOD };
        Self {
            puzzles: Puzzles::new(ring),
            verifier,
            used: rule("challenge.used", Algorithm::Concurrent, once),
            tried: rule("challenge.tried", Algorithm::Gcra, tries),
        }
    }

    /// One use of a solution. A puzzle has one spelling only, and so is used up whatever solves it.
    fn use_of(&self, solution: Solution<'_>) -> Demand {
        let (Solution::Work { puzzle: text, .. } | Solution::Response { text, .. }) = solution;
        one_of(&self.used, text)
    }

    /// One response that is brought for a rule and key.
    fn try_of(&self, ask: &Ask) -> Demand {
        one_of(&self.tried, [ask.rule().name(), "\n", ask.key().text()].concat())
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

    /// Takes a solution: where it is right, and for the first time, the key begins anew. Two round trips for work that is right and none for
    /// other; for a response one, the verifier's, and two more where it is right.
    ///
    /// # Errors
    /// [`SolveError`]; the key stands as before.
    ///
    /// # Cancel safety
    /// A solution whose future is dropped may be used up.
    pub async fn solve(&self, ask: &Ask, solution: Solution<'_>) -> Result<Solved, SolveError> {
        let solved = match (solution, &self.challenges.verifier) {
            (Solution::Work { puzzle, text }, None) => self.solve_puzzle(ask, puzzle, text).await?,
            (Solution::Response { text, client }, Some(verifier)) => {
                self.solve_response(ask, &**verifier, text, client).await?
            }
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
        self.use_up(&self.challenges.use_of(Solution::Work { puzzle, text })).await
    }

    async fn solve_response(
        &self,
        ask: &Ask,
        verifier: &dyn ChallengeVerifier,
        text: &str,
        client: Option<IpAddr>,
    ) -> Result<Solved, SolveError> {
        if text.is_empty() || text.len() > bounds::RESPONSE_BYTES {
            return Ok(Solved::Wrong);
        }
        let tried = self.try_response(ask).await?;
        let once = self.challenges.use_of(Solution::Response { text, client });
        // A look only: what is wrong must not fill the store, and what nobody could judge may be brought again.
        if !self.store.peek(std::slice::from_ref(&once), self.clock.now()).await?.granted {
            return Ok(Solved::Used);
        }
        let judged = verifier.verify(text, client).await;
        let is_right =
            judged.inspect_err(|fault| tracing::warn!(error = %fault, "a response to a challenge was not verified"))?;
        if !is_right {
            return Ok(Solved::Wrong);
        }
        // In memory: cannot fail.
        let _ = self.fallback.refund(&[tried], self.clock.now()).await;
        self.use_up(&once).await
    }

    /// Takes one of the tries that a key has in this process: how to undo it.
    async fn try_response(&self, ask: &Ask) -> Result<Refund, SolveError> {
        let demand = self.challenges.try_of(ask);
        let decision = self.fallback.check(std::slice::from_ref(&demand), self.clock.now()).await?;
        let verdict = decision.verdicts.first().expect("one for each demand");
        if !decision.granted {
            return Err(SolveError::TooOften { retry_ms: verdict.retry_ms });
        }
        let Demand { rule, key, cost } = demand;
        Ok(Refund { rule, key, cost, taken_at: verdict.at })
    }

    /// Uses a solution up that is right. Of several at a time one clears.
    async fn use_up(&self, once: &Demand) -> Result<Solved, SolveError> {
        let decision = self.store.check(std::slice::from_ref(once), self.clock.now()).await?;
        Ok(if decision.granted { Solved::Cleared } else { Solved::Used })
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
    use std::{collections::HashMap, time::Duration};

    /// Grants each key as often as its rule says, and never again.
    #[derive(Debug, Default)]
    struct Counts(Mutex<HashMap<Box<str>, u64>>);

    impl Counts {
        fn decided(&self, demands: &[Demand], now: Timestamp) -> Decision {
            let used = self.0.lock().get(demands[0].key.text()).copied().unwrap_or_default();
            let mut decision = decide(demands, vec![None; demands.len()], now).0;
            decision.granted = used < demands[0].rule.options().rate.count;
            decision
        }
    }

    impl LimitStore for Counts {
        fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
            let decision = self.decided(demands, now);
            *self.0.lock().entry(demands[0].key.text().into()).or_default() += u64::from(decision.granted);
            Box::pin(async move { Ok(decision) })
        }

        fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
            let decision = self.decided(demands, now);
            Box::pin(async move { Ok(decision) })
        }

        fn refund<'a>(&'a self, refunds: &'a [Refund], _: Timestamp) -> Answer<'a, ()> {
            for refund in refunds {
                *self.0.lock().get_mut(refund.key.text()).expect("it was taken") -= refund.cost;
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

    /// Says yes to what begins with `right`, and is away for `away` until it is back.
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
                    other => Ok(other.starts_with("right") || other == "away"),
                }
            })
        }
    }

    /// Says yes to two at once, as soon as it was asked of both.
    #[derive(Debug)]
    struct Slow(tokio::sync::Barrier);

    impl Default for Slow {
        fn default() -> Self {
            Self(tokio::sync::Barrier::new(2))
        }
    }

    impl ChallengeVerifier for Slow {
        fn verify<'a>(&'a self, _: &'a str, _: Option<IpAddr>) -> VerifierAnswer<'a> {
            Box::pin(async {
                self.0.wait().await;
                Ok(true)
            })
        }
    }

    fn limiter(clock: Clock, verifier: Option<Arc<dyn ChallengeVerifier>>) -> Arc<Limiter> {
        limiter_over(Arc::default(), clock, verifier)
    }

    fn limiter_over(store: Arc<Counts>, clock: Clock, verifier: Option<Arc<dyn ChallengeVerifier>>) -> Arc<Limiter> {
        let rule = Rule::new(options(Algorithm::Gcra, 1, Duration::from_secs(60))).expect("a rule");
        Limiter::start(LimiterParts {
            store,
            fallback: Arc::new(Counts::default()),
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

    #[tokio::test]
    async fn wrong_responses_leave_nothing_and_are_few() {
        let (store, verifier) = (Arc::new(Counts::default()), Arc::new(Verifier::default()));
        let limiter = limiter_over(store.clone(), Clock::system(), Some(verifier.clone()));
        let (mine, other) = (limiter.ask("rule", "mine", 1).expect("a rule"), limiter.ask("rule", "other", 1).expect("a rule"));
        let solve = async |ask, text: &str| limiter.solve(ask, Solution::Response { text, client: None }).await;
        for number in 0..2 * bounds::RESPONSE_TRIES {
            assert_eq!(solve(&other, &format!("right {number}")).await, Ok(Solved::Cleared), "what is right is no try");
        }
        let used = store.0.lock().len();
        for number in 0..bounds::RESPONSE_TRIES {
            assert_eq!(solve(&mine, &format!("wrong {number}")).await, Ok(Solved::Wrong));
        }
        let asked = verifier.asked.lock().len();
        assert!(matches!(solve(&mine, "right").await, Err(SolveError::TooOften { .. })));
        assert_eq!((verifier.asked.lock().len(), store.0.lock().len()), (asked, used), "nobody is asked, and nothing is kept");
        assert_eq!(solve(&other, "right").await, Ok(Solved::Cleared), "another key has tries of its own");
    }

    #[tokio::test]
    async fn of_one_response_that_is_brought_twice_at_a_time_one_clears() {
        let limiter = limiter(Clock::system(), Some(Arc::new(Slow::default())));
        let ask = limiter.ask("rule", "k", 1).expect("a rule");
        let solve = || limiter.solve(&ask, Solution::Response { text: "right", client: None });
        let mut outcomes = tokio::join!(solve(), solve());
        if outcomes.0 == Ok(Solved::Used) {
            std::mem::swap(&mut outcomes.0, &mut outcomes.1);
        }
        assert_eq!(outcomes, (Ok(Solved::Cleared), Ok(Solved::Used)));
    }

    #[test]
    fn what_is_brought_is_not_shown() {
        let shown = format!("{:?}", Solution::Response { text: "dQw4w9", client: None });
        assert!(!shown.contains("dQw4w9"), "{shown}");
    }
}
