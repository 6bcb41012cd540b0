//! [`RedisState`]: the projection of a record, shared by all processes.

use crate::{RedisBus, RedisOptions, RedisStore, address::RedisAddress, change::Writes, user::Stamp};
use std::sync::Arc;
use vestibule_core::{
    Answer,
    fault::Fault,
    id::{Home, UserTag, random},
    record::{Projected, State, UserSnapshot},
    session::{TokenDigest, command::FindOutcome, command::Touch, command::TouchOutcome, transition},
    time::Timestamp,
    user::UserAggregate,
};

impl RedisStore {
    /// Whether a value with this stamp was written since the server's start. An authoritative store believes everything.
    pub(crate) fn believes(&self, home: Home, stamp: Stamp) -> Result<bool, Fault> {
        Ok(!self.is_state || self.link.start(home)? == stamp[..4])
    }

    /// A new stamp.
    pub(crate) fn stamp(&self, home: Home) -> Result<Stamp, Fault> {
        let mut stamp: Stamp = random();
        if self.is_state {
            stamp[..4].copy_from_slice(&self.link.start(home)?);
        }
        Ok(stamp)
    }
}

/// The state of all processes under one record.
///
/// What was written before the present start of a server is not believed: each process learns which start it is before the first
/// answer of a new connection counts. While it cannot tell, every call is [`Fault::Unavailable`] and the record answers.
#[derive(Debug)]
pub struct RedisState(pub(crate) RedisStore);

impl RedisState {
    /// A state that connects in the background. Needs a tokio runtime.
    #[must_use]
    pub fn new(address: RedisAddress, options: RedisOptions) -> Self {
        Self(RedisStore::with(address, &options, true))
    }

    /// See [`RedisStore::bus`]. It drops repeats, since what it carries is in the change log of the record too.
    #[must_use]
    pub fn bus(&self) -> Arc<RedisBus> {
        self.0.bus()
    }

    /// Waits until Redis is there and its start is known, a call's deadline at most.
    ///
    /// # Errors
    /// A [`Fault`] of the server. The state can be used all the same.
    pub async fn look(&self) -> Result<(), Fault> {
        self.0.link.within(self.0.link.found()).await
    }
}

impl State for RedisState {
    fn project(&self, snapshot: UserSnapshot) -> Answer<'_, Projected> {
        Box::pin(async move {
            let snapshot = snapshot.user;
            // Only for the TTL, which decides nothing.
            let now = self.0.clock.now();
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
            let tag = snapshot.tag;
            self.0.link.at(tag.home(), self.0.decide(tag, now, None, rule)).await
        })
    }

    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<FindOutcome>> {
        Box::pin(async move { self.0.link.at(tag.home(), self.0.find_live(tag, &digest, now)).await })
    }

    fn user(&self, tag: UserTag) -> Answer<'_, Option<UserAggregate>> {
        Box::pin(async move { self.0.link.at(tag.home(), self.0.whole(tag)).await })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, Option<TouchOutcome>> {
        Box::pin(async move {
            let rule = |user: &mut UserAggregate| {
                let held = user.revision > 0;
                let outcome = transition::touch(user, &touch);
                (held.then_some(outcome), Writes::user_if(outcome == TouchOutcome::Touched))
            };
            let tag = touch.id.tag();
            self.0.link.at(tag.home(), self.0.decide(tag, touch.at, None, rule)).await
        })
    }
}
