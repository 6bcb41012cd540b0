//! The chain: how it is noticed that an event was altered, taken away or put elsewhere.
//!
//! Three things stand beside the events of a lane (the whole record; on Redis a home):
//! * each event's seal ([`super::Sealer`]), made as it is written, so that an altered one shows at once;
//! * how many events there ever were, raised in the step that writes one, so that a missing one shows at once, unless somebody
//!   lowers the figure as well;
//! * checkpoints, made every few seconds by whichever node comes first: each is sealed over the one before it, the range of
//!   positions it closes, their number and the digest of their seals. From then on not even a change of everything else helps.
//!
//! Retention moves the beginning: what it deleted ends at a position that is sealed too. Nobody can tell a whole lane that was put
//! back to an older state from that state; whoever must, keeps the head that [`Report::head`] gives somewhere else.

mod walk;

use super::{Event, RangeDigest, Seal, Sealer};
use crate::{Answer, bounds, fault::Fault, id::EventId, time::Timestamp};
use parking_lot::Mutex;
use serde::Serialize;
use std::sync::Arc;
use walk::Walk;

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// 1, 2, 3 and so on in its lane.
    pub sequence: u64,
    /// Its range begins behind this position.
    pub from: u64,
    /// And ends with this one.
    pub through: u64,
    /// How many events there ever were up to its end.
    pub total: u64,
    /// How many are in its range.
    pub count: u64,
    /// SHA-256 over their seals, each behind its length (u32, little-endian), in the order of positions.
    pub digest: [u8; 32],
    /// When it was made.
    pub at: Timestamp,
    /// The seal of the checkpoint before it; zeros for the first.
    pub previous: Seal,
    /// Its own seal.
    pub seal: Seal,
}

impl Checkpoint {
    fn content(&self, lane: u16) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&lane.to_le_bytes());
        for number in [self.sequence, self.from, self.through, self.total, self.count, self.at.millis()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.previous);
        out
    }
}

/// What links an event into the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its position.
    pub position: u64,
    /// Its stored seal; empty where it has none.
    pub seal: Box<[u8]>,
}

/// Links behind a position, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The links, at most as many as were asked for.
    pub links: Vec<Link>,
    /// Up to this position no event can appear any more.
    pub settled: u64,
}

/// A stored event as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What links it.
    pub link: Link,
    /// The event; `None` where it cannot be read.
    pub event: Option<Event>,
}

/// How many events there are behind a position, and how many there ever were; of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ever.
    pub total: u64,
    /// Now, behind the position.
    pub present: u64,
}

/// Up to where events were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Up to this position events may be missing.
    pub through: u64,
    /// Its seal; `None` where a bounded list has dropped them, which nobody can seal.
    pub seal: Option<Seal>,
}

impl Forgotten {
    /// Seals a position up to which a store has forgotten.
    #[must_use]
    pub fn sealed(sealer: &Sealer, lane: u16, through: u64) -> Self {
        Self { through, seal: Some(sealer.sign(b"forgotten", &Self::content(lane, through))) }
    }

    fn content(lane: u16, through: u64) -> [u8; 10] {
        let mut out = [0; 10];
        out[..2].copy_from_slice(&lane.to_le_bytes());
        out[2..].copy_from_slice(&through.to_le_bytes());
        out
    }
}

/// What a store keeps of the chain. All of it are reads off the request path, but for [`Self::add_checkpoint`].
pub trait EventChain: Send + Sync {
    /// How many lanes there are: 0 where nothing is kept outside this process, 1 for a record, else one for each home.
    fn lanes(&self) -> u16;

    /// The position of the last event of each lane, 0 without one.
    fn ends(&self) -> Answer<'_, Vec<u64>>;

    /// Links behind a position.
    fn links(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Links>;

    /// Events behind a position, readable or not.
    fn found(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Vec<Found>>;

    /// See [`Tally`].
    fn tally(&self, lane: u16, after: u64) -> Answer<'_, Tally>;

    /// See [`Forgotten`].
    fn forgotten(&self, lane: u16) -> Answer<'_, Forgotten>;

    /// Checkpoints behind a number, in order.
    fn checkpoints(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Vec<Checkpoint>>;

    /// The last checkpoint.
    fn last_checkpoint(&self, lane: u16) -> Answer<'_, Option<Checkpoint>>;

    /// Adds a checkpoint, if there is none of its number. Whether it did.
    fn add_checkpoint(&self, lane: u16, checkpoint: Checkpoint) -> Answer<'_, bool>;

    /// Events that are shown to their user otherwise than they are in the lane, or not at all, since a copy was altered or taken away; `None`
    /// for a copy that cannot be read. Nothing where events have no copies.
    fn strays(&self, lane: u16) -> Answer<'_, Vec<Option<EventId>>>;

    /// Whether there are events from before events were sealed.
    fn has_unsealed(&self) -> Answer<'_, bool>;
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// An event is not as it was written.
    EventAltered,
    /// An event, or what proves others, was sealed under a secret that this server does not have; it may have been altered.
    UnderUnknownKey,
    /// Events of a range are missing.
    EventsMissing,
    /// A range has events that it did not have, or in another order.
    RangeAltered,
    /// The copy of an event that its user is shown is not as it was written, or is missing. It has no position.
    CopyAltered,
    /// A checkpoint is not as it was written, or is missing.
    CheckpointAltered,
    /// The note up to where retention deleted is not as it was written.
    RetentionAltered,
}

/// A place where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// What is wrong.
    pub kind: BreakKind,
    /// The home, where it is known.
    pub home: Option<u8>,
    /// Behind this position it begins.
    pub after: u64,
    /// Up to this position it reaches; `None` is the end.
    pub through: Option<u64>,
    /// The event, where it is one.
    pub event_id: Option<EventId>,
    /// How many events are missing, where that is known.
    pub missing: Option<u64>,
}

/// The last checkpoint of a lane: kept elsewhere, it shows whether all of it was put back to an older state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// The lane.
    pub lane: u16,
    /// The number of the checkpoint.
    pub sequence: u64,
    /// How many events there ever were up to it.
    pub total: u64,
    /// Its seal, in hexadecimal.
    pub seal: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there is no break.
    pub intact: bool,
    /// Events that were checked.
    pub events: u64,
    /// Checkpoints that were checked.
    pub checkpoints: u64,
    /// Whether there are older events that were written before events were sealed: of them nothing can be said.
    pub has_unsealed: bool,
    /// Whether events are kept by this process alone, so that nobody else can alter them.
    pub in_process: bool,
    /// Where it does not hold: the first [`bounds::CHAIN_BREAKS`].
    pub breaks: Vec<Break>,
    /// How many more there are.
    pub more_breaks: u64,
    /// The last checkpoints.
    pub head: Vec<Head>,
}

impl Report {
    /// Notes a break: however much was altered, a report stays small.
    fn note(&mut self, found: Break) {
        if self.breaks.len() < bounds::CHAIN_BREAKS {
            self.breaks.push(found);
        } else {
            self.more_breaks += 1;
        }
    }
}

/// Makes checkpoints, and verifies.
pub struct Chain {
    store: Arc<dyn EventChain>,
    sealer: Sealer,
    /// Where the last checkpoints of the lanes end, as far as this process made them: where nothing was added nothing is asked.
    closed: Mutex<Vec<u64>>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain")
    }
}

impl Chain {
    /// The chain of a store's events.
    #[must_use]
    pub fn new(store: Arc<dyn EventChain>, sealer: Sealer) -> Self {
        Self { store, sealer, closed: Mutex::default() }
    }

    /// Closes what was written since the last checkpoint, in every lane. Called every few seconds; where several nodes do so,
    /// one of them comes first and the others find nothing to do. Returns how many checkpoints it made.
    ///
    /// # Errors
    /// A fault of the store; the next call goes on.
    pub async fn tend(&self, now: Timestamp) -> Result<u64, Fault> {
        self.close_all(now, bounds::CHECKPOINT_LEAST_MS).await
    }

    /// As [`Self::tend`], however young the last checkpoint is: the last thing that a process does.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn finish(&self, now: Timestamp) -> Result<u64, Fault> {
        self.close_all(now, 0).await
    }

    async fn close_all(&self, now: Timestamp, least_ms: u64) -> Result<u64, Fault> {
        if self.store.lanes() == 0 {
            return Ok(0);
        }
        let ends = self.store.ends().await?;
        let mut made = 0;
        for (lane, end) in (0..self.store.lanes()).zip(&ends) {
            let is_closed = self.closed.lock().get(usize::from(lane)) == Some(end);
            if !is_closed {
                made += u64::from(self.close(lane, now, least_ms).await?);
            }
        }
        Ok(made)
    }

    async fn close(&self, lane: u16, now: Timestamp, least_ms: u64) -> Result<bool, Fault> {
        let last = self.store.last_checkpoint(lane).await?;
        if last.as_ref().is_some_and(|last| now.since_ms(last.at) < least_ms) {
            return Ok(false);
        }
        let from = last.as_ref().map_or(0, |last| last.through);
        let (mut range, mut through) = (RangeDigest::default(), from);
        loop {
            let Links { links, settled } = self.store.links(lane, through, bounds::CHAIN_PAGE).await?;
            let closed = links.iter().filter(|link| link.position <= settled);
            let is_all = links.len() < bounds::CHAIN_PAGE || links.iter().any(|link| link.position > settled);
            for link in closed {
                range.add(link);
                through = link.position;
            }
            if is_all {
                break;
            }
        }
        if through == from {
            self.note_closed(lane, from);
            return Ok(false);
        }
        let count = range.count;
        let total = self.total_through(lane, through, last.as_ref(), count).await?;
        let mut checkpoint = Checkpoint {
            sequence: last.as_ref().map_or(1, |last| last.sequence + 1),
            from,
            through,
            total,
            count,
            digest: range.finish(),
            at: now,
            previous: last.map_or([0; super::SEAL_BYTES], |last| last.seal),
            seal: [0; super::SEAL_BYTES],
        };
        checkpoint.seal = self.sealer.sign(b"checkpoint", &checkpoint.content(lane));
        let is_added = self.store.add_checkpoint(lane, checkpoint).await?;
        if is_added {
            self.note_closed(lane, through);
        }
        Ok(is_added)
    }

    /// How many events there ever were up to a position. What retention deleted before any checkpoint closed it can only be told from
    /// the figure of all; everything else is counted, so that nothing that was taken away is ever counted in.
    async fn total_through(&self, lane: u16, through: u64, last: Option<&Checkpoint>, count: u64) -> Result<u64, Fault> {
        if self.store.forgotten(lane).await?.through <= last.map_or(0, |last| last.through) {
            return Ok(last.map_or(0, |last| last.total) + count);
        }
        let tally = self.store.tally(lane, through).await?;
        Ok(tally.total.saturating_sub(tally.present))
    }

    fn note_closed(&self, lane: u16, end: u64) {
        let mut closed = self.closed.lock();
        let lane = usize::from(lane);
        if closed.len() <= lane {
            closed.resize(lane + 1, 0);
        }
        closed[lane] = end;
    }

    /// Walks all events and checkpoints in bounded pages and says where they do not hold.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn verify(&self) -> Result<Report, Fault> {
        let mut report = Report { in_process: self.store.lanes() == 0, ..Report::default() };
        for lane in 0..self.store.lanes() {
            Walk::new(self, lane, &mut report).run().await?;
        }
        report.has_unsealed = self.store.has_unsealed().await?;
        report.intact = report.breaks.is_empty();
        Ok(report)
    }
}
