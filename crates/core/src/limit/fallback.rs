//! What a limiter answers while its store cannot: each rule by its policy.

use super::{
    Decision, Demand, Limiter, OnStoreFailure,
    answer::{Checked, Outcome, Said, Taken, taken},
    service::Ask,
};

fn policy(ask: &Ask) -> OnStoreFailure {
    ask.rule().options().on_store_failure
}

fn is_closed(ask: &Ask) -> bool {
    policy(ask) == OnStoreFailure::Closed && !ask.rule().numbers().shadow
}

impl Limiter {
    pub(super) async fn without_store(&self, asks: Vec<Ask>) -> Checked {
        asks.iter().for_each(|ask| ask.figures().failed.increment(1));
        let is_closed_for = asks.iter().any(is_closed);
        let local = if is_closed_for { Vec::new() } else { self.local_demands(&asks) };
        let decision = match local.is_empty() {
            true => Decision::of_nothing(),
            // In memory: cannot fail.
            false => self.fallback.check(&local, self.clock.now()).await.unwrap_or_else(|_| Decision::of_nothing()),
        };
        let taken = if decision.granted { taken(local, &decision) } else { Taken::default() };
        let granted = decision.granted;
        let said = say(asks, decision);
        let retry_after_ms = said.iter().filter(|said| !said.allowed).filter_map(|said| Some(said.verdict?.retry_ms)).max();
        let outcome = match (is_closed_for, granted) {
            (true, _) => Outcome::StoreUnavailable,
            (false, true) => Outcome::Allowed,
            (false, false) => Outcome::Denied { retry_after_ms: retry_after_ms.unwrap_or(0) },
        };
        Checked { outcome, said, taken: Taken { locally: true, felt: Vec::new(), ..taken } }
    }

    /// What this process counts alone: its part of what all nodes together may allow.
    fn local_demands(&self, asks: &[Ask]) -> Vec<Demand> {
        let nodes = self.bus.nodes() as u64;
        let alone = |ask: &Ask| {
            let demand = ask.demand();
            Demand { rule: demand.rule.divided_by(nodes).shared(), ..demand }
        };
        asks.iter().filter(|ask| policy(ask) == OnStoreFailure::Local).map(alone).collect()
    }
}

fn say(asks: Vec<Ask>, decision: Decision) -> Vec<Said> {
    let mut verdicts = decision.verdicts.into_iter();
    let one = |ask: Ask| {
        let policy = policy(&ask);
        let verdict = if policy == OnStoreFailure::Local { verdicts.next() } else { None };
        let is_denied = verdict.is_some_and(|verdict| !verdict.allowed()) && !ask.rule().numbers().shadow;
        Said { allowed: !is_closed(&ask) && !is_denied, ask, verdict, policy: Some(policy) }
    };
    asks.into_iter().map(one).collect()
}
