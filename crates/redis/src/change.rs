//! How a change is decided: the core's rule on the user as last seen, and one script that writes the result if the user is
//! still that. Whoever is beaten to it decides again on what is there.

use crate::{
    RedisStore, bounds,
    fault::odd,
    key::Key,
    link::integer,
    user::{self, Stamp},
};
use redis::Value;
use std::fmt;
use tokio::sync::{Mutex, MutexGuard};
use vestibule_core::{
    bounds::{AFTERLIFE_MS, MEMORY_ENDED, MEMORY_EVENTS},
    bus::{Announcement, Bus, Signal},
    event::Event,
    fault::Fault,
    id::UserTag,
    session::{PackedSession, command::Touch, command::TouchOutcome, transition},
    stats::Stats,
    time::Timestamp,
    token::Denial,
    user::{Context, Effects, Facts, UserAggregate, command::UserCommand, command::apply},
};

/// A user as this process saw them last.
#[derive(Debug)]
pub(crate) struct Seen {
    stamp: Option<Stamp>,
    user: UserAggregate,
    /// Whether Redis said so during this very call.
    fresh: bool,
}

impl Seen {
    fn nobody(tag: UserTag, fresh: bool) -> Self {
        Self { stamp: None, user: UserAggregate::new(tag), fresh }
    }
}

/// The users who were changed last, one in each slot. Whoever changes a user holds the slot meanwhile, so that callers of one
/// process queue here instead of beating each other in Redis.
pub(crate) struct SeenUsers(Box<[Mutex<Option<Seen>>]>);

impl fmt::Debug for SeenUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeenUsers")
    }
}

impl Default for SeenUsers {
    fn default() -> Self {
        Self((0..bounds::SEEN_USERS).map(|_| Mutex::default()).collect())
    }
}

impl SeenUsers {
    /// A tag is the output of a MAC: two of its bytes spread as well as any hash.
    async fn of(&self, tag: UserTag) -> MutexGuard<'_, Option<Seen>> {
        let bytes = tag.as_bytes();
        let slot = usize::from(u16::from_le_bytes([bytes[4], bytes[5]])) % self.0.len();
        self.0[slot].lock().await
    }
}

/// What a change writes beside the user.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// The user, where they change.
    user: bool,
    ended: Vec<PackedSession>,
    erase: bool,
    disables: bool,
    distrusts: bool,
    events: Vec<Event>,
    /// Added to sessions, users, created, revoked, expired.
    figures: [i64; 5],
    denied: Vec<Denial>,
    /// Told once it is written.
    told: Vec<Signal>,
}

impl Writes {
    /// The user alone, if they change.
    pub(crate) fn user_if(changed: bool) -> Self {
        Self { user: changed, ..Self::default() }
    }

    fn of(user: &UserAggregate, effects: Effects, live_before: usize) -> Self {
        // From large figures, because they only count up and stop at zero.
        const BASE: u64 = 1 << 32;
        let mut stats = Stats { sessions: BASE, users: BASE, ..Stats::default() };
        stats.count(&effects, live_before, user.live.len());
        let figures = [
            stats.sessions as i64 - BASE as i64,
            stats.users as i64 - BASE as i64,
            stats.created_total as i64,
            stats.revoked_total as i64,
            stats.expired_total as i64,
        ];
        let told = Signal::of(user, &effects);
        let ended = if effects.erase_history { Vec::new() } else { effects.ended };
        let events = effects.events.iter().skip(effects.events.len().saturating_sub(MEMORY_EVENTS));
        Self {
            user: effects.changed,
            ended: ended[ended.len().saturating_sub(MEMORY_ENDED)..].iter().map(without_payload).collect(),
            erase: effects.erase_history,
            disables: user.disabled,
            distrusts: effects.distrusted,
            events: events.cloned().collect(),
            figures,
            denied: effects.denied,
            told,
        }
    }

    fn is_nothing(&self) -> bool {
        !self.user && self.events.is_empty()
    }

    /// Whether it may be refused where memory is short: what ends or shuts out never is.
    fn adds(&self) -> bool {
        let shuts_out = self.erase || self.disables || self.distrusts;
        self.user && self.ended.is_empty() && self.denied.is_empty() && !shuts_out
    }
}

/// Nobody reads the payload of an ended session, nor takes its previous token.
fn without_payload(session: &PackedSession) -> PackedSession {
    let mut session = session.unpack();
    session.data = Box::default();
    session.previous = None;
    PackedSession::pack(&session)
}

/// How a write ended.
enum Written {
    Done(Stamp),
    /// Somebody else was faster; this is the user now.
    Beaten(Seen),
}

impl RedisStore {
    /// Runs a command on the user as they are.
    pub(crate) async fn run<C: UserCommand + Clone>(&self, cx: Context, command: C) -> Result<C::Outcome, Fault> {
        let tag = command.tag();
        self.link.at(tag.home(), self.decide(tag, cx.now, None, rule(&cx, command))).await
    }

    /// Runs a command that begins a session. The user is taken for a new one until Redis says otherwise.
    pub(crate) async fn run_beginning<C: UserCommand + Clone>(&self, cx: Context, command: C) -> Result<C::Outcome, Fault> {
        let tag = command.tag();
        self.link.at(tag.home(), self.decide(tag, cx.now, Some(Seen::nobody(tag, false)), rule(&cx, command))).await
    }

    /// What this process holds of a user, if it does.
    pub(crate) async fn holds(&self, tag: UserTag) -> bool {
        self.seen.of(tag).await.as_ref().is_some_and(|seen| seen.user.tag == tag)
    }

    /// Notes a use.
    pub(crate) async fn note_use(&self, touch: Touch) -> Result<TouchOutcome, Fault> {
        let rule = |user: &mut UserAggregate| {
            let outcome = transition::touch(user, &touch);
            (outcome, Writes::user_if(outcome == TouchOutcome::Touched))
        };
        let tag = touch.id.tag();
        self.link.at(tag.home(), self.decide(tag, touch.at, None, rule)).await
    }

    /// Applies a rule to the user as they are, and writes what it says.
    pub(crate) async fn decide<T>(
        &self,
        tag: UserTag,
        now: Timestamp,
        guess: Option<Seen>,
        rule: impl Fn(&mut UserAggregate) -> (T, Writes),
    ) -> Result<T, Fault> {
        let mut slot = self.seen.of(tag).await;
        // Taken out: whoever is dropped half way leaves nothing behind that may be wrong.
        let mut seen = match slot.take().filter(|seen| seen.user.tag == tag).or(guess) {
            Some(seen) => seen,
            None => self.read_user(tag).await?,
        };
        for _ in 0..bounds::CHANGE_TRIES {
            let mut user = seen.user.clone();
            let (outcome, mut writes) = rule(&mut user);
            if writes.is_nothing() {
                if seen.fresh {
                    *slot = remember(seen.stamp, user);
                    return Ok(outcome);
                }
                seen = self.read_user(tag).await?;
                continue;
            }
            let announcement =
                Announcement::new(self.bus.get().map(|bus| &**bus as &dyn Bus), std::mem::take(&mut writes.told));
            match self.write(&seen, &user, writes, now).await? {
                Written::Done(stamp) => {
                    announcement.publish();
                    *slot = remember(Some(stamp), user);
                    return Ok(outcome);
                }
                Written::Beaten(current) => {
                    announcement.withdraw();
                    seen = current;
                }
            }
        }
        Err(Fault::Unavailable("too many processes change the same user".into()))
    }

    async fn read_user(&self, tag: UserTag) -> Result<Seen, Fault> {
        let value = self.link.read(redis::cmd("GET").arg(Key::user(tag))).await?;
        self.seen_in(tag, value)
    }

    async fn write(&self, seen: &Seen, user: &UserAggregate, writes: Writes, now: Timestamp) -> Result<Written, Fault> {
        let stamp = if writes.user { self.stamp(user.tag.home())? } else { seen.stamp.unwrap_or_default() };
        let tag = user.tag;
        let home = tag.home();
        let (timeline, figures) = (Key::home_timeline(home), Key::figures(home));
        let (ended, archive, denials) = (Key::ended(tag), Key::archive(tag), Key::denials(home));
        let keys = [Key::user(tag), ended, Key::timeline(tag), timeline, figures, archive, denials];
        let script = if writes.adds() { &self.scripts.change } else { &self.scripts.change_ending };
        let arguments = self.arguments(seen, user, &writes, stamp, now);
        let (answer, repeated) = match self.link.run(script, &keys, &arguments).await {
            // The connection broke. The stamp makes a second try harmless where the first one arrived.
            Err(Fault::Timeout) if writes.user => (self.link.run(script, &keys, &arguments).await?, true),
            answer => (answer?, false),
        };
        if matches!(answer, Value::Int(_)) {
            return if integer(&answer)? == 1 { Ok(Written::Done(stamp)) } else { Err(odd("a change was not answered by 1")) };
        }
        let current = self.seen_in(tag, answer)?;
        match repeated {
            // A Cluster's connection repeats by itself what it had to send to another node.
            _ if writes.user && current.stamp == Some(stamp) => Ok(Written::Done(stamp)),
            true => Err(Fault::Timeout),
            false => Ok(Written::Beaten(current)),
        }
    }

    fn arguments(&self, seen: &Seen, user: &UserAggregate, writes: &Writes, stamp: Stamp, now: Timestamp) -> Vec<Vec<u8>> {
        let number = |number: u64| number.to_string().into_bytes();
        let mut arguments = vec![
            seen.stamp.map_or_else(Vec::new, |stamp| stamp.to_vec()),
            if writes.user { user::pack(user, stamp) } else { Vec::new() },
            number(self.ttl_ms(user, now)),
            number(self.retention_ms),
            number(bounds::HOME_RETENTION_MS),
            number(MEMORY_ENDED as u64),
            number(MEMORY_EVENTS as u64),
            number(bounds::HOME_EVENTS as u64),
            if writes.erase { b"erase".to_vec() } else { Vec::new() },
        ];
        arguments.extend(writes.figures.iter().map(|figure| figure.to_string().into_bytes()));
        arguments.push(number(now.millis()));
        arguments.push(number(writes.ended.len() as u64));
        arguments.push(number(writes.denied.len() as u64));
        arguments.extend(writes.ended.iter().map(|session| session.as_bytes().to_vec()));
        for denial in &writes.denied {
            arguments.extend([number(denial.until.millis()), denial.to_bytes()]);
        }
        arguments.extend(writes.events.iter().map(|event| self.pack_event(event)));
        arguments
    }

    pub(crate) fn seen_in(&self, tag: UserTag, value: Value) -> Result<Seen, Fault> {
        let Some(bytes) = crate::link::bytes(value)? else { return Ok(Seen::nobody(tag, true)) };
        let stamp = user::header(&bytes)?.stamp;
        let user = if self.believes(tag.home(), stamp)? { user::unpack(tag, &bytes)?.1 } else { UserAggregate::new(tag) };
        Ok(Seen { stamp: Some(stamp), user, fresh: true })
    }

    /// How long a user is kept: past the last deadline, so that expired and unknown can be told apart.
    fn ttl_ms(&self, user: &UserAggregate, now: Timestamp) -> u64 {
        match user.live.iter().map(PackedSession::deadline).max() {
            Some(deadline) => (deadline.since_ms(now) + AFTERLIFE_MS).max(extras_ttl_ms(user, now)),
            None => self.resting_ttl_ms(user, now),
        }
    }

    /// How long a user without sessions is kept.
    pub(crate) fn resting_ttl_ms(&self, user: &UserAggregate, now: Timestamp) -> u64 {
        let rest = if user.disabled { bounds::DISABLED_RETENTION_MS } else { self.retention_ms };
        rest.max(extras_ttl_ms(user, now))
    }
}

fn extras_ttl_ms(user: &UserAggregate, now: Timestamp) -> u64 {
    user.extras.as_ref().map_or(0, |extras| extras.keep_until().since_ms(now) + AFTERLIFE_MS)
}

pub(crate) fn rule<C: UserCommand + Clone>(cx: &Context, command: C) -> impl Fn(&mut UserAggregate) -> (C::Outcome, Writes) {
    move |user| {
        let live_before = user.live.len();
        let (outcome, effects) = apply(command.clone(), user, cx, Facts::default());
        (outcome, Writes::of(user, effects, live_before))
    }
}

fn remember(stamp: Option<Stamp>, user: UserAggregate) -> Option<Seen> {
    (user.live.len() <= bounds::SEEN_SESSIONS).then_some(Seen { stamp, user, fresh: false })
}
