//! The timelines of users are copies of what their home keeps: whether these are what was written.
//!
//! They may be shorter, since they expire earlier, but from the first event that both have they go on alike.

use super::Timeline;
use crate::{
    RedisStore, bounds,
    event::{found, range},
    key::Key,
    link::strings,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use vestibule_core::{
    fault::Fault,
    id::{EventId, UserTag},
};

/// What a home keeps of each of its users, oldest first.
type Originals = BTreeMap<UserTag, Vec<Vec<u8>>>;
/// Events whose copies are not as they were written; `None` for what cannot be read.
type Strays = BTreeSet<Option<EventId>>;

impl RedisStore {
    /// See [`vestibule_core::event::chain::EventChain::strays`].
    pub(super) async fn strays_of(&self, lane: u16) -> Result<Vec<Option<EventId>>, Fault> {
        for _ in 0..bounds::CHANGE_TRIES {
            let Timeline { total, lines } = self.lane(lane).await?;
            let strays = self.compare(&self.originals(lines)).await?;
            // What was written in between is in one of them only.
            if strays.is_empty() || self.lane(lane).await?.total == total {
                return Ok(strays.into_iter().collect());
            }
        }
        Err(Fault::Unavailable("too many processes write events of one home".into()))
    }

    /// What was altered in the home itself is no measure.
    fn originals(&self, lines: Vec<(u64, Vec<u8>)>) -> Originals {
        let mut originals = Originals::new();
        for (_, line) in lines {
            if let Some(tag) = found(&line).0.and_then(|event| event.tag).filter(|_| self.is_proven(&line)) {
                originals.entry(tag).or_default().push(line);
            }
        }
        originals
    }

    async fn compare(&self, originals: &Originals) -> Result<Strays, Fault> {
        let mut strays = Strays::new();
        for users in originals.iter().collect::<Vec<_>>().chunks(bounds::TIMELINES_AT_ONCE) {
            let ask: Vec<_> = users.iter().map(|(tag, _)| range(&Key::timeline(**tag))).collect();
            let timelines = self.link.within(self.link.read_all(&ask)).await?;
            for ((_, originals), copies) in users.iter().zip(timelines) {
                self.compare_one(originals, &strings(copies)?, &mut strays);
            }
        }
        Ok(strays)
    }

    fn compare_one(&self, originals: &[Vec<u8>], copies: &[Vec<u8>], strays: &mut Strays) {
        let held: HashSet<&Vec<u8>> = copies.iter().collect();
        // One that has expired as a whole is none that was altered.
        let begin = if copies.is_empty() { originals.len() } else { 0 };
        let first = originals.iter().position(|original| held.contains(original)).unwrap_or(begin);
        let missing = originals[first..].iter().filter(|original| !held.contains(original));
        let altered = copies.iter().filter(|copy| !self.is_proven(copy));
        strays.extend(missing.chain(altered).map(|line| found(line).0.map(|event| event.id)));
    }
}
