//! [`MemoryStore`]: everything in process, nothing elsewhere.

use crate::{
    alias::Aliases,
    bounds,
    event::{PackedEvent, Recent},
    table::{Beside, Budget, Held, Table, packed_bytes},
    token::Denials,
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, VecDeque},
    mem::size_of,
    sync::Arc,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};
use vestibule_core::{
    bounds::{MEMORY_ENDED, MEMORY_EVENTS, WALK_BATCH},
    bus::{Bus, LocalBus, Repeats, Signal},
    deployment::DeploymentRecord,
    event::DeliveryDocument,
    fault::Fault,
    id::{Home, UserTag},
    key::KeyRecord,
    session::{PackedSession, TokenDigest, command::FindOutcome, command::Touch, command::TouchOutcome, transition},
    stats::Stats,
    time::{Timestamp, millis},
    token::signing::KeyDocument,
    user::{Context, Effects, Facts, UserAggregate, command::UserCommand, command::apply},
};

/// How much a [`MemoryStore`] keeps, and for how long.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// Bytes of users, sessions and events at most, about. Default [`bounds::MEMORY_LIMIT`]. Above it users of whom nothing
    /// is live are forgotten early; where that is not enough, whatever would add a session, a payload or a code ends as
    /// [`Fault::Unavailable`]. A live session is never forgotten, and reads, uses and endings go on.
    pub memory_limit: usize,
    /// How long a user of whom nothing is live is remembered: ended sessions, figures and events. Default 24 h. Disabled
    /// users are remembered until they are enabled or deleted.
    pub history_retention: Duration,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { memory_limit: bounds::MEMORY_LIMIT, history_retention: Duration::from_millis(bounds::HISTORY_RETENTION_MS) }
    }
}

/// The authoritative store in process. It decides every command itself and loses everything with the process.
///
/// Of each user it keeps the live sessions, the last [`MEMORY_ENDED`] that ended (without payload) and the last
/// [`MEMORY_EVENTS`] events, until [`MemoryOptions::history_retention`] after the last of it; deleting a user erases the
/// ended sessions at once. All of it counts against [`MemoryOptions::memory_limit`].
#[derive(Debug)]
pub struct MemoryStore {
    pub(crate) homes: Box<[RwLock<HomeShard>]>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) aliases: RwLock<Aliases>,
    pub(crate) keys: Mutex<Vec<KeyRecord>>,
    pub(crate) deployment: Mutex<Option<DeploymentRecord>>,
    pub(crate) signing_keys: Mutex<Option<KeyDocument>>,
    pub(crate) deliveries: Mutex<HashMap<Box<str>, DeliveryDocument>>,
    pub(crate) recent: Recent,
    bus: Arc<LocalBus>,
    retention_ms: u64,
    hand: AtomicUsize,
}

/// One home of a [`MemoryStore`].
#[derive(Debug)]
pub(crate) struct HomeShard {
    pub(crate) users: Table<Beneath>,
    /// Events of nobody in particular.
    pub(crate) events: VecDeque<PackedEvent>,
    pub(crate) stats: Stats,
    pub(crate) denials: Denials,
    /// No user of this home needs attention before this time (milliseconds): a bound from below, so that an idle moment
    /// costs one comparison for a home and a walk finds out the rest.
    wake_at: AtomicU64,
}

/// What lies behind a user: boxed, because a user who has just logged in has none of it but one event.
#[derive(Debug, Default)]
pub(crate) struct Beneath {
    past: Option<Box<Past>>,
    queued: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Past {
    /// Ended sessions without payload, in the order of their ends.
    pub(crate) ended: Vec<PackedSession>,
    /// In the order in which they were appended.
    pub(crate) events: Vec<PackedEvent>,
}

impl Past {
    /// The last time at which anything happened.
    fn last(&self) -> Timestamp {
        let ended = self.ended.iter().filter_map(|session| Some(session.ended()?.at)).max();
        ended.max(self.events.iter().map(PackedEvent::time).max()).unwrap_or_default()
    }
}

/// Appends to a list that seldom grows: exactly as much room as it needs, and the oldest leaves at the bound.
fn append<T>(list: &mut Vec<T>, item: T, bound: usize) {
    if list.len() >= bound {
        list.remove(0);
    }
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 4);
    }
    list.push(item);
}

impl Beneath {
    pub(crate) fn past(&self) -> Option<&Past> {
        self.past.as_deref()
    }

    pub(crate) fn append(&mut self, event: PackedEvent) {
        append(&mut self.past.get_or_insert_default().events, event, MEMORY_EVENTS);
    }

    /// Drops events that `keep` refuses, and the box with the last of it. Returns how many went.
    pub(crate) fn retain_events(&mut self, keep: impl FnMut(&PackedEvent) -> bool) -> usize {
        let Some(past) = &mut self.past else { return 0 };
        let before = past.events.len();
        past.events.retain(keep);
        let gone = before - past.events.len();
        if gone > 0 {
            past.events.shrink_to_fit();
        }
        if past.events.is_empty() && past.ended.is_empty() {
            self.past = None;
        }
        gone
    }

    fn remember(&mut self, effects: Effects, forget_before: Timestamp) {
        if let Some(past) = &mut self.past {
            past.ended.retain(|session| !effects.erase_history && session.ended().is_some_and(|end| end.at >= forget_before));
        }
        if !effects.erase_history {
            for session in effects.ended {
                append(&mut self.past.get_or_insert_default().ended, without_payload(&session), MEMORY_ENDED);
            }
        }
        for event in effects.events {
            self.append(PackedEvent::pack(&event));
        }
    }
}

/// Nobody reads the payload of an ended session, nor takes its previous token.
fn without_payload(session: &PackedSession) -> PackedSession {
    let mut session = session.unpack();
    session.data = Box::default();
    session.previous = None;
    PackedSession::pack(&session)
}

impl Beside for Beneath {
    fn bytes(&self) -> usize {
        let Some(past) = &self.past else { return 0 };
        let ended: usize = past.ended.iter().map(packed_bytes).sum();
        let events: usize = past.events.iter().map(PackedEvent::bytes).sum();
        let lists = past.ended.capacity() * size_of::<PackedSession>() + past.events.capacity() * size_of::<PackedEvent>();
        size_of::<Past>() + lists + ended + events
    }

    fn is_empty(&self) -> bool {
        self.past.is_none()
    }

    fn rests(user: &UserAggregate) -> bool {
        user.live.is_empty() && !user.disabled && user.extras.as_ref().is_none_or(|extras| extras.is_dispensable())
    }

    fn queued(&mut self) -> &mut bool {
        &mut self.queued
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let budget = Budget::new(options.memory_limit);
        let home = |_| {
            RwLock::new(HomeShard {
                users: Table::new(&budget),
                events: VecDeque::new(),
                stats: Stats::default(),
                denials: Denials::default(),
                wake_at: AtomicU64::new(u64::MAX),
            })
        };
        Self {
            homes: (0..Home::COUNT).map(home).collect(),
            budget: budget.clone(),
            aliases: RwLock::default(),
            keys: Mutex::default(),
            deployment: Mutex::default(),
            signing_keys: Mutex::default(),
            deliveries: Mutex::default(),
            recent: Recent::default(),
            bus: Arc::new(LocalBus::new(Repeats::Told)),
            retention_ms: millis(options.history_retention),
            hand: AtomicUsize::new(0),
        }
    }

    /// Where ends of sessions are told, in the order in which they happen.
    #[must_use]
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.bus.clone()
    }

    /// Bytes of users, sessions and events that are held, about.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.budget.used()
    }

    /// Users of whom anything is held.
    #[must_use]
    pub fn users_held(&self) -> usize {
        self.homes.iter().map(|home| home.read().users.len()).sum()
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        self.retention_ms
    }

    pub(crate) fn home(&self, tag: UserTag) -> &RwLock<HomeShard> {
        &self.homes[tag.home().index()]
    }

    /// Runs a command that may add nothing of size.
    pub(crate) fn run<C: UserCommand>(&self, cx: &Context, command: C) -> C::Outcome {
        let tag = command.tag();
        let forget_before = cx.now.minus_ms(self.retention_ms);
        let mut home = self.home(tag).write();
        let HomeShard { users, stats, denials, wake_at, .. } = &mut *home;
        users.change(tag, |held| {
            let live_before = held.user.live.len();
            let (outcome, effects) = apply(command, &mut held.user, cx, Facts::default());
            stats.count(&effects, live_before, held.user.live.len());
            denials.add(&effects.denied, cx.now);
            for signal in Signal::of(&held.user, &effects) {
                self.bus.publish(signal);
            }
            self.recent.note(&effects.events);
            held.beside.remember(effects, forget_before);
            wake(wake_at, held, self.retention_ms);
            outcome
        })
    }

    /// Runs a command that may add a session, a payload or a code, if there is room.
    pub(crate) fn run_growing<C: UserCommand>(&self, cx: &Context, command: C) -> Result<C::Outcome, Fault> {
        self.make_room()?;
        Ok(self.run(cx, command))
    }

    fn make_room(&self) -> Result<(), Fault> {
        if !self.budget.is_exceeded() {
            return Ok(());
        }
        self.forget_resting();
        if self.budget.is_exceeded() {
            let limit = self.budget.limit() / (1024 * 1024);
            return Err(Fault::Unavailable(
                format!("the memory limit of {limit} MiB is reached; nothing is dropped to make room").into(),
            ));
        }
        Ok(())
    }

    /// Forgets users at rest until the budget is kept. Once round the homes at most.
    pub(crate) fn forget_resting(&self) {
        for _ in 0..self.homes.len() {
            let next = self.hand.fetch_add(1, Ordering::Relaxed) % self.homes.len();
            self.homes[next].write().users.evict_resting(None, |_| {});
            if !self.budget.is_exceeded() {
                return;
            }
        }
    }

    pub(crate) fn look_up(&self, tag: UserTag, digest: &TokenDigest, now: Timestamp) -> FindOutcome {
        let home = self.home(tag).read();
        let Some(held) = home.users.get(tag) else {
            return FindOutcome::Unknown { user_known: false };
        };
        let outcome = transition::find(&held.user, digest, now);
        if !matches!(outcome, FindOutcome::Unknown { .. }) {
            return outcome;
        }
        let ended = held.beside.past().into_iter().flat_map(|past| &past.ended);
        let ended = ended.rev().find(|session| digest.matches(session.digest().as_bytes()));
        match ended.and_then(|session| Some((session.id(), session.ended()?.reason))) {
            Some((id, reason)) => FindOutcome::Ended { reason, id: Some(id), unnoticed: false },
            None => outcome,
        }
    }

    /// Users with a session that time has ended, at most `limit`. Forgets those at rest whose time has come.
    pub(crate) fn due_users(&self, now: Timestamp, limit: usize) -> Vec<UserTag> {
        self.forget_aliases(now);
        let mut due = Vec::new();
        let first = self.hand.load(Ordering::Relaxed);
        for step in 0..self.homes.len() {
            let home = &self.homes[(first + step) % self.homes.len()];
            let forgettable = home.read().walk(now, self.retention_ms, limit, &mut due);
            if !forgettable.is_empty() {
                home.write().forget(&forgettable, now, self.retention_ms);
            }
            if due.len() >= limit {
                // The next call begins behind this home, so that no home waits for ever.
                self.hand.store(first + step + 1, Ordering::Relaxed);
                break;
            }
        }
        due
    }

    /// A use: moves deadlines, and with a lower idle timeout also forward in time.
    pub(crate) fn note_use(&self, touch: &Touch) -> TouchOutcome {
        let tag = touch.id.tag();
        let mut home = self.home(tag).write();
        let HomeShard { users, wake_at, .. } = &mut *home;
        users.change(tag, |held| {
            let outcome = transition::touch(&mut held.user, touch);
            wake(wake_at, held, self.retention_ms);
            outcome
        })
    }
}

/// When a user needs attention: at their earliest deadline, or when they have been at rest for long enough.
fn wake_time(held: &Held<Beneath>, retention_ms: u64) -> Timestamp {
    match held.user.live.iter().map(PackedSession::deadline).min() {
        Some(deadline) => deadline,
        None if held.user.disabled => Timestamp::from_millis(u64::MAX),
        None => {
            let kept = held.user.extras.as_ref().map(|extras| extras.keep_until()).unwrap_or_default();
            held.beside.past().map(Past::last).unwrap_or_default().plus_ms(retention_ms).max(kept)
        }
    }
}

fn wake(wake_at: &AtomicU64, held: &Held<Beneath>, retention_ms: u64) {
    wake_at.fetch_min(wake_time(held, retention_ms).millis(), Ordering::Relaxed);
}

impl HomeShard {
    /// Lowers the bound of the next deadline to this user's.
    pub(crate) fn watch(&mut self, tag: UserTag, retention_ms: u64) {
        if let Some(held) = self.users.get(tag) {
            wake(&self.wake_at, held, retention_ms);
        }
    }

    /// Adds users with expired sessions to `due` and returns some who can be forgotten. Costs one comparison before the
    /// home's next deadline.
    fn walk(&self, now: Timestamp, retention_ms: u64, limit: usize, due: &mut Vec<UserTag>) -> Vec<UserTag> {
        let mut forgettable = Vec::new();
        if self.wake_at.load(Ordering::Relaxed) > now.millis() {
            return forgettable;
        }
        let mut next = u64::MAX;
        for held in self.users.iter() {
            let at = wake_time(held, retention_ms);
            next = next.min(at.millis());
            let (list, bound) = if held.user.live.is_empty() { (&mut forgettable, WALK_BATCH) } else { (&mut *due, limit) };
            if at <= now && list.len() < bound {
                list.push(held.user.tag);
            }
        }
        // Writers are kept out by the read lock, so no lower bound of theirs is lost.
        self.wake_at.store(next, Ordering::Relaxed);
        forgettable
    }

    fn forget(&mut self, tags: &[UserTag], now: Timestamp, retention_ms: u64) {
        for tag in tags {
            let still =
                self.users.get(*tag).is_some_and(|held| held.user.live.is_empty() && wake_time(held, retention_ms) <= now);
            if still {
                self.users.remove(*tag);
            }
        }
    }
}
