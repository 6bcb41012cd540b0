//! What a check answers.

use super::{Algorithm, Counted, Decision, Demand, Level, OnStoreFailure, Refund, Rule, Standing, Verdict, service::Ask};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was allowed and taken.
    Allowed,
    /// Too much was used; nothing was taken.
    Denied {
        /// Milliseconds until it may be asked again.
        retry_after_ms: u64,
    },
    /// As denied, but whoever solves a puzzle need not wait.
    Challenge {
        /// Milliseconds until it may be asked again without.
        retry_after_ms: u64,
        /// Strikes of the worst key: how hard the puzzle should be.
        strikes: u64,
    },
    /// It costs more than a rule ever allows.
    Unsatisfiable,
    /// The address is on the list of those that get nothing; waiting does not help.
    Refused,
    /// The store cannot say, and a rule wants no guess.
    StoreUnavailable,
}

impl Outcome {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied { .. } | Self::Refused => "denied",
            Self::Challenge { .. } => "challenge",
            Self::Unsatisfiable => "unsatisfiable",
            Self::StoreUnavailable => "store_unavailable",
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub const fn allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

/// What one rule says.
#[derive(Debug, Clone)]
pub struct Said {
    /// What was asked.
    pub ask: Ask,
    /// Whether this rule lets the request go on.
    pub allowed: bool,
    /// Where the key stands; `None` where that is not known: the store failed, an address is listed, or another key is known
    /// to be denied and the two were not asked for together.
    pub verdict: Option<Verdict>,
    /// By which policy it was answered, where the store failed.
    pub policy: Option<OnStoreFailure>,
}

/// The answer to a check.
#[derive(Debug)]
pub struct Checked {
    /// How it ended.
    pub outcome: Outcome,
    /// What each rule says, in order.
    pub said: Vec<Said>,
    /// What was taken, to be given back where the request does not count after all.
    pub taken: Taken,
}

/// What a check took.
#[derive(Debug, Default)]
#[must_use = "what is not given back stays taken"]
pub struct Taken {
    pub(super) refunds: Vec<Refund>,
    /// From what this process had taken ahead.
    pub(super) drawn: Vec<Refund>,
    /// By this process alone.
    pub(super) locally: bool,
    /// Those of the refunds, once for each key, for which somebody else may have been denied.
    pub(super) felt: Vec<Refund>,
}

impl Checked {
    /// Where a solved challenge would do instead of waiting: the first rule and key that deny and take one.
    #[must_use]
    pub fn challenged(&self) -> Option<&Ask> {
        let Outcome::Challenge { .. } = self.outcome else { return None };
        let denies = |said: &&Said| !said.allowed && said.ask.rule().options().challenge;
        self.said.iter().find(denies).map(|said| &said.ask)
    }

    /// What is to be given back, now that it is known whether the request failed: what was in flight, and after success what only counts
    /// failures. Where each key stands is told as if that had never been taken.
    pub fn settle(&mut self, failed: bool) -> Taken {
        self.release(|rule| is_over(rule, failed))
    }

    /// What is to be given back of a request that was turned away for another reason, before anybody served it: everything but what
    /// counts addresses, so that whoever is nobody uses up nothing of somebody's, and still cannot try for ever.
    pub fn turn_away(&mut self, failed: bool) -> Taken {
        self.release(|rule| rule.options().level != Level::Ip || is_over(rule, failed))
    }

    fn release(&mut self, goes_back: impl Fn(&Rule) -> bool) -> Taken {
        let mut taken = std::mem::take(&mut self.taken);
        taken.refunds.retain(|refund| goes_back(&refund.rule));
        taken.drawn.retain(|spent| goes_back(&spent.rule));
        taken.felt.retain(|refund| goes_back(&refund.rule));
        for said in &mut self.said {
            let counts = |refund: &&Refund| refund.rule.name() == said.ask.rule().name() && refund.key == *said.ask.key();
            if let (Some(refund), Some(verdict)) = (taken.refunds.iter().chain(&taken.drawn).find(counts), &mut said.verdict) {
                verdict.remaining = (verdict.remaining + refund.cost).min(verdict.limit);
                if verdict.remaining == verdict.limit {
                    (verdict.next_ms, verdict.reset_ms) = (0, 0);
                }
            }
        }
        taken
    }
}

fn is_over(rule: &Rule, failed: bool) -> bool {
    let options = rule.options();
    options.algorithm == Algorithm::Concurrent || (options.counted == Counted::Failure && !failed)
}

pub(super) fn denial(challenge: bool, retry_after_ms: u64, strikes: u64) -> Outcome {
    if challenge { Outcome::Challenge { retry_after_ms, strikes } } else { Outcome::Denied { retry_after_ms } }
}

pub(super) fn outcome_of(asks: &[Ask], decision: &Decision) -> Outcome {
    if decision.granted {
        return Outcome::Allowed;
    }
    let denying = || {
        let denies = |(ask, verdict): &(&Ask, &Verdict)| !verdict.allowed() && !ask.rule().numbers().shadow;
        asks.iter().zip(&decision.verdicts).filter(denies)
    };
    if denying().any(|(_, verdict)| verdict.standing == Standing::Unsatisfiable) {
        return Outcome::Unsatisfiable;
    }
    let retry_after_ms = denying().map(|(_, verdict)| verdict.retry_ms).max().unwrap_or(0);
    let strikes = denying().map(|(_, verdict)| verdict.strikes).max().unwrap_or(0);
    denial(denying().all(|(ask, _)| ask.rule().options().challenge), retry_after_ms, strikes)
}

pub(super) fn said(asks: Vec<Ask>, verdicts: Vec<Verdict>) -> Vec<Said> {
    let say = |(ask, verdict): (Ask, Verdict)| {
        let allowed = verdict.allowed() || ask.rule().numbers().shadow;
        Said { ask, allowed, verdict: Some(verdict), policy: None }
    };
    asks.into_iter().zip(verdicts).map(say).collect()
}

/// What an ask costs with all before it for the same key, which is what the store judges it by.
pub(super) fn sum(asks: &[Ask], place: usize) -> u64 {
    let counts_with = |other: &&Ask| other.key() == asks[place].key() && other.rule().name() == asks[place].rule().name();
    asks[..=place].iter().filter(counts_with).fold(0, |sum, ask| sum.saturating_add(ask.cost()))
}

/// What a granted decision took: nothing for shadow rules that would have denied.
pub(super) fn taken(demands: Vec<Demand>, decision: &Decision) -> Taken {
    let mut taken = Taken::default();
    for (demand, verdict) in demands.into_iter().zip(&decision.verdicts).filter(|(_, verdict)| verdict.allowed()) {
        let Demand { rule, key, cost } = demand;
        let refund = Refund { rule, key, cost, taken_at: verdict.at };
        if is_felt(&refund, verdict) && !taken.felt.iter().any(|other| is_same(other, &refund)) {
            taken.felt.push(refund.clone());
        }
        taken.refunds.push(refund);
    }
    taken
}

/// Whether what was taken may have denied somebody.
fn is_felt(refund: &Refund, verdict: &Verdict) -> bool {
    verdict.is_near() && !refund.rule.numbers().shadow
}

fn is_same(one: &Refund, other: &Refund) -> bool {
    one.key == other.key && one.rule.name() == other.rule.name()
}
