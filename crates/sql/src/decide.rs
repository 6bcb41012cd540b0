//! One batch in memory: commands applied in order to loaded users, and what has to be written afterwards.
//!
//! Knows nothing of a database. Several changes of one session in a batch are one row to write; the last one wins.

use crate::bounds;
use std::collections::{HashMap, HashSet};
use vestibule_core::{
    bus::Signal,
    event::Event,
    id::UserTag,
    record::{Change, Decided, Request, UserSnapshot},
    session::{Ended, PackedSession, command::Touch, command::TouchOutcome, transition},
    stats::Stats,
    time::Timestamp,
    token::Denial,
    user::{Effects, Facts, UserAggregate},
};

/// What tells the sessions of one user apart.
pub(crate) type Serial = [u8; 12];

/// Figures that every batch moves, and the numbers that rows are given. Kept in one row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Last entry of the change log. Never falls, whatever is forgotten.
    pub(crate) sequence: u64,
    /// Last number that a user was given.
    pub(crate) last_user: i64,
    /// Last number that a session was given. Numbers rise, so their order is that of creation.
    pub(crate) last_session: i64,
    /// Last position that an event was given.
    pub(crate) last_event: u64,
    /// Figures of the deployment.
    pub(crate) stats: Stats,
}

/// What a batch writes besides users and their sessions.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Entries of the change log, in order.
    pub(crate) changes: Vec<Change>,
    /// Access tokens that are denied, each once: one statement must not write a row twice.
    pub(crate) denied: Vec<Denial>,
    /// What happened.
    pub(crate) events: Vec<Event>,
}

impl Journal {
    fn deny(&mut self, denials: &[Denial]) {
        for denial in denials {
            match self.denied.iter_mut().find(|known| (known.tag, known.what) == (denial.tag, denial.what)) {
                Some(known) => known.until = known.until.max(denial.until),
                None => self.denied.push(*denial),
            }
        }
    }
}

/// Ends all sessions of a user that have this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The epoch of the sessions that it ends.
    pub(crate) epoch: i64,
    /// When and why; `None` erases everything of this epoch and before, ended or not.
    pub(crate) ended: Option<Ended>,
}

/// A user at work in a batch.
#[derive(Debug)]
pub(crate) struct Held {
    /// The user's row, where there is one.
    pub(crate) row: Option<i64>,
    /// The user, with live sessions, and with account where a command needs it.
    pub(crate) user: UserAggregate,
    /// Live sessions have this epoch; what has an older one is ended by a mark.
    pub(crate) epoch: i64,
    /// Everything up to this epoch is erased.
    pub(crate) erased: i64,
    /// Rows of sessions.
    pub(crate) rows: HashMap<Serial, i64>,
    /// Whether the user's own row must be written.
    pub(crate) changed: bool,
    /// Whether the account must be written, or deleted where there is none.
    pub(crate) account_changed: bool,
    /// Live sessions that must be written.
    pub(crate) put: HashSet<Serial>,
    /// Sessions that ended and must be written one by one.
    pub(crate) ended: Vec<PackedSession>,
    /// Marks that must be written.
    pub(crate) marks: Vec<Mark>,
}

impl Held {
    /// A user of whom nothing is stored.
    pub(crate) fn new(tag: UserTag) -> Self {
        Self {
            row: None,
            user: UserAggregate::new(tag),
            epoch: 1,
            erased: 0,
            rows: HashMap::new(),
            changed: false,
            account_changed: false,
            put: HashSet::new(),
            ended: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Applies a use of a session.
    pub(crate) fn touch(&mut self, touch: &Touch) {
        if transition::catch_up(&mut self.user, touch) == TouchOutcome::Touched {
            self.put.insert(*touch.id.serial());
        }
    }

    /// Applies a request: its touches, then its command.
    pub(crate) fn apply(&mut self, request: Request, facts: Facts, counters: &mut Counters, journal: &mut Journal) -> Decided {
        for touch in &request.touches {
            self.touch(touch);
        }
        let live_before = self.user.live.len();
        let (outcome, mut effects) = request.command.apply(&mut self.user, &request.cx, facts);
        counters.stats.count(&effects, live_before, self.user.live.len());
        journal.events.append(&mut effects.events);
        if !effects.changed {
            return Decided { outcome, snapshot: None, signals: Vec::new() };
        }
        counters.sequence += 1;
        journal.changes.push(self.change(&effects, counters.sequence, request.cx.now));
        journal.deny(&effects.denied);
        let signals = Signal::of(&self.user, &effects);
        self.note(effects);
        let user = UserAggregate { account: None, ..self.user.clone() };
        Decided { outcome, snapshot: Some(UserSnapshot { sequence: counters.sequence, user }), signals }
    }

    /// The address of the account, where one is loaded.
    pub(crate) fn address(&self) -> Option<String> {
        self.user.account.as_ref().map(|account| account.email.as_str().to_owned())
    }

    fn change(&self, effects: &Effects, sequence: u64, at: Timestamp) -> Change {
        let tag = self.user.tag;
        let ended_all = effects.ended_all.is_some();
        let ended = if ended_all { Vec::new() } else { effects.ended.iter().map(PackedSession::id).collect() };
        Change {
            sequence,
            home: tag.home(),
            tag,
            revision: self.user.revision,
            ended,
            ended_all,
            denied: effects.denied.clone(),
            at,
        }
    }

    fn note(&mut self, effects: Effects) {
        self.changed = true;
        self.account_changed |= effects.account_changed;
        if effects.erase_history {
            self.erase();
        } else {
            self.note_ended(effects.ended, effects.ended_all);
        }
        self.put.extend(effects.put.iter().map(|id| *id.serial()));
    }

    /// Notes ends: one by one, or with a mark where many sessions end at once whose rows are as they were loaded.
    fn note_ended(&mut self, ended: Vec<PackedSession>, all: Option<Ended>) {
        let at_rest = |session: &PackedSession| {
            let serial = *session.id().serial();
            session.ended() == all && self.rows.contains_key(&serial) && !self.put.contains(&serial)
        };
        let (marked, single): (Vec<_>, Vec<_>) = ended.into_iter().partition(at_rest);
        self.ended.extend(single);
        if marked.len() > bounds::MARK_ABOVE {
            for session in &marked {
                self.rows.remove(session.id().serial());
            }
            self.raise_epoch(all);
        } else {
            self.ended.extend(marked);
        }
    }

    /// Everything that is stored of the user's sessions goes, and with it whatever this batch wanted to add to it.
    fn erase(&mut self) {
        self.ended.clear();
        self.put.clear();
        self.rows.retain(|serial, _| self.user.live.iter().any(|session| session.id().serial() == serial));
        self.erased = self.epoch;
        self.raise_epoch(None);
    }

    fn raise_epoch(&mut self, ended: Option<Ended>) {
        self.marks.push(Mark { epoch: self.epoch, ended });
        self.epoch += 1;
        self.changed = true;
        // Who stays must not fall under the mark.
        self.put.extend(self.user.live.iter().map(|session| *session.id().serial()));
    }
}

/// An ended session as it is kept: nobody reads its payload, nor takes its previous token.
pub(crate) fn without_payload(session: &PackedSession) -> PackedSession {
    let mut session = session.unpack();
    if session.data.is_empty() && session.previous.is_none() {
        return PackedSession::pack(&session);
    }
    session.data = Box::default();
    session.previous = None;
    PackedSession::pack(&session)
}
