//! The ports of sessions and users: one method per command, each atomic.

use super::{PackedSession, command::*};
use crate::{
    Answer,
    fault::Fault,
    id::{SessionId, UserTag},
    session::TokenDigest,
    stats::Stats,
    time::Timestamp,
    user::{Context, command as user},
};

/// Where a walk over all users goes on. Means something to the store that gave it, and to no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkPlace(pub Box<[u8]>);

/// What one step of a walk met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkStep {
    /// Users with live sessions.
    pub users: Vec<UserTag>,
    /// Where it goes on; `None` at its end.
    pub next: Option<WalkPlace>,
}

impl WalkPlace {
    /// Behind this user, for stores that walk in the order of tags.
    fn behind(tag: UserTag) -> Self {
        Self(tag.as_bytes().as_slice().into())
    }

    /// The user whom the walk met last, for stores that walk in the order of tags.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where another store gave the place.
    pub fn last_met(&self) -> Result<UserTag, Fault> {
        let bytes = (*self.0).try_into().map_err(|_| Fault::Corrupt("a walk goes on at a place of another store".into()))?;
        Ok(UserTag::from_bytes(bytes))
    }
}

impl WalkStep {
    /// The next users in the order of their tags; fewer than `limit` are the last.
    #[must_use]
    pub fn in_order(users: Vec<UserTag>, limit: usize) -> Self {
        let next = users.last().filter(|_| users.len() >= limit).map(|last| WalkPlace::behind(*last));
        Self { users, next }
    }
}

/// Keeps sessions.
///
/// Every method is one atomic step on one user's aggregate and one round trip. Where the answer of a write is lost
/// ([`crate::fault::Fault::Timeout`]) it may or may not have been applied; repeating is safe where the method says so.
/// Dropping the returned future never leaves a command half done.
pub trait SessionStore: Send + Sync {
    /// Looks a token up. A read.
    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, FindOutcome>;

    /// Looks a session up by id. A read.
    fn get(&self, id: SessionId, now: Timestamp) -> Answer<'_, GetOutcome>;

    /// The valid sessions of a user, in the order of their creation; at most [`crate::bounds::LIVE_SESSIONS`]. A read.
    fn list(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<PackedSession>>;

    /// Sessions of a user that ended, newest end first: those that ended before `before`, at most `limit`. A read.
    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>>;

    /// The figures of one user. A read.
    fn analytics(&self, tag: UserTag, now: Timestamp) -> Answer<'_, UserAnalytics>;

    /// The figures of all users. A read that walks nothing.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Users with a session that time has ended and no command has noticed, at most `limit`. A read, off the request path.
    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>>;

    /// One step of a walk over the users that have live sessions, from its beginning or from where the step before ended. Whoever has
    /// some from the first step to the last is met, perhaps twice. A step costs the same wherever it begins; it meets about `limit`
    /// users and may meet none. Off the request path.
    fn walk(&self, from: Option<WalkPlace>, limit: usize) -> Answer<'_, WalkStep>;

    /// Notes a use. Safe to repeat.
    fn touch(&self, touch: Touch) -> Answer<'_, TouchOutcome>;

    /// See [`CreateSession`]. A repeat with the same session finds it as it is then; one that ended meanwhile begins again, so
    /// callers make a new one instead.
    fn create(&self, cx: Context, command: CreateSession) -> Answer<'_, CreateOutcome>;

    /// See [`ShareSession`].
    fn share(&self, cx: Context, command: ShareSession) -> Answer<'_, ShareOutcome>;

    /// See [`OpenHandoff`].
    fn open_handoff(&self, cx: Context, command: OpenHandoff) -> Answer<'_, HandoffOutcome>;

    /// See [`RedeemHandoff`]. A repeat counts as reuse.
    fn redeem(&self, cx: Context, command: RedeemHandoff) -> Answer<'_, RedeemOutcome>;

    /// See [`SetData`]. A repeat conflicts with itself.
    fn set_data(&self, cx: Context, command: SetData) -> Answer<'_, SetDataOutcome>;

    /// See [`AmendSession`].
    fn amend(&self, cx: Context, command: AmendSession) -> Answer<'_, AmendOutcome>;

    /// See [`RotateSession`]. Safe to repeat with an expected revision.
    fn rotate(&self, cx: Context, command: RotateSession) -> Answer<'_, RotateOutcome>;

    /// See [`EndSessions`]. Safe to repeat.
    fn end(&self, cx: Context, command: EndSessions) -> Answer<'_, EndOutcome>;

    /// See [`ExpireUser`]. Safe to repeat.
    fn expire(&self, cx: Context, command: ExpireUser) -> Answer<'_, ExpireOutcome>;

    /// See [`user::DisableUser`]. Safe to repeat.
    fn disable_user(&self, cx: Context, command: user::DisableUser) -> Answer<'_, user::DisableOutcome>;

    /// See [`user::EnableUser`]. Safe to repeat.
    fn enable_user(&self, cx: Context, command: user::EnableUser) -> Answer<'_, user::EnableOutcome>;

    /// See [`user::DeleteUser`]. Safe to repeat.
    fn delete_user(&self, cx: Context, command: user::DeleteUser) -> Answer<'_, user::DeleteOutcome>;
}
