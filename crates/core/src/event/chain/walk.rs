//! Walks along a lane of the chain and says where it does not hold.

use super::{Break, BreakKind, Chain, Checkpoint, Forgotten, Found, Head, Report};
use crate::{
    bounds,
    event::{RangeDigest, Sealed},
    fault::Fault,
};
use std::collections::VecDeque;

/// A verification of one lane.
pub(super) struct Walk<'a> {
    chain: &'a Chain,
    lane: u16,
    report: &'a mut Report,
    /// Up to where events were read.
    position: u64,
    /// Those that were read and not checked yet.
    page: VecDeque<Found>,
    is_at_end: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(chain: &'a Chain, lane: u16, report: &'a mut Report) -> Self {
        Self { chain, lane, report, position: 0, page: VecDeque::new(), is_at_end: false }
    }

    pub(super) async fn run(mut self) -> Result<(), Fault> {
        let store = &*self.chain.store;
        let forgotten = store.forgotten(self.lane).await?;
        self.check_forgotten(&forgotten);
        let mut last: Option<Checkpoint> = None;
        loop {
            let after = last.as_ref().map_or(0, |last| last.sequence);
            let page = store.checkpoints(self.lane, after, bounds::CHAIN_PAGE).await?;
            if page.is_empty() {
                break;
            }
            for checkpoint in page {
                self.check_checkpoint(&checkpoint, last.as_ref(), &forgotten);
                if last.as_ref().is_some_and(|last| checkpoint.sequence <= last.sequence) {
                    return Err(Fault::Corrupt("checkpoints are out of order".into()));
                }
                self.check_range(&checkpoint, &forgotten).await?;
                self.report.checkpoints += 1;
                last = Some(checkpoint);
            }
        }
        self.check_rest(last.as_ref(), &forgotten).await?;
        self.check_copies().await?;
        self.report.head.extend(last.map(|last| Head {
            lane: self.lane,
            sequence: last.sequence,
            total: last.total,
            seal: last.seal.iter().map(|byte| format!("{byte:02x}")).collect(),
        }));
        Ok(())
    }

    /// A break in this lane.
    fn found(&self, kind: BreakKind, after: u64, through: Option<u64>) -> Break {
        let home = u8::try_from(self.lane).ok().filter(|_| self.chain.store.lanes() > 1);
        Break { kind, home, after, through, event_id: None, missing: None }
    }

    fn note(&mut self, kind: BreakKind, after: u64, through: Option<u64>) {
        let found = self.found(kind, after, through);
        self.report.note(found);
    }

    /// Notes that events are missing, unless retention deleted them while the walk was under way.
    async fn note_missing(&mut self, after: u64, through: Option<u64>, missing: u64) -> Result<(), Fault> {
        if after >= self.chain.store.forgotten(self.lane).await?.through {
            let found = Break { missing: Some(missing), ..self.found(BreakKind::EventsMissing, after, through) };
            self.report.note(found);
        }
        Ok(())
    }

    fn check_forgotten(&mut self, forgotten: &Forgotten) {
        let content = Forgotten::content(self.lane, forgotten.through);
        let Some(seal) = forgotten.seal else { return };
        let proof = self.chain.sealer.prove(b"forgotten", &content, &seal);
        if let Some(kind) = broken(proof, BreakKind::RetentionAltered) {
            self.note(kind, 0, Some(forgotten.through));
        }
    }

    fn check_checkpoint(&mut self, checkpoint: &Checkpoint, last: Option<&Checkpoint>, forgotten: &Forgotten) {
        let proof = self.chain.sealer.prove(b"checkpoint", &checkpoint.content(self.lane), &checkpoint.seal);
        let follows = match last {
            Some(last) => {
                checkpoint.sequence == last.sequence + 1
                    && checkpoint.from == last.through
                    && checkpoint.previous == last.seal
                    && (checkpoint.total == last.total + checkpoint.count || checkpoint.from < forgotten.through)
            }
            None => (checkpoint.sequence == 1 && checkpoint.from == 0) || checkpoint.from <= forgotten.through,
        };
        let kind = broken(proof, BreakKind::CheckpointAltered).or((!follows).then_some(BreakKind::CheckpointAltered));
        if let Some(kind) = kind {
            self.note(kind, checkpoint.from, Some(checkpoint.through));
        }
    }

    /// Checks the events up to the end of a checkpoint's range, and the range as a whole where none of it was forgotten.
    async fn check_range(&mut self, checkpoint: &Checkpoint, forgotten: &Forgotten) -> Result<(), Fault> {
        self.check_events(Some(checkpoint.from)).await?;
        let range = self.check_events(Some(checkpoint.through)).await?;
        if checkpoint.from < forgotten.through {
            return Ok(());
        }
        let (count, digest) = (range.count, range.finish());
        if count < checkpoint.count {
            self.note_missing(checkpoint.from, Some(checkpoint.through), checkpoint.count - count).await?;
        } else if digest != checkpoint.digest {
            self.note(BreakKind::RangeAltered, checkpoint.from, Some(checkpoint.through));
        }
        Ok(())
    }

    /// What no checkpoint has closed yet: the figure of all events tells how many there must be.
    async fn check_rest(&mut self, last: Option<&Checkpoint>, forgotten: &Forgotten) -> Result<(), Fault> {
        let (from, total) = last.map_or((0, 0), |last| (last.through, last.total));
        self.check_events(None).await?;
        if forgotten.through > from {
            return Ok(());
        }
        let tally = self.chain.store.tally(self.lane, from).await?;
        let expected = tally.total.saturating_sub(total);
        if tally.present < expected {
            self.note_missing(from, None, expected - tally.present).await?;
        } else if tally.present > expected {
            self.note(BreakKind::RangeAltered, from, None);
        }
        Ok(())
    }

    async fn check_copies(&mut self) -> Result<(), Fault> {
        for event_id in self.chain.store.strays(self.lane).await? {
            let stray = Break { event_id, ..self.found(BreakKind::CopyAltered, 0, None) };
            self.report.note(stray);
        }
        Ok(())
    }

    /// Checks each event up to a position, or all.
    async fn check_events(&mut self, through: Option<u64>) -> Result<RangeDigest, Fault> {
        let mut range = RangeDigest::default();
        while let Some(found) = self.next(through).await? {
            self.check_event(&found);
            range.add(&found.link);
            self.report.events += 1;
        }
        Ok(range)
    }

    /// The next event up to a position.
    async fn next(&mut self, through: Option<u64>) -> Result<Option<Found>, Fault> {
        if self.page.is_empty() && !self.is_at_end {
            let page = self.chain.store.found(self.lane, self.position, bounds::CHAIN_PAGE).await?;
            self.is_at_end = page.len() < bounds::CHAIN_PAGE;
            self.position = page.last().map_or(self.position, |found| found.link.position);
            self.page = page.into();
        }
        let is_within = |found: &Found| through.is_none_or(|through| found.link.position <= through);
        Ok(self.page.front().is_some_and(is_within).then(|| self.page.pop_front()).flatten())
    }

    fn check_event(&mut self, found: &Found) {
        let proof = found.event.as_ref().map_or(Sealed::Altered, |event| self.chain.sealer.check(event, &found.link.seal));
        let Some(kind) = broken(proof, BreakKind::EventAltered) else { return };
        let position = found.link.position;
        let event = found.event.as_ref();
        let mut altered = self.found(kind, position.saturating_sub(1), Some(position));
        altered.event_id = event.map(|event| event.id);
        altered.home = altered.home.or(event.and_then(|event| event.tag).map(|tag| tag.home().0));
        self.report.note(altered);
    }
}

/// What a proof shows to be broken, if anything.
fn broken(proof: Sealed, altered: BreakKind) -> Option<BreakKind> {
    match proof {
        Sealed::Intact => None,
        Sealed::Altered => Some(altered),
        Sealed::UnknownKey => Some(BreakKind::UnderUnknownKey),
    }
}
