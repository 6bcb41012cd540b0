//! The users of one home, each in one box, and the account of the bytes they take.

use crate::bounds;
use hashbrown::HashTable;
use std::{
    collections::VecDeque,
    mem::size_of,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
};
use vestibule_core::{
    id::UserTag,
    session::PackedSession,
    user::{Extras, Handoff, UserAggregate},
};

/// What the allocator and a reference count add to a block, about.
const PER_BLOCK: usize = 24;
/// What a table slot costs at the usual load: pointer and control byte, half of the slots in use.
const PER_SLOT: usize = 20;

/// The bytes that all homes of a store may take, and those they do.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    fn replace(&self, before: usize, after: usize) {
        if after >= before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// What a store keeps of a user beside the aggregate.
pub(crate) trait Beside: Default {
    /// Bytes on the heap.
    fn bytes(&self) -> usize;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;

    /// Whether a user is at rest: of those, the store forgets first.
    fn rests(user: &UserAggregate) -> bool;

    /// Whether the user waits in the queue of those at rest.
    fn queued(&mut self) -> &mut bool;
}

/// A user as a home holds them.
#[derive(Debug)]
pub(crate) struct Held<X> {
    pub(crate) user: UserAggregate,
    pub(crate) beside: X,
}

impl<X: Beside> Held<X> {
    fn is_blank(&self) -> bool {
        self.user.revision == 0 && self.beside.is_empty()
    }

    fn rests(&self) -> bool {
        X::rests(&self.user)
    }

    /// Gives back what a list took to grow; one item in eight may stay spare, so that long lists are not copied each time.
    fn trim(&mut self) {
        let live = &mut self.user.live;
        if live.spilled() && live.capacity() - live.len() > live.len() / 8 {
            live.shrink_to_fit();
        }
    }

    fn bytes(&self) -> usize {
        let user = &self.user;
        let packed: usize = user.live.iter().map(packed_bytes).sum();
        let list = if user.live.spilled() { user.live.capacity() * size_of::<PackedSession>() + PER_BLOCK } else { 0 };
        let name = user.user_id.as_ref().map_or(0, |id| id.as_str().len() + PER_BLOCK);
        let handoffs = user.handoffs.as_ref().map_or(0, |handoffs| handoffs.capacity() * size_of::<Handoff>() + 2 * PER_BLOCK);
        let extras = user.extras.as_ref().map_or(0, |extras| size_of::<Extras>() + PER_BLOCK + extras.memory());
        size_of::<Self>() + PER_SLOT + packed + list + name + handoffs + extras + self.beside.bytes()
    }
}

/// The bytes of one packed session with its block.
pub(crate) fn packed_bytes(session: &PackedSession) -> usize {
    session.as_bytes().len() + PER_BLOCK
}

/// The users of one home.
///
/// Slots hold only the pointer, since the tag stands in the user anyway: 9 bytes instead of 25, of which half are spare.
#[derive(Debug)]
pub(crate) struct Table<X> {
    users: HashTable<Box<Held<X>>>,
    budget: Arc<Budget>,
    /// Users at rest, those that came to it first in front. May name users that are gone or have come back.
    resting: VecDeque<UserTag>,
    hand: usize,
}

/// A tag is the output of a MAC, so eight of its bytes are as good as any hash; the first one is the home's.
fn hash(tag: &UserTag) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&tag.as_bytes()[4..]);
    u64::from_le_bytes(bytes)
}

impl<X: Beside> Table<X> {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self { users: HashTable::new(), budget: budget.clone(), resting: VecDeque::new(), hand: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }

    pub(crate) fn get(&self, tag: UserTag) -> Option<&Held<X>> {
        self.users.find(hash(&tag), |held| held.user.tag == tag).map(|held| &**held)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Held<X>> {
        self.users.iter().map(|held| &**held)
    }

    /// Changes a user in place. One of whom nothing is known comes into being, unless nothing is known of them afterwards.
    pub(crate) fn change<R>(&mut self, tag: UserTag, change: impl FnOnce(&mut Held<X>) -> R) -> R {
        let answer;
        if let Some(held) = self.users.find_mut(hash(&tag), |held| held.user.tag == tag) {
            let before = held.bytes();
            answer = change(held);
            held.trim();
            self.budget.replace(before, held.bytes());
        } else {
            let mut held = Box::new(Held { user: UserAggregate::new(tag), beside: X::default() });
            answer = change(&mut held);
            if held.is_blank() {
                return answer;
            }
            held.trim();
            self.budget.replace(0, held.bytes());
            self.users.insert_unique(hash(&tag), held, |held| hash(&held.user.tag));
        }
        self.queue(tag);
        answer
    }

    /// Changes every user in place, for walks off the request path.
    pub(crate) fn change_all(&mut self, mut change: impl FnMut(&mut Held<X>)) {
        for held in &mut self.users {
            let before = held.bytes();
            change(held);
            self.budget.replace(before, held.bytes());
        }
    }

    /// Forgets a user. Returns what was kept beside the aggregate.
    pub(crate) fn remove(&mut self, tag: UserTag) -> Option<X> {
        let entry = self.users.find_entry(hash(&tag), |held| held.user.tag == tag).ok()?;
        let (held, _) = entry.remove();
        self.budget.replace(held.bytes(), 0);
        let capacity = self.users.capacity();
        if capacity > bounds::SMALL_TABLE && self.users.len() < capacity / bounds::SPARSE {
            self.users.shrink_to(self.users.len() * 2, |held| hash(&held.user.tag));
        }
        self.bound_queue();
        Some(held.beside)
    }

    /// Forgets users at rest, other than `keep`, longest at rest first, until the budget is kept.
    pub(crate) fn evict_resting(&mut self, keep: Option<UserTag>, mut gone: impl FnMut(&X)) {
        for _ in 0..self.resting.len() {
            if !self.budget.is_exceeded() {
                return;
            }
            let Some(tag) = self.resting.pop_front() else { return };
            if Some(tag) == keep {
                self.resting.push_back(tag);
                continue;
            }
            let Some(held) = self.users.find_mut(hash(&tag), |held| held.user.tag == tag) else {
                continue;
            };
            *held.beside.queued() = false;
            if held.rests()
                && let Some(beside) = self.remove(tag)
            {
                gone(&beside);
            }
        }
    }

    /// Forgets users, other than `keep`, whom `spare` does not save, until the budget is kept. Once round the table at most.
    pub(crate) fn evict_unused(&mut self, keep: UserTag, spare: impl Fn(&X) -> bool, mut gone: impl FnMut(&X)) {
        for _ in 0..self.users.num_buckets() {
            if !self.budget.is_exceeded() {
                return;
            }
            self.hand = if self.hand + 1 < self.users.num_buckets() { self.hand + 1 } else { 0 };
            let Some(held) = self.users.get_bucket(self.hand) else {
                continue;
            };
            let tag = held.user.tag;
            if tag != keep
                && !spare(&held.beside)
                && let Some(beside) = self.remove(tag)
            {
                gone(&beside);
            }
        }
    }

    fn queue(&mut self, tag: UserTag) {
        let Some(held) = self.users.find_mut(hash(&tag), |held| held.user.tag == tag) else {
            return;
        };
        if held.rests() && !std::mem::replace(held.beside.queued(), true) {
            self.resting.push_back(tag);
            self.bound_queue();
        }
    }

    /// Entries of users who are gone would pile up: the queue is built anew before it is much longer than the table.
    fn bound_queue(&mut self) {
        if self.resting.len() <= self.users.len() + bounds::QUEUE_SLACK {
            return;
        }
        self.resting.clear();
        for held in &mut self.users {
            let rests = held.rests();
            *held.beside.queued() = rests;
            if rests {
                self.resting.push_back(held.user.tag);
            }
        }
        self.resting.shrink_to(self.users.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Nothing(bool);

    impl Beside for Nothing {
        fn bytes(&self) -> usize {
            0
        }

        fn is_empty(&self) -> bool {
            true
        }

        fn rests(user: &UserAggregate) -> bool {
            user.live.is_empty() && !user.disabled
        }

        fn queued(&mut self) -> &mut bool {
            &mut self.0
        }
    }

    #[test]
    fn users_who_come_and_go_leave_no_entries_in_the_queue() {
        let budget = Budget::new(0);
        let mut table = Table::<Nothing>::new(&budget);
        let stays = UserTag::from_bytes([1; 12]);
        table.change(stays, |held| held.user.revision = 1);
        for round in 0..10_000_u64 {
            let tag = UserTag::from_bytes([2; 12]);
            table.change(tag, |held| held.user.revision = 1);
            table.change(stays, |held| held.user.disabled = round % 2 == 0);
            assert!(table.remove(tag).is_some());
            assert!(table.resting.len() <= bounds::QUEUE_SLACK + 2, "{round}");
        }
        let mut gone = 0;
        table.evict_resting(Some(stays), |_| gone += 1);
        assert_eq!((gone, table.len()), (0, 1), "spared");
        table.evict_resting(None, |_| gone += 1);
        assert_eq!((gone, table.len(), budget.used()), (1, 0, 0));
    }

    #[test]
    fn a_table_gives_back_its_memory() {
        let budget = Budget::new(usize::MAX);
        let mut table = Table::<Nothing>::new(&budget);
        let tag = |number: u32| {
            let mut bytes = [0; 12];
            bytes[4..8].copy_from_slice(&number.to_le_bytes());
            UserTag::from_bytes(bytes)
        };
        for number in 0..10_000 {
            table.change(tag(number), |held| held.user.revision = 1);
        }
        let full = table.users.capacity();
        for number in 10..10_000 {
            table.remove(tag(number));
        }
        assert!(table.users.capacity() * 16 < full && table.resting.capacity() * 16 < full);
        assert!((0..10).all(|number| table.get(tag(number)).is_some()));
    }
}
