//! What has to be done without anybody asking: noticing what time has ended, closing windows of observations.

use super::Sessions;
use crate::{
    bounds,
    event::Origin,
    fault::Fault,
    id::SessionId,
    session::command::{ExpireUser, GetOutcome},
    time::Timestamp,
};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Users whose expiry is decided at the same time: enough for a record to commit them together.
const TOGETHER: usize = 64;

impl Sessions {
    /// One round of housekeeping; called about once a second. Returns how many sessions time had ended.
    ///
    /// # Errors
    /// A fault of the store; the next round goes on.
    pub async fn tidy(self: &Arc<Self>) -> Result<u64, Fault> {
        self.observer.close_windows(self.now());
        let mut expired = 0;
        let due = self.store.due(self.now(), bounds::WALK_BATCH).await?;
        for tags in due.chunks(TOGETHER) {
            let mut round = JoinSet::new();
            for tag in tags.iter().copied() {
                let sessions = self.clone();
                round.spawn(async move {
                    let cx = sessions.cx(Origin::system());
                    sessions.store.expire(cx, ExpireUser { tag }).await
                });
            }
            while let Some(answer) = round.join_next().await {
                expired += answer.map_err(|_| Fault::Unavailable("a task of housekeeping ended early".into()))??.expired;
            }
        }
        Ok(expired)
    }

    /// Until when a session lives if nobody uses it; `None` where it has ended. One read, two of a share.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn live_until(&self, id: SessionId) -> Result<Option<Timestamp>, Fault> {
        let now = self.now();
        let GetOutcome::Live(session) = self.store.get(id, now).await? else { return Ok(None) };
        let Some(parent) = session.unpack().parent else { return Ok(Some(session.deadline())) };
        match self.store.get(parent, now).await? {
            GetOutcome::Live(parent) => Ok(Some(session.deadline().min(parent.deadline()))),
            GetOutcome::Missing => Ok(None),
        }
    }

    /// As [`Self::live_until`], and where the session has ended by time the event of it is written now, if it was not yet. Safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn notice_expiry(&self, id: SessionId) -> Result<Option<Timestamp>, Fault> {
        let until = self.live_until(id).await?;
        if until.is_none() {
            self.store.expire(self.cx(Origin::system()), ExpireUser { tag: id.tag() }).await?;
        }
        Ok(until)
    }
}
