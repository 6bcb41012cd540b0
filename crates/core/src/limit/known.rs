//! What a limiter remembers of denials, and when it forgets that.

use super::{
    Limiter, Verdict,
    answer::{Checked, Said, Taken, denial},
    bounds,
    denied::{Denial, Epoch, Remembered, Told},
    service::Ask,
};
use crate::bus::{News, Signal, Subscription};
use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

/// A denial that is remembered.
pub(super) struct Known {
    pub(super) place: usize,
    pub(super) denied: Remembered,
}

impl Known {
    /// The answer. Of the other keys it tells what the store said of them with the denial.
    pub(super) fn judged(self, asks: Vec<Ask>) -> Checked {
        let said = asks.into_iter().enumerate().map(|(place, ask)| {
            let beside = || self.denied.beside(ask.rule().name(), ask.key().text(), ask.cost());
            let verdict = if place == self.place { Some(self.denied.verdict) } else { beside() };
            let allowed = ask.rule().numbers().shadow || verdict.is_none_or(|verdict| verdict.allowed());
            Said { ask, allowed, verdict, policy: None }
        });
        let said: Vec<Said> = said.collect();
        let denying = || said.iter().filter(|said| !said.allowed);
        let worst = |number: fn(Verdict) -> u64| denying().filter_map(|said| said.verdict.map(number)).max().unwrap_or(0);
        let challenge = denying().all(|said| said.ask.rule().options().challenge);
        let outcome = denial(challenge, worst(|verdict| verdict.retry_ms), worst(|verdict| verdict.strikes));
        Checked { outcome, said, taken: Taken::default() }
    }
}

impl Limiter {
    /// Forgets what is held of a key, or of all keys of a rule.
    pub(super) fn forget(&self, rule: &str, key: Option<&str>) {
        // Last the denials: whoever reads their epoch after that draws from no older lease.
        self.leases.forget(rule, key);
        self.denied.forget(rule, key);
    }

    /// Forgets everything that is held.
    pub(super) fn distrust(&self) {
        self.leases.clear();
        self.denied.clear();
    }

    /// Whether one of the keys is known to be denied; not those that are leased, since how often they are wanted has to be seen.
    pub(super) fn known_denial(&self, asks: &[Ask]) -> Option<Known> {
        let known = |(place, ask): (usize, &Ask)| if self.is_leased(ask) { None } else { self.known(ask, place) };
        asks.iter().enumerate().find_map(known)
    }

    pub(super) fn known(&self, ask: &Ask, place: usize) -> Option<Known> {
        let rule = ask.rule();
        if rule.numbers().shadow {
            return None;
        }
        let denied = self.denied.get(rule.name(), ask.key().text(), ask.cost(), Instant::now())?;
        ask.figures().remembered.increment(1);
        Some(Known { place, denied })
    }

    /// A denial by what is known of a lease.
    pub(super) fn deny(&self, ask: &Ask, place: usize, verdict: Verdict, epoch: Epoch) -> Known {
        self.known(ask, place).unwrap_or_else(|| {
            ask.figures().denied.increment(1);
            self.remember(ask, (ask.cost(), verdict), Arc::default(), epoch);
            Known { place, denied: verdict.into() }
        })
    }

    /// Remembers a denial at a cost, with what else was said to the same request, which was asked at an epoch.
    pub(super) fn remember(&self, ask: &Ask, (cost, verdict): (u64, Verdict), together: Arc<[Told]>, epoch: Epoch) {
        if verdict.retry_ms > 0 {
            let told = Duration::from_millis(verdict.retry_ms);
            let lasts = if ask.rule().denies_for_good() { told } else { told.min(bounds::DENIED_BRIEFLY) };
            let (rule, key) = (ask.rule().name(), ask.key().text());
            self.denied.add(Denial { rule, key, cost, verdict, together, lasts, epoch }, Instant::now());
        }
    }

    /// What this request held for a moment may have denied somebody at another node, which would remember it for as long as it was told.
    pub(super) fn lift_denials(&self, ask: &Ask, verdict: &Verdict) {
        // Denials of a leased rule are short, and its nodes would lose what they hold.
        let was_felt = verdict.remaining.saturating_sub(ask.cost()) <= verdict.limit / 10;
        if was_felt && verdict.allowed() && !self.is_leased(ask) {
            self.tell(ask.rule().name(), Some(ask.key().text()));
        }
    }
}

/// Forgets what others reset, and everything where something may have been missed.
pub(super) async fn hear(limiter: Weak<Limiter>, mut news: Subscription) {
    while let Some(news) = news.next().await {
        let Some(limiter) = limiter.upgrade() else { return };
        match news {
            News::Signal(Signal::LimitReset(reset)) => limiter.forget(&reset.rule, reset.key.as_deref()),
            News::Signal(_) => {}
            News::Doubt(_) => limiter.distrust(),
        }
    }
}
