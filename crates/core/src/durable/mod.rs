//! The record decides, the state is a projection: [`Durable`] joins the two behind the same ports.
//!
//! * A change goes to the record. When it is committed, the user as it is then is projected to the state, and only then is
//!   the caller answered. A crash between the two costs a miss, never a lie: the state forgets nothing that it does not read
//!   again from the record.
//! * A lookup reads the state. Where the state does not hold the user, the record is read once and projected.
//! * Uses of sessions go to the state at once and to the record in batches ([`Durable::flush`]); a command of the same user
//!   takes the waiting ones along, so the record decides on what this process knows.
//!
//! Changes run in a task of their own: a caller that goes away leaves no commit unprojected.

mod alias;
mod denial;
mod device;
mod faults;
mod negative;
mod pending;
mod tail;

use crate::{
    Answer,
    account::{Account, AccountStore, Email, command::*},
    bounds,
    bus::{Bus, LocalBus, Repeats},
    fault::Fault,
    id::{SessionId, UserTag},
    record::{Decided, Projected, Record, Request, State, UserSnapshot},
    session::{PackedSession, SessionStore, TokenDigest, WalkPlace, WalkStep, command::*, transition},
    stats::Stats,
    time::Timestamp,
    token::{DenialPlace, NewDenials, TokenStore, command::*},
    user::{Context, UserAggregate, command::*},
};
use alias::Aliases;
use faults::Faults;
use negative::Negatives;
use pending::Pending;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tail::{Cursor, Demand, Overlay};

/// A record and its projection, as one store.
#[derive(Clone)]
pub struct Durable(Arc<Joined>);

struct Joined {
    record: Arc<dyn Record>,
    state: Arc<dyn State>,
    deadline: Duration,
    pending: Pending,
    negatives: Negatives,
    aliases: Aliases,
    overlay: Overlay,
    bus: Arc<dyn Bus>,
    record_faults: Faults,
    state_faults: Faults,
}

impl Durable {
    /// Joins a record and a state. `deadline` bounds every call; a write that exceeds it ends as [`Fault::Timeout`] for the
    /// caller and is finished nevertheless.
    #[must_use]
    pub fn new(record: Arc<dyn Record>, state: Arc<dyn State>, deadline: Duration) -> Self {
        Self::on(Arc::new(LocalBus::new(Repeats::Dropped)), record, state, deadline)
    }

    /// Like [`Self::new`], with a bus that carries ends to other processes. It should be one that drops repeats
    /// ([`Repeats::Dropped`]): what the bus does not carry, the change log tells a moment later.
    #[must_use]
    pub fn on(bus: Arc<dyn Bus>, record: Arc<dyn Record>, state: Arc<dyn State>, deadline: Duration) -> Self {
        let (pending, negatives, overlay) = (Pending::default(), Negatives::default(), Overlay::default());
        let record_faults = Faults::new("vestibule_record_faults_total");
        let state_faults = Faults::new("vestibule_state_faults_total");
        let aliases = Aliases::default();
        Self(Arc::new(Joined {
            record,
            state,
            deadline,
            pending,
            negatives,
            aliases,
            overlay,
            bus,
            record_faults,
            state_faults,
        }))
    }

    /// Where ends of sessions are told: after their commit, and for those of other processes while they are followed.
    #[must_use]
    pub fn bus(&self) -> Arc<dyn Bus> {
        self.0.bus.clone()
    }

    /// Faults of the record in a row; zero while it is well.
    #[must_use]
    pub fn record_faults(&self) -> u64 {
        self.0.record_faults.in_a_row()
    }

    /// Faults of the state in a row; zero while it is well. Until then the record answers in its place.
    #[must_use]
    pub fn state_faults(&self) -> u64 {
        self.0.state_faults.in_a_row()
    }

    /// The last fault of the record; `None` while it is well.
    #[must_use]
    pub fn record_fault(&self) -> Option<Fault> {
        self.0.record_faults.last()
    }

    /// The last fault of the state; `None` while it is well.
    #[must_use]
    pub fn state_fault(&self) -> Option<Fault> {
        self.0.state_faults.last()
    }

    /// Follows the other processes for as long as this store lives: what the bus tells is heard at once, and what the bus did not
    /// carry is read from the change log within [`bounds::TAIL_EVERY`] and the time of a read. Needed wherever several processes
    /// share the record.
    pub fn follow(&self) {
        self.follow_bus();
        self.follow_log();
    }

    fn follow_bus(&self) {
        let mut news = self.0.bus.subscribe();
        let joined = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            // What the bus did not carry the log tells, so a doubt needs no answer here.
            while let Some(news) = news.next().await {
                let Some(joined) = joined.upgrade() else { break };
                joined.note_end(&news);
            }
        });
    }

    fn follow_log(&self) {
        let joined = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let (mut cursor, mut ticks) = (Cursor::default(), tokio::time::interval(bounds::TAIL_EVERY));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(joined) = joined.upgrade() else { break };
                if let Err(fault) = joined.read_log(&mut cursor).await {
                    tracing::warn!(class = fault.class(), "the change log was not read");
                }
            }
        });
    }

    /// Writes the uses that wait for the record, in bounded batches. Called about once a second and at the end.
    ///
    /// # Errors
    /// A fault of the record; what was not written waits on.
    pub async fn flush(&self) -> Result<usize, Fault> {
        let mut written = 0;
        loop {
            let batch = self.0.pending.batch(bounds::TOUCH_BATCH);
            if batch.is_empty() {
                return Ok(written);
            }
            self.0.record.touch(batch.clone()).await?;
            self.0.pending.remove(&batch);
            written += batch.len();
        }
    }

    /// Forgets ended sessions and change log entries from before a time, at most `limit` of each. Returns how many rows went.
    ///
    /// # Errors
    /// A fault of the record; a repeat is safe.
    pub async fn forget_ended(&self, before: Timestamp, limit: usize) -> Result<usize, Fault> {
        self.0.record.forget_ended(before, limit).await
    }

    fn run<C: UserCommand>(&self, cx: Context, command: C) -> Answer<'_, C::Outcome> {
        let joined = self.0.clone();
        Box::pin(async move {
            let deadline = joined.deadline;
            let task = tokio::spawn(async move { joined.decide(cx, command.into()).await });
            let decided = match tokio::time::timeout(deadline, task).await {
                Ok(Ok(decided)) => decided?,
                Ok(Err(_)) => return Err(Fault::Unavailable("a task of the store ended early".into())),
                Err(_) => return Err(Fault::Timeout),
            };
            C::Outcome::try_from(decided).map_err(|_| Fault::Corrupt("the record answered another command".into()))
        })
    }

    fn read<'a, T: Send + 'a>(&self, read: impl Future<Output = Result<T, Fault>> + Send + 'a) -> Answer<'a, T> {
        let deadline = self.0.deadline;
        Box::pin(async move { tokio::time::timeout(deadline, read).await.unwrap_or(Err(Fault::Timeout)) })
    }
}

impl Joined {
    async fn decide(&self, cx: Context, command: Command) -> Result<Outcome, Fault> {
        let touches = self.pending.of(command.tag());
        let request = Request { cx, touches: touches.clone(), command };
        let decided = self.watch(self.record.decide(vec![request]).await);
        if decided.as_ref().is_err_and(|fault| *fault == Fault::Timeout) {
            self.bus.admit_loss();
        }
        let Some(Decided { outcome, snapshot, signals }) = decided?.into_iter().next() else {
            return Err(Fault::Corrupt("the record answered nothing".into()));
        };
        if let Some(snapshot) = snapshot {
            self.pending.remove(&touches);
            self.project(snapshot).await;
        }
        // Last, so that whoever hears of an end and asks does not meet the state from before.
        for signal in signals {
            self.bus.publish(signal);
        }
        Ok(outcome)
    }

    /// Projects what was committed. A state that fails changes nothing about the commit: until it has caught up, what it says
    /// of this user does not count. `Stale` leaves the user out of the state, which is a miss and not a lie.
    async fn project(&self, snapshot: UserSnapshot) {
        let (tag, revision) = (snapshot.user.tag, snapshot.user.revision);
        if self.watch_state(self.state.project(snapshot).await).is_err() {
            self.overlay.note(tag, revision, Instant::now());
        }
    }

    fn watch<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        self.record_faults.watch(answer)
    }

    fn watch_state<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        self.state_faults.watch(answer)
    }

    /// Reads a user from the record into the state. What was just read holds whether or not the state takes it over: everything
    /// that was answered before is in it.
    async fn load(&self, tag: UserTag) -> Result<UserAggregate, Fault> {
        let mut snapshot = self.watch(self.record.load_user(tag).await)?;
        for touch in self.pending.of(tag) {
            transition::catch_up(&mut snapshot.user, &touch);
        }
        let user = snapshot.user.clone();
        if user.revision == 0 {
            return Ok(user);
        }
        match self.watch_state(self.state.project(snapshot).await) {
            Ok(Projected::Older) => Ok(self.state.user(tag).await.ok().flatten().unwrap_or(user)),
            Ok(Projected::Applied | Projected::Stale) | Err(_) => Ok(user),
        }
    }

    async fn user(&self, tag: UserTag) -> Result<UserAggregate, Fault> {
        match self.watch_state(self.state.user(tag).await) {
            Ok(Some(user)) if self.counts(&user) => Ok(user),
            _ => self.load(tag).await,
        }
    }

    /// Whether what the state holds of a user is as new as what is known to have happened.
    fn counts(&self, user: &UserAggregate) -> bool {
        match self.overlay.demand(user.tag) {
            Demand::Nothing => true,
            Demand::Revision(revision) => user.revision >= revision,
            Demand::Record => false,
        }
    }

    /// What the record knows of a token that the state cannot place.
    async fn find_on_record(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Result<FindOutcome, Fault> {
        if let Some(known) = self.negatives.get(&digest, now) {
            return Ok(known);
        }
        let mut outcome = transition::find(&self.user(tag).await?, &digest, now);
        if matches!(outcome, FindOutcome::Unknown { .. }) {
            // The state may lack what another node has just begun or rotated: it never refuses by itself.
            outcome = transition::find(&self.load(tag).await?, &digest, now);
        }
        if outcome == (FindOutcome::Unknown { user_known: true })
            && let Some(ended) = self.watch(self.record.find_ended(tag, digest).await)?
            && let Some(end) = ended.ended()
        {
            outcome = FindOutcome::Ended { reason: end.reason, id: Some(ended.id()), unnoticed: false };
        }
        if !matches!(outcome, FindOutcome::Found { .. }) {
            self.negatives.put(digest, outcome.clone(), now);
        }
        Ok(outcome)
    }

    async fn touch(&self, touch: Touch) -> Result<TouchOutcome, Fault> {
        let mut noted = self.watch_state(self.state.touch(touch.clone()).await)?;
        if noted.is_none() {
            let mut user = self.load(touch.id.tag()).await?;
            noted = self.watch_state(self.state.touch(touch.clone()).await)?;
            // A state that cannot hold the user now leaves the use to the record.
            noted = noted.or_else(|| Some(transition::touch(&mut user, &touch)));
        }
        if noted == Some(TouchOutcome::Touched) {
            self.pending.add(touch);
        }
        Ok(noted.unwrap_or(TouchOutcome::Gone))
    }
}

impl SessionStore for Durable {
    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, FindOutcome> {
        Box::pin(async move {
            let begun = Instant::now();
            // The usual case: one read of the state, which keeps its own deadline, and no timer.
            if let Ok(Some(held)) = self.0.watch_state(self.0.state.find(tag, digest, now).await)
                && !matches!(held, FindOutcome::Unknown { .. })
                && self.0.overlay.demand(tag) == Demand::Nothing
            {
                return Ok(held);
            }
            let rest = self.0.deadline.saturating_sub(begun.elapsed());
            tokio::time::timeout(rest, self.0.find_on_record(tag, digest, now)).await.unwrap_or(Err(Fault::Timeout))
        })
    }

    fn get(&self, id: SessionId, now: Timestamp) -> Answer<'_, GetOutcome> {
        self.read(async move {
            let mut user = self.0.user(id.tag()).await?;
            if user.valid(id, now).is_none() {
                user = self.0.load(id.tag()).await?;
            }
            Ok(user.valid(id, now).map_or(GetOutcome::Missing, |session| GetOutcome::Live(session.clone())))
        })
    }

    fn list(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<PackedSession>> {
        self.read(async move { Ok(self.0.user(tag).await?.valid_sessions(now).cloned().collect()) })
    }

    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>> {
        self.read(self.0.record.history(tag, before, limit))
    }

    fn analytics(&self, tag: UserTag, now: Timestamp) -> Answer<'_, UserAnalytics> {
        self.read(async move { Ok(transition::analytics(&self.0.user(tag).await?, now)) })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.read(self.0.record.stats())
    }

    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>> {
        Box::pin(async move {
            self.flush().await?;
            self.0.record.due(now, limit).await
        })
    }

    fn walk(&self, from: Option<WalkPlace>, limit: usize) -> Answer<'_, WalkStep> {
        Box::pin(async move {
            let after = from.map(|place| place.last_met()).transpose()?;
            Ok(WalkStep::in_order(self.0.record.users(after, limit).await?, limit))
        })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, TouchOutcome> {
        self.read(self.0.touch(touch))
    }

    fn create(&self, cx: Context, command: CreateSession) -> Answer<'_, CreateOutcome> {
        let digest = command.session.digest;
        Box::pin(async move {
            let outcome = self.run(cx, command).await;
            // The token of an imported session is older than the session: somebody may have asked for it before.
            self.0.negatives.forget(&digest);
            outcome
        })
    }

    fn share(&self, cx: Context, command: ShareSession) -> Answer<'_, ShareOutcome> {
        self.run(cx, command)
    }

    fn open_handoff(&self, cx: Context, command: OpenHandoff) -> Answer<'_, HandoffOutcome> {
        self.run(cx, command)
    }

    fn redeem(&self, cx: Context, command: RedeemHandoff) -> Answer<'_, RedeemOutcome> {
        self.run(cx, command)
    }

    fn set_data(&self, cx: Context, command: SetData) -> Answer<'_, SetDataOutcome> {
        self.run(cx, command)
    }

    fn amend(&self, cx: Context, command: AmendSession) -> Answer<'_, AmendOutcome> {
        self.run(cx, command)
    }

    fn rotate(&self, cx: Context, command: RotateSession) -> Answer<'_, RotateOutcome> {
        self.run(cx, command)
    }

    fn end(&self, cx: Context, command: EndSessions) -> Answer<'_, EndOutcome> {
        self.run(cx, command)
    }

    fn expire(&self, cx: Context, command: ExpireUser) -> Answer<'_, ExpireOutcome> {
        self.run(cx, command)
    }

    fn disable_user(&self, cx: Context, command: DisableUser) -> Answer<'_, DisableOutcome> {
        self.run(cx, command)
    }

    fn enable_user(&self, cx: Context, command: EnableUser) -> Answer<'_, EnableOutcome> {
        self.run(cx, command)
    }

    fn delete_user(&self, cx: Context, command: DeleteUser) -> Answer<'_, DeleteOutcome> {
        self.run(cx, command)
    }
}

impl AccountStore for Durable {
    fn by_email(&self, email: Email) -> Answer<'_, Option<Account>> {
        self.read(self.0.record.account_by_email(email))
    }

    fn by_tag(&self, tag: UserTag) -> Answer<'_, Option<Account>> {
        self.read(self.0.record.account_by_tag(tag))
    }

    fn register(&self, cx: Context, command: Register) -> Answer<'_, RegisterOutcome> {
        self.run(cx, command)
    }

    fn change_password(&self, cx: Context, command: ChangePassword) -> Answer<'_, ChangePasswordOutcome> {
        self.run(cx, command)
    }

    fn replace_hash(&self, cx: Context, command: ReplaceHash) -> Answer<'_, ReplaceHashOutcome> {
        self.run(cx, command)
    }

    fn open_reset(&self, cx: Context, command: OpenReset) -> Answer<'_, OpenResetOutcome> {
        self.run(cx, command)
    }

    fn reset_password(&self, cx: Context, command: ResetPassword) -> Answer<'_, ResetPasswordOutcome> {
        self.run(cx, command)
    }
}

impl TokenStore for Durable {
    fn issue(&self, cx: Context, command: IssueFamily) -> Answer<'_, IssueOutcome> {
        self.run(cx, command)
    }

    fn refresh(&self, cx: Context, command: Refresh) -> Answer<'_, RefreshOutcome> {
        self.run(cx, command)
    }

    fn revoke(&self, cx: Context, command: RevokeTokens) -> Answer<'_, RevokeOutcome> {
        self.run(cx, command)
    }

    /// Bounded by the record's own time for each read: there may be many.
    fn denials(&self, now: Timestamp, after: DenialPlace) -> Answer<'_, NewDenials> {
        Box::pin(async move { self.0.new_denials(now, &after).await })
    }
}
