//! [`DenyList`]: what a node knows of access tokens that must not be believed, in memory, so that believing one costs no round trip.
//!
//! It begins with all denials that the store has, and hears of every new one on the bus. Where the bus may have missed something it
//! asks the store for what is new and adds it, once in a while for all; nothing leaves before the tokens concerned are over. While it
//! cannot be sure of itself it says so, and nothing is believed.

use super::{Denial, DenialPlace, Denied, TokenStore};
use crate::{
    bounds,
    bus::{Bus, Listener, News, Signal, Subscription},
    fault::Fault,
    id::{Home, UserTag},
    time::{Clock, Timestamp, millis},
};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::{
    sync::watch,
    time::{self, MissedTickBehavior},
};

/// What a deny-list says of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Believed {
    /// Nothing speaks against it.
    Fine,
    /// It must not be believed any more.
    Denied,
    /// Not known: there was no first answer of the store yet, or no contact for longer than [`bounds::DENY_LIST_SILENCE`].
    Unready,
}

/// The denials of one user, with the time until which each holds.
#[derive(Debug, Default)]
struct OfUser {
    tokens: HashMap<[u8; 12], Timestamp>,
    families: HashMap<[u8; 12], Timestamp>,
    before: Option<(u32, Timestamp)>,
}

type Shard = HashMap<UserTag, OfUser>;

/// See the module.
pub struct DenyList {
    homes: Box<[RwLock<Shard>]>,
    bus: Arc<dyn Bus>,
    begun: Instant,
    /// When the last snapshot that arrived was asked for, in milliseconds since `begun`; 0 before the first one.
    snapshot_at: AtomicU64,
    /// Since when something may have been missed, likewise; 0 while nothing was.
    doubt_since: AtomicU64,
    /// Whether there was a snapshot, for those who wait for the first one.
    known: watch::Sender<bool>,
}

/// What this process denies holds here before the caller is answered.
impl Listener for DenyList {
    fn hear(&self, signal: &Signal) {
        if let Signal::TokensDenied(denials) = signal {
            self.add(denials);
        }
    }
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

impl DenyList {
    /// Begins to listen and to ask, for as long as the list lives. Needs a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn TokenStore>, bus: Arc<dyn Bus>, clock: Clock) -> Arc<Self> {
        // From here on nothing is missed, so the first snapshot and what is heard make the whole.
        let news = bus.subscribe();
        let list = Arc::new(Self {
            homes: (0..Home::COUNT).map(|_| RwLock::default()).collect(),
            bus,
            begun: Instant::now(),
            snapshot_at: AtomicU64::new(0),
            doubt_since: AtomicU64::new(0),
            known: watch::Sender::new(false),
        });
        let listener: Weak<Self> = Arc::downgrade(&list);
        list.bus.attach(listener);
        tokio::spawn(keep(Arc::downgrade(&list), store, news, clock));
        list
    }

    /// What is known of an access token of a user: by its own serial, its family's, and the token epoch in it. From memory.
    #[must_use]
    pub fn check(&self, tag: UserTag, token: &[u8; 12], family: &[u8; 12], epoch: u32) -> Believed {
        if !self.is_ready() {
            return Believed::Unready;
        }
        let home = self.homes[tag.home().index()].read();
        match home.get(&tag) {
            Some(user) if user.denies(token, family, epoch) => Believed::Denied,
            _ => Believed::Fine,
        }
    }

    /// Whether it knows all that was denied up to [`bounds::DENY_LIST_SILENCE`] ago.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let snapshot_at = self.snapshot_at.load(Ordering::Acquire);
        if snapshot_at == 0 {
            return false;
        }
        let doubt_since = self.doubt_since.load(Ordering::Acquire);
        let hears = self.bus.silence() <= bounds::DENY_LIST_SILENCE;
        if hears && doubt_since == 0 {
            return true;
        }
        let now = self.now_ms();
        let doubts = doubt_since > 0 && now.saturating_sub(doubt_since) > millis(bounds::DENY_LIST_DOUBT);
        (hears && !doubts) || now.saturating_sub(snapshot_at) <= millis(bounds::DENY_LIST_SILENCE)
    }

    /// Waits for the first answer of the store, so that whoever opens a deployment does not begin with 503.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub async fn settled(&self) {
        // The sender is the list's own, so waiting cannot fail.
        let _ = self.known.subscribe().wait_for(|known| *known).await;
    }

    /// Denials that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.homes.iter().map(|home| home.read().values().map(OfUser::len).sum::<usize>()).sum()
    }

    /// Whether nothing is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that is held.
    #[must_use]
    pub fn all(&self) -> Vec<Denial> {
        self.homes
            .iter()
            .flat_map(|home| home.read().iter().flat_map(|(tag, user)| user.all(*tag)).collect::<Vec<_>>())
            .collect()
    }

    fn now_ms(&self) -> u64 {
        // Above 0, which stands for never.
        millis(self.begun.elapsed()) + 1
    }

    fn add(&self, denials: &[Denial]) {
        for denial in denials {
            self.homes[denial.tag.home().index()].write().entry(denial.tag).or_default().add(denial);
        }
    }

    fn note(&self, news: &News) {
        match news {
            News::Signal(signal) => self.hear(signal),
            News::Doubt(_) => self.doubt(),
        }
    }

    /// Keeps the beginning of a doubt that lasts.
    fn doubt(&self) {
        let _ = self.doubt_since.compare_exchange(0, self.now_ms(), Ordering::AcqRel, Ordering::Relaxed);
    }

    fn forget(&self, now: Timestamp) {
        for home in &self.homes {
            if home.read().is_empty() {
                continue;
            }
            home.write().retain(|_, user| user.retain(now));
        }
    }

    /// Adds what the store has behind a place. A doubt that came while it was asked remains.
    async fn reload(&self, store: &dyn TokenStore, now: Timestamp, after: DenialPlace) -> Result<DenialPlace, Fault> {
        let (asked, doubted) = (self.now_ms(), self.doubt_since.load(Ordering::Acquire));
        let read = store.denials(now, after).await?;
        self.add(&read.denials);
        self.snapshot_at.store(asked, Ordering::Release);
        self.known.send_replace(true);
        let _ = self.doubt_since.compare_exchange(doubted, 0, Ordering::AcqRel, Ordering::Relaxed);
        Ok(read.place)
    }

    /// Whether the store is to be asked: at first, in doubt, while the bus is silent, and once in a while in any case.
    fn is_reload_due(&self) -> bool {
        let snapshot_at = self.snapshot_at.load(Ordering::Acquire);
        let doubts = self.doubt_since.load(Ordering::Acquire) > 0;
        let silent = self.bus.silence() > bounds::BUS_HEARTBEAT * 2;
        let age = self.now_ms().saturating_sub(snapshot_at);
        snapshot_at == 0 || doubts || silent || age >= millis(bounds::DENY_LIST_RECONCILE)
    }
}

/// How far the store was read.
#[derive(Debug, Default)]
struct Progress {
    place: DenialPlace,
    /// When all of it was read last, by the clock: a machine that slept does not go on from a place of yesterday.
    whole_at: Timestamp,
}

impl Progress {
    /// From where to read: once in a while from the beginning, whatever a store may have lost or got back meanwhile.
    fn next(&self, now: Timestamp) -> DenialPlace {
        let is_old = now.since_ms(self.whole_at) >= millis(bounds::DENY_LIST_RECONCILE);
        if is_old { DenialPlace::default() } else { self.place.clone() }
    }

    fn note(&mut self, from: &DenialPlace, to: DenialPlace, now: Timestamp) {
        if *from == DenialPlace::default() {
            self.whole_at = now;
        }
        self.place = to;
    }
}

/// Listens and asks until the list is dropped.
async fn keep(list: Weak<DenyList>, store: Arc<dyn TokenStore>, mut news: Subscription, clock: Clock) {
    let mut ticks = time::interval(bounds::DENY_LIST_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut progress, mut forget_at) = (Progress::default(), Timestamp::ZERO);
    loop {
        let heard = tokio::select! {
            heard = news.next() => match heard {
                Some(heard) => Some(heard),
                None => return,
            },
            _ = ticks.tick() => None,
        };
        let Some(list) = list.upgrade() else { return };
        let in_doubt = matches!(heard, Some(News::Doubt(_)));
        let is_tick = heard.is_none();
        if let Some(heard) = heard {
            list.note(&heard);
        }
        if in_doubt || (is_tick && list.is_reload_due()) {
            refresh(&list, &*store, &mut news, clock.now(), &mut progress).await;
        }
        if is_tick && clock.now() >= forget_at {
            list.forget(clock.now());
            metrics::gauge!("vestibule_token_denials").set(list.len() as f64);
            forget_at = clock.now().plus_ms(millis(bounds::DENY_LIST_FORGET));
        }
    }
}

/// Asks the store, and goes on hearing meanwhile: an answer may be long.
async fn refresh(list: &DenyList, store: &dyn TokenStore, news: &mut Subscription, now: Timestamp, progress: &mut Progress) {
    let from = progress.next(now);
    let mut reload = std::pin::pin!(list.reload(store, now, from.clone()));
    loop {
        tokio::select! {
            reloaded = &mut reload => {
                return match reloaded {
                    Ok(place) => progress.note(&from, place, now),
                    // The doubt that led here remains, and with it the next try.
                    Err(fault) => tracing::debug!(class = fault.class(), "the denied tokens were not read"),
                };
            }
            Some(heard) = news.next() => list.note(&heard),
        }
    }
}

impl OfUser {
    fn denies(&self, token: &[u8; 12], family: &[u8; 12], epoch: u32) -> bool {
        self.before.is_some_and(|(before, _)| epoch < before)
            || self.tokens.contains_key(token)
            || self.families.contains_key(family)
    }

    fn add(&mut self, denial: &Denial) {
        let until = match denial.what {
            Denied::Token(serial) => self.tokens.entry(serial).or_default(),
            Denied::Family(serial) => self.families.entry(serial).or_default(),
            Denied::Before(epoch) => {
                let (before, until) = self.before.get_or_insert_default();
                *before = epoch.max(*before);
                until
            }
        };
        *until = denial.until.max(*until);
    }

    /// Drops what is over. Returns whether anything is left.
    fn retain(&mut self, now: Timestamp) -> bool {
        self.tokens.retain(|_, until| *until > now);
        self.families.retain(|_, until| *until > now);
        self.before = self.before.filter(|(_, until)| *until > now);
        self.len() > 0
    }

    fn len(&self) -> usize {
        self.tokens.len() + self.families.len() + usize::from(self.before.is_some())
    }

    fn all(&self, tag: UserTag) -> impl Iterator<Item = Denial> {
        let tokens = self.tokens.iter().map(|(serial, until)| (Denied::Token(*serial), *until));
        let families = self.families.iter().map(|(serial, until)| (Denied::Family(*serial), *until));
        let before = self.before.iter().map(|(epoch, until)| (Denied::Before(*epoch), *until));
        tokens.chain(families).chain(before).map(move |(what, until)| Denial { tag, what, until })
    }
}

#[cfg(test)]
mod tests;
