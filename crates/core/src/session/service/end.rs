//! Ending sessions: one, all, all but some, by filter; and what concerns a user as a whole.

use super::Sessions;
use crate::{
    bounds,
    event::{Event, EventType, Origin},
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{
        EndReason, PackedSession,
        command::{EndSessions, Filter, Selection, UserAnalytics},
    },
    stats::Stats,
    time::Timestamp,
    user::command::{DeleteOutcome, DeleteUser, DisableUser, EnableUser},
};

/// Whose sessions a revoke by filter is about.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    /// One user; `None` walks all of them.
    pub user_id: Option<UserId>,
    /// Which of their sessions.
    pub filter: Filter,
    /// Whether only to count.
    pub dry_run: bool,
}

/// How [`Sessions::revoke`] ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Sessions that match.
    pub matched: u64,
    /// Sessions that were ended; none in a dry run.
    pub revoked: u64,
}

impl Sessions {
    /// Ends one session and what was shared from it. Returns how many ended. One round trip; safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn end(&self, id: SessionId, reason: EndReason, origin: Origin) -> Result<u64, Fault> {
        self.end_selection(id.tag(), Selection::One(id), reason, origin).await
    }

    /// Ends all sessions of a user but those in `except`. Returns how many ended. One round trip; safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn end_all(&self, user: &UserId, except: Vec<SessionId>, origin: Origin) -> Result<u64, Fault> {
        self.end_all_of(self.tag(user), except, origin).await
    }

    /// As [`Self::end_all`], for callers that know the tag: an anonymous session has no user id.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn end_all_of(&self, tag: UserTag, except: Vec<SessionId>, origin: Origin) -> Result<u64, Fault> {
        self.end_selection(tag, Selection::All { except }, EndReason::Revoked, origin).await
    }

    async fn end_selection(&self, tag: UserTag, selection: Selection, reason: EndReason, origin: Origin) -> Result<u64, Fault> {
        let command = EndSessions { tag, selection, reason };
        Ok(self.store.end(self.cx(origin), command).await?.revoked)
    }

    /// Ends sessions by filter. Within one user it is one atomic command; over all users a walk in bounded steps, after which one
    /// event tells the count.
    ///
    /// # Cancel safety
    /// A walk that is dropped ends no more sessions and tells no count: run it in a task of its own.
    ///
    /// # Errors
    /// A fault of the store; what a walk had ended by then stays ended, and a repeat ends the rest.
    pub async fn revoke(&self, revocation: &Revocation, origin: Origin) -> Result<Revoked, Fault> {
        if let Some(user) = &revocation.user_id {
            return self.revoke_of(self.tag(user), revocation, &origin).await;
        }
        let (mut total, mut place) = (Revoked::default(), None);
        loop {
            let step = self.store.walk(place, bounds::WALK_BATCH).await?;
            for tag in step.users {
                let of_user = self.revoke_of(tag, revocation, &origin).await?;
                total.matched += of_user.matched;
                total.revoked += of_user.revoked;
            }
            place = step.next;
            if place.is_none() {
                break;
            }
        }
        if !revocation.dry_run {
            self.observer.note(Event::new(EventType::AdminSessionsRevoked, self.now(), &origin).counting(total.revoked));
        }
        Ok(total)
    }

    async fn revoke_of(&self, tag: UserTag, revocation: &Revocation, origin: &Origin) -> Result<Revoked, Fault> {
        let sessions = self.store.list(tag, self.now()).await?;
        let matched = sessions.iter().filter(|session| revocation.filter.matches(session)).count() as u64;
        if revocation.dry_run || matched == 0 {
            return Ok(Revoked { matched, revoked: 0 });
        }
        let selection = Selection::Matching(revocation.filter.clone());
        let revoked = self.end_selection(tag, selection, EndReason::Revoked, origin.clone()).await?;
        // A session may have begun or ended since it was counted; what was ended had matched.
        Ok(Revoked { matched: matched.max(revoked), revoked })
    }

    /// Ends all sessions of a user and refuses new ones. Returns how many ended.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn disable_user(&self, user: &UserId, origin: Origin) -> Result<u64, Fault> {
        let command = DisableUser { tag: self.tag(user), user_id: user.clone() };
        Ok(self.store.disable_user(self.cx(origin), command).await?.revoked)
    }

    /// Lets a user have sessions again. Returns whether they were disabled.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn enable_user(&self, user: &UserId, origin: Origin) -> Result<bool, Fault> {
        let command = EnableUser { tag: self.tag(user) };
        Ok(self.store.enable_user(self.cx(origin), command).await?.was_disabled)
    }

    /// Ends all sessions of a user and erases account and history.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn delete_user(&self, user: &UserId, origin: Origin) -> Result<DeleteOutcome, Fault> {
        self.store.delete_user(self.cx(origin), DeleteUser { tag: self.tag(user) }).await
    }

    /// Sessions of a user that ended, newest end first, before a position of an earlier page.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn history(
        &self,
        user: &UserId,
        before: Option<(Timestamp, SessionId)>,
        limit: usize,
    ) -> Result<Vec<PackedSession>, Fault> {
        self.store.history(self.tag(user), before, limit.min(bounds::STORE_PAGE)).await
    }

    /// The figures of one user.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn analytics(&self, user: &UserId) -> Result<UserAnalytics, Fault> {
        self.store.analytics(self.tag(user), self.now()).await
    }

    /// The figures of all users.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn stats(&self) -> Result<Stats, Fault> {
        self.store.stats().await
    }
}
