//! [`Limiter`]: what applications and the server call.

use super::{
    Decision, Demand, KeyError, Level, LimitKey, LimitStore, Listed, Matched, ResetPattern, Rule, Standing, TopKey, Verdict,
    answer::{Checked, Outcome, Taken, outcome_of, said, sum, taken},
    bounds,
    challenge::{ChallengeVerifier, Challenges},
    denied::{DeniedKeys, Epoch, Told},
    endpoint::normalised_path,
    known::hear,
    lease::Leases,
    listed::{Exempt, is_refused, refusal},
    refill::{Drawn, spendings},
    rules::{Figures, Ruled, Rules},
};
use crate::{
    bus::{Bus, LimitReset, Signal},
    deployment::Deployment,
    event::{Event, EventType, Observer, Origin},
    fault::Fault,
    id::{UserId, UserTag},
    secret::KeyRing,
    time::Clock,
};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Semaphore;

/// What a [`Limiter`] is made of.
pub struct LimiterParts {
    /// Where counts are kept.
    pub store: Arc<dyn LimitStore>,
    /// Counts in this process, for rules with [`super::OnStoreFailure::Local`] while the store is away.
    pub fallback: Arc<dyn LimitStore>,
    /// Where resets are told and heard.
    pub bus: Arc<dyn Bus>,
    /// Makes tags of users.
    pub deployment: Deployment,
    /// Seals puzzles.
    pub ring: Arc<KeyRing>,
    /// Judges responses to challenges, in place of puzzles.
    pub verifier: Option<Arc<dyn ChallengeVerifier>>,
    /// The rules.
    pub rules: Rules,
    /// Where denials are noted.
    pub observer: Observer,
    /// The clock of what is counted in this process.
    pub clock: Clock,
}

/// Asks for one rule and key.
#[derive(Debug, Clone)]
pub struct Ask {
    ruled: Arc<Ruled>,
    key: LimitKey,
    cost: u64,
    listed: Option<Listed>,
}

impl Ask {
    /// The rule, with the numbers that hold for the key.
    #[must_use]
    pub fn rule(&self) -> &Arc<Rule> {
        self.ruled.for_key(&self.key)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &LimitKey {
        &self.key
    }

    /// On which list the address is that asks.
    #[must_use]
    pub fn listed(&self) -> Option<Listed> {
        self.listed
    }

    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    pub(super) fn figures(&self) -> &Figures {
        self.ruled.figures()
    }

    /// The same by the rule that has this name elsewhere; `None` where there is none, or it counts something else.
    pub(super) fn under(&self, rules: &Rules) -> Option<Self> {
        let ruled = rules.get(self.rule().name()).filter(|ruled| ruled.rule.options().level == self.rule().options().level)?;
        Some(Self { ruled: ruled.clone(), ..self.clone() })
    }

    pub(super) fn demand(&self) -> Demand {
        Demand { rule: self.rule().clone(), key: self.key.clone(), cost: self.cost }
    }
}

/// Why something cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is no such rule.
    #[error("there is no limit rule of this name")]
    UnknownRule,
    /// The key is not one of the rule's level.
    #[error("{0}")]
    Key(KeyError),
    /// The key is no user id.
    #[error("the key of a rule of level user is a user id")]
    UserId,
    /// Less than one unit.
    #[error("a cost is at least 1")]
    Cost,
    /// Too many at once.
    #[error("at most 64 checks are made at once")]
    TooMany,
    /// Users are counted under pseudonyms, which no pattern can mean.
    #[error("users are counted under pseudonyms: name one user, or all by *")]
    UserPattern,
}

/// Decides how often something may happen.
///
/// Round trips: one for a check, however many rules; none where one of the keys is known to be denied. That is known from the store's
/// own word, until the time it told, and forgotten at a reset and at every doubt of the bus. A hot key whose rule is leased costs a trip
/// for each batch of units that is taken ahead, instead of one for each check.
pub struct Limiter {
    pub(super) store: Arc<dyn LimitStore>,
    pub(super) fallback: Arc<dyn LimitStore>,
    pub(super) bus: Arc<dyn Bus>,
    deployment: Deployment,
    rules: RwLock<Arc<Rules>>,
    observer: Observer,
    pub(super) clock: Clock,
    pub(super) challenges: Challenges,
    pub(super) denied: DeniedKeys,
    pub(super) leases: Leases,
    pub(super) waiting: Semaphore,
    store_failed: AtomicBool,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Limiter {
    /// A limiter that listens to the bus for as long as it lives. Needs a tokio runtime.
    #[must_use]
    pub fn start(parts: LimiterParts) -> Arc<Self> {
        let LimiterParts { store, fallback, bus, deployment, ring, verifier, rules, observer, clock } = parts;
        let news = bus.subscribe();
        let limiter = Arc::new(Self {
            store,
            fallback,
            bus,
            deployment,
            rules: RwLock::new(Arc::new(rules)),
            observer,
            clock,
            challenges: Challenges::new(ring, verifier),
            denied: DeniedKeys::default(),
            leases: Leases::default(),
            waiting: Semaphore::new(bounds::WAITERS),
            store_failed: AtomicBool::new(false),
        });
        tokio::spawn(hear(Arc::downgrade(&limiter), news));
        limiter
    }

    /// The rules in effect.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    /// Puts other rules into effect. What is counted under a name goes on, unless its rate or its way of counting changed.
    pub fn replace_rules(&self, rules: Rules) {
        *self.rules.write() = Arc::new(rules);
        self.distrust();
    }

    /// The tag under which a user is counted.
    #[must_use]
    pub fn tag_of(&self, user: &UserId) -> UserTag {
        self.deployment.tag(user)
    }

    /// Asks by texts: an address, a user id, `all`, or any key, as the level of the rule wants it.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask(&self, rule: &str, key: &str, cost: u64) -> Result<Ask, AskError> {
        let rules = self.rules();
        let ruled = rules.get(rule).cloned().ok_or(AskError::UnknownRule)?;
        if cost == 0 {
            return Err(AskError::Cost);
        }
        if ruled.rule.options().level == Level::Ip {
            let (address, key) = rules.addresses().read(key).map_err(AskError::Key)?;
            return Ok(Ask { ruled, key, cost, listed: rules.listed(address) });
        }
        let key = self.key(&ruled.rule, key)?;
        Ok(Ask { ruled, key, cost, listed: None })
    }

    fn key(&self, rule: &Rule, text: &str) -> Result<LimitKey, AskError> {
        match rule.options().level {
            Level::User => {
                let user = UserId::new(text).map_err(|_| AskError::UserId)?;
                Ok(LimitKey::of_user(self.tag_of(&user)))
            }
            Level::Global if text != ALL => Err(AskError::Key(KeyError::Global)),
            Level::Global | Level::Ip | Level::Endpoint | Level::Key | Level::Custom => {
                LimitKey::new(text).map_err(AskError::Key)
            }
        }
    }

    /// Asks for one unit of a rule by what a request is; `None` where the request lacks what the rule counts: nobody is thrown into one
    /// bucket with everybody else who is unknown. Where the address is listed, it is so for every rule.
    #[must_use]
    pub fn ask_for(&self, ruled: &Arc<Ruled>, request: &Requester<'_>) -> Option<Ask> {
        let rules = self.rules();
        let key = match ruled.rule.options().level {
            Level::Ip => rules.addresses().key(request.ip?),
            Level::User => LimitKey::of_user(request.user?),
            Level::Endpoint => LimitKey::of_any(&normalised_path(request.endpoint?)),
            Level::Global => LimitKey::of_any(ALL),
            Level::Key | Level::Custom => LimitKey::of_any(request.key?),
        };
        let listed = request.ip.and_then(|ip| rules.listed(ip));
        Some(Ask { ruled: ruled.clone(), key, cost: request.cost.max(1), listed })
    }

    /// Decides everything together: all of it is taken, or nothing.
    ///
    /// # Errors
    /// [`AskError::TooMany`].
    pub async fn check(&self, mut asks: Vec<Ask>) -> Result<Checked, AskError> {
        if asks.len() > bounds::DEMANDS {
            return Err(AskError::TooMany);
        }
        if is_refused(&asks) {
            return Ok(refusal(asks));
        }
        let exempt = Exempt::out_of(&mut asks);
        Ok(exempt.into(self.counted(asks).await))
    }

    /// Decides what is to be counted.
    async fn counted(&self, asks: Vec<Ask>) -> Checked {
        if asks.is_empty() {
            return Checked { outcome: Outcome::Allowed, said: Vec::new(), taken: Taken::default() };
        }
        let epoch = self.denied.epoch();
        if let Some(known) = self.known_denial(&asks) {
            return known.judged(asks);
        }
        match self.draw(&asks, epoch).await {
            Ok(Drawn::Denied(known)) => known.judged(asks),
            Ok(Drawn::Spent(spent)) => self.decide(asks, &spent, epoch).await,
            Err(_) => self.without_store(asks).await,
        }
    }

    /// Decides what was not spent from a lease.
    async fn decide(&self, asks: Vec<Ask>, spent: &[Option<Verdict>], epoch: Epoch) -> Checked {
        let drawn = spendings(&asks, spent);
        let others = asks.iter().zip(spent).filter(|(_, spent)| spent.is_none());
        let demands: Vec<Demand> = others.map(|(ask, _)| ask.demand()).collect();
        let decided = match demands.is_empty() {
            true => Ok(Decision::of_nothing()),
            false => self.asked(&demands).await,
        };
        match decided {
            Ok(decision) if decision.granted => {
                let taken = Taken { drawn, ..taken(demands, &decision) };
                Checked { taken, ..self.decided(asks, decision.with(spent), epoch) }
            }
            Ok(decision) => {
                self.undraw(&drawn);
                self.decided(asks, decision.with(spent), epoch)
            }
            Err(_) => {
                self.undraw(&drawn);
                self.without_store(asks).await
            }
        }
    }

    async fn asked(&self, demands: &[Demand]) -> Result<Decision, Fault> {
        let decided = self.store.check(demands, self.clock.now()).await;
        self.note_store(&decided);
        decided
    }

    /// Where the keys stand, taking nothing. Asks the store, whatever is remembered.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn peek(&self, mut asks: Vec<Ask>) -> Result<Checked, Fault> {
        if is_refused(&asks) {
            return Ok(refusal(asks));
        }
        let exempt = Exempt::out_of(&mut asks);
        let demands: Vec<Demand> = asks.iter().map(Ask::demand).collect();
        let decision = match demands.is_empty() {
            true => Decision::of_nothing(),
            false => self.store.peek(&demands, self.clock.now()).await?,
        };
        let outcome = outcome_of(&asks, &decision);
        Ok(exempt.into(Checked { outcome, said: said(asks, decision.verdicts), taken: Taken::default() }))
    }

    /// Gives back what a check took: the request does not count. Where the store fails it stays taken.
    pub async fn give_back(&self, taken: Taken) {
        self.undraw(&taken.drawn);
        if taken.refunds.is_empty() {
            return;
        }
        let store = if taken.locally { &self.fallback } else { &self.store };
        match store.refund(&taken.refunds, self.clock.now()).await {
            Ok(()) => taken.felt.iter().for_each(|refund| self.tell(refund.rule.name(), Some(refund.key.text()))),
            Err(fault) => tracing::debug!(class = fault.class(), "what a request took cannot be given back"),
        }
    }

    /// As [`Self::give_back`], where nobody waits for it. Outside a runtime it stays taken.
    pub fn give_back_soon(self: &Arc<Self>, taken: Taken) {
        self.undraw(&taken.drawn);
        if taken.refunds.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let limiter = self.clone();
            runtime.spawn(async move { limiter.give_back(taken).await });
        }
    }

    /// Forgets a key: count, strikes and block, on all nodes within a second. Whether there was anything.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    pub async fn reset(&self, ask: &Ask) -> Result<bool, Fault> {
        let (rule, key) = (ask.rule().name(), &ask.key);
        let was_there = self.store.reset(rule, key).await?;
        // In memory: cannot fail.
        let _ = self.fallback.reset(rule, key).await;
        self.tell(rule, Some(key.text()));
        Ok(was_there)
    }

    /// Forgets the keys of a rule that a pattern means. Addresses are met as they are counted: `2001:db8::/64`.
    ///
    /// # Errors
    /// [`AskError`] for a rule that is not, or a pattern that cannot mean anything; within it a [`Fault`] of the store.
    pub async fn reset_matching(&self, pattern: &ResetPattern) -> Result<Result<Matched, Fault>, AskError> {
        let ruled = self.rules.read().get(&pattern.rule).cloned().ok_or(AskError::UnknownRule)?;
        if ruled.rule.options().level == Level::User && &*pattern.glob != "*" {
            return Err(AskError::UserPattern);
        }
        let matched = self.store.reset_matching(pattern).await;
        if matched.is_ok() && !pattern.dry_run {
            let _ = self.fallback.reset_matching(pattern).await;
            self.tell(&pattern.rule, None);
        }
        Ok(matched)
    }

    /// The keys that this process denied most often, among those that it remembers.
    #[must_use]
    pub fn top(&self, limit: usize) -> Vec<TopKey> {
        self.denied.top(limit)
    }

    pub(super) fn tell(&self, rule: &str, key: Option<&str>) {
        self.forget(rule, key);
        self.bus.publish(Signal::LimitReset(LimitReset { rule: rule.into(), key: key.map(Into::into) }));
    }

    fn decided(&self, asks: Vec<Ask>, decision: Decision, epoch: Epoch) -> Checked {
        let outcome = outcome_of(&asks, &decision);
        let together = if decision.granted { Arc::default() } else { together(&asks, &decision) };
        for (place, (ask, verdict)) in asks.iter().zip(&decision.verdicts).enumerate() {
            self.count(ask, verdict, decision.granted);
            if !verdict.allowed() && !ask.rule().numbers().shadow {
                self.remember(ask, (sum(&asks, place), *verdict), together.clone(), epoch);
            } else if decision.gave_back {
                self.lift_denials(ask, verdict);
            }
        }
        Checked { outcome, said: said(asks, decision.verdicts), taken: Taken::default() }
    }

    fn count(&self, ask: &Ask, verdict: &Verdict, granted: bool) {
        let figures = ask.figures();
        match verdict.standing {
            Standing::Allowed if granted && verdict.is_near() => {
                figures.near.increment(1);
                figures.allowed.increment(1);
            }
            Standing::Allowed => figures.allowed.increment(1),
            _ if ask.rule().numbers().shadow => figures.would_deny.increment(1),
            Standing::Unsatisfiable => figures.unsatisfiable.increment(1),
            Standing::Denied | Standing::Blocked => figures.denied.increment(1),
        }
    }

    /// Tells the security log of what denied a request: once a minute for a key, then how often.
    pub fn note_denial(&self, checked: &Checked, origin: &Origin) {
        for said in checked.said.iter().filter(|said| !said.allowed && said.verdict.is_some()) {
            let (rule, key) = (said.ask.rule().name(), said.ask.key.text());
            let digest = Sha256::digest([rule, "\n", key].concat());
            let coalesced = u128::from_be_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
            self.observer.note_once(coalesced, Event::new(EventType::LimitDenied, self.clock.now(), origin).because(rule));
        }
    }

    /// Tells the security log that somebody reset keys: which, as they named them, and how many there were.
    pub fn note_reset(&self, scope: &str, count: u64, origin: &Origin) {
        let event = Event::new(EventType::AdminLimitsReset, self.clock.now(), origin);
        self.observer.note(event.because(scope).counting(count));
    }

    /// Counts faults of the store and their end.
    pub(super) fn note_store<T>(&self, answer: &Result<T, Fault>) {
        match answer {
            Ok(_) if self.store_failed.load(Ordering::Relaxed) => {
                if self.store_failed.swap(false, Ordering::Relaxed) {
                    metrics::counter!("vestibule_limit_store_recoveries_total").increment(1);
                    tracing::info!("limits are counted in the store again");
                }
            }
            Ok(_) => {}
            Err(fault) => {
                metrics::counter!("vestibule_limit_store_faults_total", "class" => fault.class()).increment(1);
                if !self.store_failed.swap(true, Ordering::Relaxed) {
                    tracing::error!(class = fault.class(), error = %fault, "limits cannot be counted: each rule answers by its policy");
                }
            }
        }
    }
}

/// The one key of a rule of level global.
const ALL: &str = "all";

/// What is remembered of a whole request where one of its keys is denied.
fn together(asks: &[Ask], decision: &Decision) -> Arc<[Told]> {
    if !(2..=bounds::TOGETHER).contains(&asks.len()) {
        return Arc::default();
    }
    let told = |(place, (ask, verdict)): (usize, (&Ask, &Verdict))| {
        let (rule, key) = (ask.rule().name().into(), ask.key().text().into());
        Told { rule, key, cost: sum(asks, place), verdict: *verdict }
    };
    asks.iter().zip(&decision.verdicts).enumerate().map(told).collect()
}

/// What a request is, for rules that are applied to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Requester<'a> {
    /// Where it comes from.
    pub ip: Option<IpAddr>,
    /// Whose token it carries.
    pub user: Option<UserTag>,
    /// What it asks for: a path, all spellings of which are one key (RFC 3986 6.2.2).
    pub endpoint: Option<&'a str>,
    /// The key of the caller's making that it belongs to.
    pub key: Option<&'a str>,
    /// Units that it costs; 0 counts as 1.
    pub cost: u64,
}
