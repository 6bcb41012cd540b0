//! Ending all sessions of a user who has thousands of them, in a time that does not grow with their number.

use crate::{
    RedisStore, bounds,
    change::{Seen, rule},
    fault::odd,
    key::Key,
    link::bytes,
    user::{self, Header, Stamp},
};
use redis::Value;
use vestibule_core::{
    bounds::MEMORY_EVENTS,
    bus::{Announcement, Bus, SessionsEnded, Signal, Which},
    fault::Fault,
    id::{Home, UserTag, random},
    session::{
        EndReason,
        command::{EndOutcome, EndSessions, Selection},
        unseen,
    },
    time::Timestamp,
    user::{Context, Effects, UserAggregate, command::UserCommand},
};

/// How a try without looking at the sessions ended.
enum Tried {
    Ended(EndOutcome),
    /// The user is a small one, and at hand now.
    Read(Seen),
    /// It takes a look at the sessions.
    Unfit,
}

/// A user who is about to lose all sessions.
struct Whole<'a> {
    cx: &'a Context,
    reason: EndReason,
    header: Header,
    user: UserAggregate,
}

impl RedisStore {
    /// Ends sessions. All of many at once are ended without being read: by what stands in front of them.
    pub(crate) async fn end_sessions(&self, cx: Context, command: EndSessions) -> Result<EndOutcome, Fault> {
        let tag = command.tag;
        let call = async {
            let mut guess = None;
            if matches!(&command.selection, Selection::All { except } if except.is_empty()) && !self.holds(tag).await {
                match self.try_unseen(tag, &cx, command.reason).await? {
                    Tried::Ended(outcome) => return Ok(outcome),
                    Tried::Read(seen) => guess = Some(seen),
                    Tried::Unfit => {}
                }
            }
            self.decide(tag, cx.now, guess, rule(&cx, command)).await
        };
        let outcome = self.link.at(tag.home(), call).await?;
        self.confirm(tag.home()).await?;
        Ok(outcome)
    }

    /// Runs a command after which a user has no session, whatever it does beside.
    pub(crate) async fn run_ending<C: UserCommand + Clone>(&self, cx: Context, command: C) -> Result<C::Outcome, Fault> {
        let home = command.tag().home();
        let outcome = self.run(cx, command).await?;
        self.confirm(home).await?;
        Ok(outcome)
    }

    /// Also where nothing was left to end: it may be a repeat after an end that was not confirmed.
    async fn confirm(&self, home: Home) -> Result<(), Fault> {
        match &self.replicas {
            Some(replicas) => replicas.confirm(home).await,
            None => Ok(()),
        }
    }

    async fn try_unseen(&self, tag: UserTag, cx: &Context, reason: EndReason) -> Result<Tried, Fault> {
        let mut ask = redis::cmd("GETRANGE");
        ask.arg(Key::user(tag)).arg(0).arg(bounds::LOOKUP_BYTES - 1);
        let part = bytes(self.link.read(&ask).await?)?.unwrap_or_default();
        if part.len() < bounds::LOOKUP_BYTES {
            let value = if part.is_empty() { Value::Nil } else { Value::BulkString(part) };
            return Ok(Tried::Read(self.seen_in(tag, value)?));
        }
        let Some((header, user)) = user::without_sessions(tag, &part)? else { return Ok(Tried::Unfit) };
        // A session that time has ended is none that is revoked; a token family that ends with its session is denied one by one.
        if header.wake <= cx.now || header.live < 2 || user.has_session_families() {
            return Ok(Tried::Unfit);
        }
        Ok(self.end_unseen(Whole { cx, reason, header, user }).await?.map_or(Tried::Unfit, Tried::Ended))
    }

    /// `None` where somebody else changed the user meanwhile.
    async fn end_unseen(&self, whole: Whole<'_>) -> Result<Option<EndOutcome>, Fault> {
        let Whole { cx, reason, header, mut user } = whole;
        let live = header.live as u64;
        let (outcome, effects) = unseen::end_all(&mut user, live, reason, cx);
        let told = SessionsEnded { tag: user.tag, revision: user.revision, which: Which::All, reason: Some(reason) };
        let bus = self.bus.get().map(|bus| &**bus as &dyn Bus);
        let announcement = Announcement::new(bus, vec![Signal::SessionsEnded(told)]);
        if self.write_end(&header, &user, effects, cx.now).await? {
            announcement.publish();
            return Ok(Some(outcome));
        }
        announcement.withdraw();
        Ok(None)
    }

    async fn write_end(&self, header: &Header, user: &UserAggregate, effects: Effects, now: Timestamp) -> Result<bool, Fault> {
        let (tag, home) = (user.tag, user.tag.home());
        let stamp: Stamp = random();
        let packed = user::pack(user, stamp);
        let keys = [Key::user(tag), Key::archive(tag), Key::timeline(tag), Key::home_timeline(home), Key::figures(home)];
        let number = |number: u64| number.to_string().into_bytes();
        let ended = effects.ended_all.ok_or_else(|| odd("nothing ended"))?;
        let mut arguments = vec![
            header.stamp.to_vec(),
            packed,
            number(self.resting_ttl_ms(user, now)),
            number(self.retention_ms),
            number(bounds::HOME_RETENTION_MS),
            number(MEMORY_EVENTS as u64),
            number(bounds::HOME_EVENTS as u64),
            user::archive_mark(ended),
            number(header.tail as u64),
        ];
        let figures = [-(header.live as i64), -1, 0, header.live as i64, 0];
        arguments.extend(figures.map(|figure| figure.to_string().into_bytes()));
        arguments.extend(effects.events.iter().map(|event| self.pack_event(event)));
        let run = || self.link.run(&self.scripts.end_all, &keys, &arguments);
        let answer = match run().await {
            // The connection broke. The stamp makes a second try harmless where the first one arrived.
            Err(Fault::Timeout) => run().await?,
            answer => answer?,
        };
        match answer {
            Value::Int(1) => Ok(true),
            Value::BulkString(there) => Ok(there == stamp),
            _ => Err(odd("an end was answered by neither 1 nor a stamp")),
        }
    }
}
