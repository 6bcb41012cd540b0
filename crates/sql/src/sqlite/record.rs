//! [`Record`] on SQLite.

use super::{SqliteRecord, account, change, denial, forget, load, session, user, writer::Job};
use std::time::Duration;
use vestibule_core::{
    Answer,
    account::{Account, Email},
    id::{SessionId, UserTag},
    record::{Change, Decided, Record, Request, UserSnapshot},
    session::{PackedSession, TokenDigest, command::Touch},
    stats::Stats,
    time::{Timestamp, millis},
    token::Denial,
};

impl Record for SqliteRecord {
    fn decide(&self, batch: Vec<Request>) -> Answer<'_, Vec<Decided>> {
        self.writer.ask(|reply| Job::decide(batch, reply))
    }

    fn load_user(&self, tag: UserTag) -> Answer<'_, UserSnapshot> {
        self.read(move |transaction| user::load(transaction, tag))
    }

    fn find_ended(&self, tag: UserTag, digest: TokenDigest) -> Answer<'_, Option<PackedSession>> {
        self.read(move |transaction| session::find_ended(transaction, tag, &digest))
    }

    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>> {
        self.read(move |transaction| session::history(transaction, tag, before, limit))
    }

    fn changes_since(&self, sequence: u64, limit: usize) -> Answer<'_, Vec<Change>> {
        self.read(move |transaction| change::since(transaction, sequence, limit))
    }

    fn denials(&self, now: Timestamp, after: Option<Denial>, limit: usize) -> Answer<'_, Vec<Denial>> {
        self.read(move |transaction| denial::at(transaction, now, after, limit))
    }

    fn position(&self, younger_than: Option<Duration>) -> Answer<'_, u64> {
        self.read(move |transaction| match younger_than {
            None => Ok(load::counters(transaction)?.sequence),
            Some(age) => change::position(transaction, age),
        })
    }

    fn touch(&self, touches: Vec<Touch>) -> Answer<'_, ()> {
        self.writer.ask(|reply| Job::touch(touches, reply))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>> {
        // A session that is not yet ended for idleness must not be reported over and over.
        let now = now.minus_ms(millis(self.idle_slack));
        self.read(move |transaction| session::due(transaction, now, limit))
    }

    fn users(&self, after: Option<UserTag>, limit: usize) -> Answer<'_, Vec<UserTag>> {
        self.read(move |transaction| user::with_live(transaction, after, limit))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.read(|transaction| Ok(load::counters(transaction)?.stats))
    }

    fn account_by_email(&self, email: Email) -> Answer<'_, Option<Account>> {
        self.read(move |transaction| account::by_email(transaction, &email))
    }

    fn account_by_tag(&self, tag: UserTag) -> Answer<'_, Option<Account>> {
        self.read(move |transaction| account::by_tag(transaction, tag))
    }

    fn forget_ended(&self, before: Timestamp, limit: usize) -> Answer<'_, usize> {
        self.writer.alone(move |writer| forget::ended(writer, before, limit))
    }
}
