//! [`EventChain`] on Redis: a lane for each home, as far as its bounded timeline reaches.
//!
//! The position of an event is its number among all that the home ever had, so the last one in the timeline has the home's count. A
//! checkpoint is stored as its numbers (little-endian, 8 bytes each), digest, the seal before it and its own.

mod copies;

use crate::{
    RedisStore, bounds, event,
    fault::odd,
    key::Key,
    link::{bytes, integer, strings},
};
use vestibule_core::{
    Answer,
    event::{
        SEAL_BYTES,
        chain::{Checkpoint, EventChain, Forgotten, Found, Link, Links, Tally},
    },
    fault::Fault,
    id::{EventId, Home},
    time::Timestamp,
};

const NUMBERS: usize = 6;
const CHECKPOINT_BYTES: usize = NUMBERS * 8 + 32 + 2 * SEAL_BYTES;

fn pack(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { sequence, from, through, total, count, at, .. } = *checkpoint;
    let mut out = Vec::with_capacity(CHECKPOINT_BYTES);
    for number in [sequence, from, through, total, count, at.millis()] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&checkpoint.digest);
    out.extend_from_slice(&checkpoint.previous);
    out.extend_from_slice(&checkpoint.seal);
    out
}

fn unpack(stored: &[u8]) -> Result<Checkpoint, Fault> {
    let read = || {
        let (numbers, rest) = stored.split_first_chunk::<{ NUMBERS * 8 }>()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let (previous, seal) = rest.split_first_chunk()?;
        let (numbers, []) = numbers.as_chunks::<8>() else { return None };
        let [sequence, from, through, total, count, at] = <[[u8; 8]; NUMBERS]>::try_from(numbers).ok()?.map(u64::from_le_bytes);
        Some(Checkpoint {
            sequence,
            from,
            through,
            total,
            count,
            digest: *digest,
            at: Timestamp::from_millis(at),
            previous: *previous,
            seal: seal.try_into().ok()?,
        })
    };
    read().ok_or_else(|| odd("a checkpoint cannot be read"))
}

/// The timeline of a home, of one moment: its count, and the lines with their positions.
struct Timeline {
    total: u64,
    lines: Vec<(u64, Vec<u8>)>,
}

impl RedisStore {
    async fn lane(&self, lane: u16) -> Result<Timeline, Fault> {
        for _ in 0..bounds::CHANGE_TRIES {
            let news = self.link.within(self.news(&[usize::from(lane)])).await?;
            // Somebody wrote in between.
            let Some((total, lines)) = news.into_iter().next().flatten() else { continue };
            let first = total.saturating_sub(lines.len() as u64) + 1;
            return Ok(Timeline { total, lines: (first..).zip(lines).collect() });
        }
        Err(Fault::Unavailable("too many processes write events of one home".into()))
    }

    async fn forgotten_in(&self, lane: u16) -> Result<Forgotten, Fault> {
        let mut ask = redis::cmd("HMGET");
        ask.arg(Key::figures(home(lane))).arg("events").arg("forgotten");
        let redis::Value::Array(values) = self.link.at(home(lane), self.link.read(&ask)).await? else {
            return Err(odd("HMGET gave no list"));
        };
        let number = |value: Option<&redis::Value>| -> Result<u64, Fault> {
            let text = value.map_or(Ok(None), |value| bytes(value.clone()))?.unwrap_or_else(|| b"0".to_vec());
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
            Ok(u64::try_from(number.ok_or_else(|| odd("a count of events is no number"))?).unwrap_or_default())
        };
        let (total, forgotten) = (number(values.first())?, number(values.get(1))?);
        Ok(Forgotten { through: forgotten.max(total.saturating_sub(bounds::HOME_EVENTS as u64)), seal: None })
    }

    async fn checkpoints_of(&self, lane: u16, first: i64) -> Result<Vec<Checkpoint>, Fault> {
        let mut ask = redis::cmd("LRANGE");
        ask.arg(Key::checkpoints(home(lane))).arg(first).arg(-1);
        let stored = strings(self.link.at(home(lane), self.link.read(&ask)).await?)?;
        stored.iter().map(|stored| unpack(stored)).collect()
    }

    async fn add(&self, lane: u16, checkpoint: &Checkpoint) -> Result<bool, Fault> {
        let number = |number: u64| number.to_string().into_bytes();
        let previous = if checkpoint.sequence == 1 { Vec::new() } else { checkpoint.previous.to_vec() };
        let kept = bounds::HOME_EVENTS as u64 + 1;
        let arguments = [previous, pack(checkpoint), number(kept), number(bounds::HOME_RETENTION_MS)];
        let keys = [Key::checkpoints(home(lane))];
        let add = self.link.run(&self.scripts.checkpoint, &keys, &arguments);
        Ok(integer(&self.link.at(home(lane), add).await?)? == 1)
    }
}

fn home(lane: u16) -> Home {
    Home(u8::try_from(lane).unwrap_or_default())
}

impl EventChain for RedisStore {
    fn lanes(&self) -> u16 {
        Home::COUNT as u16
    }

    fn ends(&self) -> Answer<'_, Vec<u64>> {
        Box::pin(async move { self.link.within(self.totals()).await })
    }

    fn links(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Links> {
        Box::pin(async move {
            let timeline = self.lane(lane).await?;
            let lines = timeline.lines.into_iter().filter(|(position, _)| *position > after).take(limit);
            let links = lines.map(|(position, line)| Link { position, seal: event::found(&line).1 }).collect();
            Ok(Links { links, settled: timeline.total })
        })
    }

    fn found(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Vec<Found>> {
        Box::pin(async move {
            let timeline = self.lane(lane).await?;
            let lines = timeline.lines.into_iter().filter(|(position, _)| *position > after).take(limit);
            let found = lines.map(|(position, line)| {
                let (event, seal) = event::found(&line);
                Found { link: Link { position, seal }, event }
            });
            Ok(found.collect())
        })
    }

    fn tally(&self, lane: u16, after: u64) -> Answer<'_, Tally> {
        Box::pin(async move {
            let Timeline { total, lines } = self.lane(lane).await?;
            Ok(Tally { total, present: lines.iter().filter(|(position, _)| *position > after).count() as u64 })
        })
    }

    fn forgotten(&self, lane: u16) -> Answer<'_, Forgotten> {
        Box::pin(self.forgotten_in(lane))
    }

    fn checkpoints(&self, lane: u16, after: u64, limit: usize) -> Answer<'_, Vec<Checkpoint>> {
        Box::pin(async move {
            let all = self.checkpoints_of(lane, 0).await?;
            Ok(all.into_iter().filter(|checkpoint| checkpoint.sequence > after).take(limit).collect())
        })
    }

    fn last_checkpoint(&self, lane: u16) -> Answer<'_, Option<Checkpoint>> {
        Box::pin(async move { Ok(self.checkpoints_of(lane, -1).await?.pop()) })
    }

    fn add_checkpoint(&self, lane: u16, checkpoint: Checkpoint) -> Answer<'_, bool> {
        Box::pin(async move { self.add(lane, &checkpoint).await })
    }

    fn strays(&self, lane: u16) -> Answer<'_, Vec<Option<EventId>>> {
        Box::pin(self.strays_of(lane))
    }

    /// Those from before leave with the bounded timelines.
    fn has_unsealed(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(false) })
    }
}
