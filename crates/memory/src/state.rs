//! [`MemoryState`]: the projection of a record, bounded and forgetful.

use crate::table::{Beside, Budget, Table};
use parking_lot::RwLock;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
use vestibule_core::{
    Answer,
    id::{Home, UserTag},
    record::{Projected, State, UserSnapshot},
    session::{TokenDigest, command::FindOutcome, command::Touch, command::TouchOutcome, transition},
    time::Timestamp,
    user::UserAggregate,
};

/// The state of one process under a record.
///
/// Above its limit it forgets users: in each home first those without live sessions, longest at rest
/// first, then those that nobody asked for since the clock's hand last passed them; never the one who is being projected. What was forgotten is read again from
/// the record when it is asked for.
#[derive(Debug)]
pub struct MemoryState {
    homes: Box<[RwLock<HomeState>]>,
    budget: Arc<Budget>,
    hand: AtomicUsize,
    evicted: AtomicU64,
}

#[derive(Debug)]
struct HomeState {
    users: Table<Projection>,
    /// The highest place in the change log of anything that was forgotten here. A snapshot from before it may be older
    /// than what was forgotten: it must not bring an ended session back.
    evicted_sequence: u64,
}

#[derive(Debug, Default)]
struct Projection {
    sequence: u64,
    /// Whether anybody asked since the hand last passed.
    used: AtomicBool,
    queued: bool,
}

/// How often the hand goes round for one projection.
const ROUNDS: usize = 3;

impl Projection {
    fn note_use(&self) {
        // A load first: lookups of the same user on two cores would else pass the cache line to and fro.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

impl Beside for Projection {
    fn bytes(&self) -> usize {
        0
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn rests(user: &UserAggregate) -> bool {
        user.live.is_empty()
    }

    fn queued(&mut self) -> &mut bool {
        &mut self.queued
    }
}

impl MemoryState {
    /// An empty state that holds about `memory_limit` bytes at most.
    #[must_use]
    pub fn new(memory_limit: usize) -> Self {
        let budget = Budget::new(memory_limit);
        let home = |_| RwLock::new(HomeState { users: Table::new(&budget), evicted_sequence: 0 });
        Self {
            homes: (0..Home::COUNT).map(home).collect(),
            budget: budget.clone(),
            hand: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// Bytes of users and sessions that are held, about.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.budget.used()
    }

    /// Users that are held.
    #[must_use]
    pub fn users_held(&self) -> usize {
        self.homes.iter().map(|home| home.read().users.len()).sum()
    }

    /// Users that were forgotten since the start.
    #[must_use]
    pub fn evicted_total(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn home(&self, tag: UserTag) -> &RwLock<HomeState> {
        &self.homes[tag.home().index()]
    }

    fn take_over(&self, snapshot: UserSnapshot) -> Projected {
        let UserSnapshot { sequence, mut user } = snapshot;
        let mut home = self.home(user.tag).write();
        match home.users.get(user.tag) {
            Some(held) if held.user.revision >= user.revision => return Projected::Older,
            Some(held) => {
                transition::keep_touches(&held.user, &mut user);
                held.beside.note_use();
            }
            None if sequence < home.evicted_sequence => return Projected::Stale,
            None => {}
        }
        home.users.change(user.tag, |held| {
            // Somebody new begins as unused: a walk over many users must not push out those who are asked for.
            held.beside.sequence = sequence;
            held.user = user;
        });
        Projected::Applied
    }

    /// Forgets users until the budget is kept. Thrice round the homes at most: the first time may only find
    /// that everybody is in use.
    fn make_room(&self, keep: UserTag) {
        for _ in 0..self.homes.len() * ROUNDS {
            if !self.budget.is_exceeded() {
                return;
            }
            let next = self.hand.fetch_add(1, Ordering::Relaxed) % self.homes.len();
            let mut home = self.homes[next].write();
            let evicted = home.evict(keep);
            self.evicted.fetch_add(evicted, Ordering::Relaxed);
        }
    }
}

impl HomeState {
    /// Forgets users of this home until the budget is kept: all at rest if need be, and of the others those that nobody
    /// asked for since the hand last passed. Returns how many.
    fn evict(&mut self, keep: UserTag) -> u64 {
        let mut evicted = 0;
        let mut note = |gone: &Projection| {
            self.evicted_sequence = self.evicted_sequence.max(gone.sequence);
            evicted += 1;
        };
        self.users.evict_resting(Some(keep), &mut note);
        let spare = |projection: &Projection| projection.used.swap(false, Ordering::Relaxed);
        self.users.evict_unused(keep, spare, &mut note);
        evicted
    }
}

impl State for MemoryState {
    fn project(&self, snapshot: UserSnapshot) -> Answer<'_, Projected> {
        Box::pin(async move {
            let tag = snapshot.user.tag;
            let projected = self.take_over(snapshot);
            if projected == Projected::Applied {
                self.make_room(tag);
            }
            Ok(projected)
        })
    }

    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<FindOutcome>> {
        Box::pin(async move {
            let home = self.home(tag).read();
            let Some(held) = home.users.get(tag) else {
                return Ok(None);
            };
            held.beside.note_use();
            Ok(Some(transition::find(&held.user, &digest, now)))
        })
    }

    fn user(&self, tag: UserTag) -> Answer<'_, Option<UserAggregate>> {
        Box::pin(async move {
            let home = self.home(tag).read();
            let Some(held) = home.users.get(tag) else {
                return Ok(None);
            };
            held.beside.note_use();
            Ok(Some(held.user.clone()))
        })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, Option<TouchOutcome>> {
        Box::pin(async move {
            let tag = touch.id.tag();
            let mut home = self.home(tag).write();
            if home.users.get(tag).is_none() {
                return Ok(None);
            }
            Ok(Some(home.users.change(tag, |held| transition::touch(&mut held.user, &touch))))
        })
    }
}
