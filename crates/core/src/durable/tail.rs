//! What other nodes decided, read from the change log and laid over what the state says.
//!
//! The state may be stale: a node died between its commit and its projection, or an old copy of the state answers. So every
//! node reads the log a few times a second and remembers for a minute at which revision somebody's sessions ended. A positive
//! answer about such a user counts only if the state knows that revision; else the record is asked. Where the state lacks a
//! change, it is projected again.

use super::Joined;
use crate::{
    bounds,
    bus::{News, SessionsEnded, Signal},
    fault::Fault,
    id::UserTag,
    record::Change,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

/// How far a node has read the log.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// Everything up to here has been read; `None` before the first read.
    position: Option<u64>,
    /// Entries behind the position that have been seen: while older transactions are open, they are read again.
    seen: HashMap<u64, Instant>,
}

impl Cursor {
    /// Moves on to what is settled. Somebody else's long transaction may hold that back; ours are over long before the overlay
    /// forgets, so nothing can appear below an entry that was seen that long ago.
    fn settle(&mut self, settled: u64) {
        let aged = self.seen.iter().filter(|(_, at)| at.elapsed() >= bounds::OVERLAY_KEPT).map(|(sequence, _)| *sequence).max();
        let position = self.position.max(Some(settled)).max(aged).unwrap_or(settled);
        self.position = Some(position);
        self.seen.retain(|sequence, _| *sequence > position);
    }
}

/// Revisions that the state must have reached before a positive answer about a user counts.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    /// Whether there may be any: one process alone never has one, and its lookups shall not pay for a lock.
    any: AtomicBool,
    suspects: Mutex<Suspects>,
}

#[derive(Debug, Default)]
struct Suspects {
    users: HashMap<UserTag, (u64, Instant)>,
    /// There were more than could be remembered: everybody is one until then.
    all_until: Option<Instant>,
}

/// What the overlay demands of a positive answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Nothing: the answer counts.
    Nothing,
    /// The state must hold the user at this revision or a later one.
    Revision(u64),
    /// Only the record knows.
    Record,
}

impl Overlay {
    /// Notes that a user's sessions ended at a revision, or that a revision did not reach the state.
    pub(super) fn note(&self, tag: UserTag, revision: u64, now: Instant) {
        let mut suspects = self.suspects.lock();
        self.any.store(true, Ordering::Release);
        if suspects.users.len() >= bounds::OVERLAY_USERS {
            suspects.users.retain(|_, (_, until)| *until > now);
            if suspects.users.len() >= bounds::OVERLAY_USERS {
                suspects.all_until = Some(now + bounds::OVERLAY_KEPT);
                suspects.users.clear();
            }
        }
        let entry = suspects.users.entry(tag).or_insert((0, now));
        *entry = (entry.0.max(revision), now + bounds::OVERLAY_KEPT);
    }

    /// What a positive answer about a user needs now.
    pub(super) fn demand(&self, tag: UserTag) -> Demand {
        if self.any.load(Ordering::Acquire) { self.demand_at(tag, Instant::now()) } else { Demand::Nothing }
    }

    fn demand_at(&self, tag: UserTag, now: Instant) -> Demand {
        let suspects = self.suspects.lock();
        if suspects.all_until.is_some_and(|until| until > now) {
            return Demand::Record;
        }
        match suspects.users.get(&tag) {
            Some((revision, until)) if *until > now => Demand::Revision(*revision),
            _ => Demand::Nothing,
        }
    }
}

impl Joined {
    /// One look at the log. Returns how many entries were new.
    pub(super) async fn read_log(&self, cursor: &mut Cursor) -> Result<usize, Fault> {
        let settled = self.watch(self.record.position(None).await)?;
        let mut after = match cursor.position {
            Some(position) => position,
            None => self.watch(self.record.position(Some(bounds::OVERLAY_KEPT)).await)?,
        };
        let mut new = 0;
        loop {
            let page = self.watch(self.record.changes_since(after, bounds::TAIL_PAGE).await)?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            let full = page.len() == bounds::TAIL_PAGE;
            for change in page {
                if cursor.seen.insert(change.sequence, Instant::now()).is_none() {
                    self.hear(&change).await?;
                    new += 1;
                }
            }
            if !full {
                break;
            }
        }
        cursor.settle(settled);
        Ok(new)
    }

    /// Lays what the bus tells over the state's answers.
    pub(super) fn note_end(&self, news: &News) {
        if let News::Signal(Signal::SessionsEnded(ended)) = news {
            self.overlay.note(ended.tag, ended.revision, Instant::now());
        }
    }

    async fn hear(&self, change: &Change) -> Result<(), Fault> {
        if let Some(ended) = SessionsEnded::in_log(change) {
            self.overlay.note(change.tag, change.revision, Instant::now());
            self.bus.relay(Signal::SessionsEnded(ended));
        }
        if let Some(denied) = Signal::denied(&change.denied) {
            self.bus.relay(denied);
        }
        // A state that does not hold the user reads them when they are asked for; one that fails is not mended from here.
        if let Ok(Some(user)) = self.state.user(change.tag).await
            && user.revision < change.revision
        {
            self.load(change.tag).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tag(n: u32) -> UserTag {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        UserTag::from_bytes(bytes)
    }

    #[test]
    fn the_latest_revision_is_demanded_for_a_minute() {
        let (overlay, now) = (Overlay::default(), Instant::now());
        overlay.note(tag(1), 7, now);
        overlay.note(tag(1), 5, now);
        assert_eq!(overlay.demand_at(tag(1), now), Demand::Revision(7));
        assert_eq!(overlay.demand_at(tag(2), now), Demand::Nothing);
        assert_eq!(overlay.demand_at(tag(1), now + bounds::OVERLAY_KEPT), Demand::Nothing);
    }

    /// More ends than can be remembered make everybody a suspect; none is forgotten.
    #[test]
    fn an_end_is_never_dropped() {
        let (overlay, now) = (Overlay::default(), Instant::now());
        for n in 0..=bounds::OVERLAY_USERS as u32 {
            overlay.note(tag(n), 1, now);
        }
        assert_eq!(overlay.demand_at(tag(0), now), Demand::Record);
        let later = now + bounds::OVERLAY_KEPT + Duration::from_millis(1);
        assert_eq!(overlay.demand_at(tag(0), later), Demand::Nothing);
    }
}
