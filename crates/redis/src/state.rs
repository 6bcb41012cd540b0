//! [`RedisState`]: the projection of a record, shared by all processes.

use crate::{
    RedisOptions, RedisStore,
    address::RedisAddress,
    bounds,
    change::Writes,
    link::{bytes, odd},
    user::Stamp,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use vestibule_core::{
    Answer,
    fault::Fault,
    id::{UserTag, random},
    record::{Projected, State, UserSnapshot},
    session::{TokenDigest, command::FindOutcome, command::Touch, command::TouchOutcome, transition},
    time::{Clock, Timestamp},
    user::UserAggregate,
};

/// Which start of the server answers: the first four bytes of its run id, which every value that is written carries as the
/// first half of its stamp. A server that comes back with its data from yesterday has a new run id, so nothing of that data
/// is believed; the record is asked instead. Zero while it is not known.
#[derive(Debug, Default)]
pub(crate) struct Start(AtomicU32);

impl Start {
    fn get(&self) -> Result<[u8; 4], Fault> {
        match self.0.load(Ordering::Acquire) {
            0 => Err(Fault::Unavailable("it is not known yet which Redis answers".into())),
            start => Ok(start.to_le_bytes()),
        }
    }
}

impl RedisStore {
    /// Whether a value with this stamp was written since the server's start. An authoritative store believes everything.
    pub(crate) fn believes(&self, stamp: Stamp) -> Result<bool, Fault> {
        self.start.as_ref().map_or(Ok(true), |start| Ok(start.get()? == stamp[..4]))
    }

    /// A new stamp.
    pub(crate) fn stamp(&self) -> Result<Stamp, Fault> {
        let mut stamp: Stamp = random();
        if let Some(start) = &self.start {
            stamp[..4].copy_from_slice(&start.get()?);
        }
        Ok(stamp)
    }

    /// Asks the server which start it is.
    async fn look_at_start(&self) -> Result<(), Fault> {
        let Some(start) = &self.start else { return Ok(()) };
        let asked = self.link.within(self.link.read(redis::cmd("INFO").arg("server"))).await;
        let found = asked.and_then(|info| run_id(&bytes(info)?.unwrap_or_default()));
        start.0.store(*found.as_ref().unwrap_or(&0), Ordering::Release);
        found.map(|_| ())
    }
}

fn run_id(info: &[u8]) -> Result<u32, Fault> {
    let info = String::from_utf8_lossy(info);
    let id = info.lines().find_map(|line| line.strip_prefix("run_id:")).and_then(|id| id.get(..8));
    let start = id.and_then(|id| u32::from_str_radix(id, 16).ok()).ok_or_else(|| odd("Redis has no run id"))?;
    Ok(start.max(1))
}

/// The state of all processes under one record.
///
/// What was written before the server's present start is not believed. Each process looks four times a second which start it is;
/// while it cannot tell, every call is [`Fault::Unavailable`] and the record answers. So data that comes back with a restart
/// or a restored file is believed for 250 ms at most.
#[derive(Debug)]
pub struct RedisState(Arc<RedisStore>);

impl RedisState {
    /// A state that connects in the background. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Fault::Misconfigured`] where the address cannot be used.
    pub fn new(address: RedisAddress, options: RedisOptions) -> Result<Self, Fault> {
        let store = RedisStore { start: Some(Start::default()), ..RedisStore::new(address, options)? };
        let store = Arc::new(store);
        let watched = Arc::downgrade(&store);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(bounds::START_EVERY_MS));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(store) = watched.upgrade() else { break };
                // What fails is seen by the next call, which is unavailable.
                let _ = store.look_at_start().await;
            }
        });
        Ok(Self(store))
    }

    /// Looks at once which start of the server answers, instead of within the next 250 ms.
    ///
    /// # Errors
    /// A [`Fault`] of the server.
    pub async fn look(&self) -> Result<(), Fault> {
        self.0.look_at_start().await
    }
}

impl State for RedisState {
    fn project(&self, snapshot: UserSnapshot) -> Answer<'_, Projected> {
        Box::pin(async move {
            let snapshot = snapshot.user;
            // Only for the TTL, which decides nothing.
            let now = Clock::system().now();
            let rule = |user: &mut UserAggregate| {
                if user.revision > 0 && user.revision >= snapshot.revision {
                    return (Projected::Older, Writes::default());
                }
                if snapshot.revision == 0 {
                    // Nothing is known of them: that is not worth a key.
                    return (Projected::Applied, Writes::default());
                }
                let mut newer = snapshot.clone();
                transition::keep_touches(user, &mut newer);
                *user = newer;
                (Projected::Applied, Writes::user_if(true))
            };
            self.0.link.within(self.0.decide(snapshot.tag, now, None, rule)).await
        })
    }

    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<FindOutcome>> {
        Box::pin(async move { self.0.link.within(self.0.find_live(tag, &digest, now)).await })
    }

    fn user(&self, tag: UserTag) -> Answer<'_, Option<UserAggregate>> {
        Box::pin(async move { self.0.link.within(self.0.whole(tag)).await })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, Option<TouchOutcome>> {
        Box::pin(async move {
            let rule = |user: &mut UserAggregate| {
                let held = user.revision > 0;
                let outcome = transition::touch(user, &touch);
                (held.then_some(outcome), Writes::user_if(outcome == TouchOutcome::Touched))
            };
            self.0.link.within(self.0.decide(touch.id.tag(), touch.at, None, rule)).await
        })
    }
}
