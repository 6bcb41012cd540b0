//! [`Record`] on Postgres.

use super::{PostgresRecord, account, change, denial, fault::Trouble, forget, number, session, user};
use crate::batch::{Input, ReplyTo};
use sqlx::PgPool;
use std::{sync::atomic::Ordering, time::Duration};
use vestibule_core::{
    Answer,
    account::{Account, Email},
    fault::Fault,
    id::{SessionId, UserTag},
    record::{Change, Decided, Record, Request, UserSnapshot},
    session::{PackedSession, TokenDigest, command::Touch},
    stats::Stats,
    time::Timestamp,
    token::Denial,
};

impl PostgresRecord {
    /// A read by one statement, within the time that a read may take: a caller who goes away leaves nothing behind but a
    /// connection to be cleaned by the pool.
    pub(super) fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl Future<Output = Result<T, Trouble>> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let read = tokio::time::timeout(self.read_timeout, read).await;
            read.map_err(|_| Fault::Timeout)?.map_err(Trouble::into_fault)
        })
    }

    /// Something rare that writes, in a task of its own: it ends even if the caller goes away.
    pub(super) fn owned<'a, T, F>(&'a self, work: impl FnOnce(PgPool) -> F) -> Answer<'a, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Trouble>> + Send + 'static,
    {
        let task = tokio::spawn(work(self.pool.clone()));
        Box::pin(async move { task.await.map_err(|_| Fault::Timeout)?.map_err(Trouble::into_commit_fault) })
    }
}

impl Record for PostgresRecord {
    fn decide(&self, batch: Vec<Request>) -> Answer<'_, Vec<Decided>> {
        if let Err(fault) = self.check_lock() {
            return Box::pin(async { Err(fault) });
        }
        let tag = batch.first().map(|request| request.command.tag());
        self.writers.ask(Input::Decide(batch), tag, ReplyTo::Decide)
    }

    fn load_user(&self, tag: UserTag) -> Answer<'_, UserSnapshot> {
        self.read(user::load(&self.pool, tag))
    }

    fn find_ended(&self, tag: UserTag, digest: TokenDigest) -> Answer<'_, Option<PackedSession>> {
        self.read(async move { session::find_ended(&self.pool, tag, &digest).await })
    }

    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>> {
        self.read(session::history(&self.pool, tag, before, limit))
    }

    fn changes_since(&self, sequence: u64, limit: usize) -> Answer<'_, Vec<Change>> {
        self.read(change::since(&self.pool, sequence, limit))
    }

    fn denials(&self, now: Timestamp, after: Option<Denial>, limit: usize) -> Answer<'_, Vec<Denial>> {
        self.read(denial::at(&self.pool, now, after, limit))
    }

    fn position(&self, younger_than: Option<Duration>) -> Answer<'_, u64> {
        self.read(change::position(&self.pool, younger_than))
    }

    fn touch(&self, touches: Vec<Touch>) -> Answer<'_, ()> {
        let tag = touches.first().map(|touch| touch.id.tag());
        self.writers.ask(Input::Touch(touches), tag, ReplyTo::Done)
    }

    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>> {
        self.read(session::due(&self.pool, now, limit))
    }

    fn users(&self, after: Option<UserTag>, limit: usize) -> Answer<'_, Vec<UserTag>> {
        self.read(user::with_live(&self.pool, after, limit))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.read(stats(&self.pool))
    }

    fn account_by_email(&self, email: Email) -> Answer<'_, Option<Account>> {
        self.read(async move { account::by_email(&self.pool, &email).await })
    }

    fn account_by_tag(&self, tag: UserTag) -> Answer<'_, Option<Account>> {
        self.read(account::by_tag(&self.pool, tag))
    }

    fn forget_ended(&self, before: Timestamp, limit: usize) -> Answer<'_, usize> {
        let after = self.forget_users_after.load(Ordering::Relaxed);
        let forgotten = self.owned(move |pool| async move {
            let gone = forget::ended(&pool, before, limit).await?;
            Ok((gone, forget::users(&pool, after).await?))
        });
        Box::pin(async move {
            let (gone, next) = forgotten.await?;
            self.forget_users_after.store(next, Ordering::Relaxed);
            Ok(gone)
        })
    }
}

/// The figures, summed over the slots. A slot alone may be negative, their sum is not.
async fn stats(pool: &PgPool) -> Result<Stats, Trouble> {
    let row = sqlx::query(
        "SELECT greatest(sum(sessions), 0)::bigint, greatest(sum(users), 0)::bigint, sum(created_total)::bigint,
         sum(revoked_total)::bigint, sum(expired_total)::bigint FROM vestibule_counters",
    )
    .fetch_one(pool)
    .await?;
    Ok(Stats {
        sessions: number(&row, 0)?,
        users: number(&row, 1)?,
        created_total: number(&row, 2)?,
        revoked_total: number(&row, 3)?,
        expired_total: number(&row, 4)?,
    })
}
