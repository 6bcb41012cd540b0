//! What the record denies of access tokens, all of it or what is new.
//!
//! What is new is read from the change log, where every denial stands with the change that made it. A place in the log is only given
//! up to where every entry is visible, so a transaction that commits late is not missed: its entry is above each place that was given
//! before.

use super::Joined;
use crate::{
    bounds,
    fault::Fault,
    time::Timestamp,
    token::{Denial, DenialPlace, NewDenials},
};

impl Joined {
    /// The denials since a place, with the place up to which everything is visible now.
    pub(super) async fn new_denials(&self, now: Timestamp, after: &DenialPlace) -> Result<NewDenials, Fault> {
        // Asked first: what becomes visible while the rest is read is above it, and read again by whoever goes on from here.
        let settled = self.watch(self.record.position(None).await)?;
        let place = DenialPlace::new([settled]);
        // A record that was restored from a copy may be behind what was read of it.
        let read = after.figures().first().filter(|read| **read <= settled);
        if let Some(read) = read
            && let Some(denials) = self.denied_since(*read).await?
        {
            return Ok(NewDenials { denials, place });
        }
        Ok(NewDenials { denials: self.all_denials(now).await?, place })
    }

    /// What the log tells behind a place; `None` where that is so much that all denials are the shorter read.
    async fn denied_since(&self, mut after: u64) -> Result<Option<Vec<Denial>>, Fault> {
        let mut denials = Vec::new();
        for _ in 0..bounds::DENIAL_LOG_PAGES {
            let page = self.watch(self.record.changes_since(after, bounds::TAIL_PAGE).await)?;
            denials.extend(page.iter().flat_map(|change| &change.denied));
            match page.last() {
                Some(last) if page.len() == bounds::TAIL_PAGE => after = last.sequence,
                _ => return Ok(Some(denials)),
            }
        }
        Ok(None)
    }

    async fn all_denials(&self, now: Timestamp) -> Result<Vec<Denial>, Fault> {
        let mut all: Vec<Denial> = Vec::new();
        loop {
            let page = self.watch(self.record.denials(now, all.last().copied(), bounds::DENIAL_PAGE).await)?;
            let is_last = page.len() < bounds::DENIAL_PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}
