//! [`LimitThrottle`]: how often a password may be wrong, counted where limits are, so that all nodes share it.

use super::{
    Addresses, Counted, Demand, Level, LimitKey, LimitStore, OnStoreFailure, Rate, Refund, Rule, RuleError, RuleOptions,
};
use crate::{
    Answer,
    account::throttle::{Admission, Attempt, AttemptEnd, Budget, Budgets, CountedIn, LocalThrottle, LoginThrottle},
    id::UserTag,
    time::{Clock, Timestamp},
};
use std::{sync::Arc, time::Duration};

/// Names of the two rules, which no configuration can have: its names have no dot.
const SUBJECT: &str = "password.account";
const ADDRESS: &str = "password.address";

/// Throttles by counts in the store of limits. While that store is away this process counts alone: guessing is never free.
#[derive(Debug)]
pub struct LimitThrottle {
    store: Arc<dyn LimitStore>,
    alone: LocalThrottle,
    subject: Option<Arc<Rule>>,
    address: Option<Arc<Rule>>,
    clock: Clock,
}

impl LimitThrottle {
    /// A throttle with these budgets.
    ///
    /// # Errors
    /// [`RuleError`] for a budget that cannot be counted.
    pub fn new(store: Arc<dyn LimitStore>, budgets: Budgets, clock: Clock) -> Result<Self, RuleError> {
        let subject = budgets.account.map(|budget| rule(SUBJECT, budget)).transpose()?;
        let address = budgets.address.map(|budget| rule(ADDRESS, budget)).transpose()?;
        Ok(Self { store, alone: LocalThrottle::new(budgets), subject, address, clock })
    }

    fn demands(&self, attempt: &Attempt) -> Vec<Demand> {
        let of = |rule: &Option<Arc<Rule>>, key: LimitKey| Some(Demand { rule: rule.clone()?, key, cost: 1 });
        let tag = attempt.subject.map(UserTag::from_bytes);
        let subject = tag.and_then(|tag| of(&self.subject, LimitKey::of_user(tag)));
        let address = attempt.address.and_then(|address| of(&self.address, Addresses::default().key(address)));
        subject.into_iter().chain(address).collect()
    }

    async fn take_back(&self, attempt: &Attempt, counted: CountedIn, end: AttemptEnd) {
        let mut refunds = Vec::new();
        for Demand { rule, key, cost } in self.demands(attempt) {
            if end == AttemptEnd::Succeeded && rule.name() == SUBJECT {
                // What fails here stays counted, which is the safe side.
                let _ = self.store.reset(SUBJECT, &key).await;
            } else if let CountedIn::Store { at } = counted {
                refunds.push(Refund { rule, key, cost, taken_at: at });
            }
        }
        if !refunds.is_empty() {
            let _ = self.store.refund(&refunds, self.clock.now()).await;
        }
    }
}

fn rule(name: &str, budget: Budget) -> Result<Arc<Rule>, RuleError> {
    let options = RuleOptions {
        on_store_failure: OnStoreFailure::Local,
        counted: Counted::Failure,
        ..RuleOptions::new(name, Level::Custom, Rate { count: budget.failures.into(), period: budget.period })
    };
    Rule::new(options).map(Rule::shared)
}

impl LoginThrottle for LimitThrottle {
    fn admit(&self, attempt: Attempt, now: Timestamp) -> Answer<'_, Admission> {
        Box::pin(async move {
            let demands = self.demands(&attempt);
            if demands.is_empty() {
                return Ok(Admission::Allowed(CountedIn::Nothing));
            }
            let Ok(decision) = self.store.check(&demands, now).await else {
                return Ok(self.alone.admit_at(&attempt, now));
            };
            let verdicts = decision.verdicts.iter();
            if !decision.granted {
                let wait_ms = verdicts.map(|verdict| verdict.retry_ms).max().unwrap_or(0);
                return Ok(Admission::Throttled { retry_after: Duration::from_millis(wait_ms) });
            }
            // Servers of a Cluster have clocks of their own: by the earliest nobody gets back more than is still counted.
            let at = verdicts.map(|verdict| verdict.at).min().unwrap_or(now);
            Ok(Admission::Allowed(CountedIn::Store { at }))
        })
    }

    fn settle(&self, attempt: Attempt, counted: CountedIn, end: AttemptEnd) -> Answer<'_, ()> {
        Box::pin(async move {
            self.alone.settle_now(&attempt, counted, end);
            self.take_back(&attempt, counted, end).await;
            Ok(())
        })
    }
}
