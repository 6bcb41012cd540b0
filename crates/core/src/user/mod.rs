//! One user's aggregate: everything that a command may look at or change in its atomic step.

pub mod command;
pub mod extras;
pub mod transition;

pub use extras::Extras;

use crate::{
    account::Account,
    event::{Event, EventType, Origin},
    id::{SessionId, UserId, UserTag},
    session::{EndReason, Ended, PackedSession, SessionKind},
    time::Timestamp,
    token::Denial,
};

/// A hand-off code that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// SHA-256 of the code.
    pub digest: crate::session::TokenDigest,
    /// The session that it continues.
    pub session: SessionId,
    /// When it is no longer taken.
    pub expires_at: Timestamp,
    /// The session that was made from it.
    pub redeemed: Option<SessionId>,
}

/// The live sessions of one user. One stands inside the aggregate: most users have no more, and a lookup that follows no pointer to
/// a list is a cache miss shorter.
pub type LiveSessions = smallvec::SmallVec<[PackedSession; 1]>;

/// A user with all their live sessions: at most [`crate::bounds::LIVE_SESSIONS`].
///
/// A clone shares the packed sessions, so it costs one pointer per session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAggregate {
    /// The user's tag.
    pub tag: UserTag,
    /// Whether they may have sessions.
    pub disabled: bool,
    /// Their id; `None` while anonymous, and once deleted.
    pub user_id: Option<UserId>,
    /// Raised by every command that changes the aggregate.
    pub revision: u64,
    /// Sessions that ever began.
    pub created_total: u64,
    /// Sessions that ever ended.
    pub ended_total: u64,
    /// Last login; zero if never.
    pub last_login_at: Timestamp,
    /// Hand-off codes that are still remembered, oldest first. Boxed, because hardly any user has one.
    pub handoffs: Option<Box<Vec<Handoff>>>,
    /// What they have besides sessions, if anything. Boxed, because most users have none.
    pub extras: Option<Box<Extras>>,
    /// Their account; filled in by a store only for commands that need it.
    pub account: Option<Box<Account>>,
    /// Sessions that have not ended, in the order of their creation. Expired ones stay until the next change.
    pub live: LiveSessions,
}

impl UserAggregate {
    /// A user of whom nothing is known yet.
    #[must_use]
    pub fn new(tag: UserTag) -> Self {
        Self {
            tag,
            disabled: false,
            user_id: None,
            revision: 0,
            created_total: 0,
            ended_total: 0,
            last_login_at: Timestamp::ZERO,
            handoffs: None,
            extras: None,
            account: None,
            live: LiveSessions::new(),
        }
    }

    /// What the user has besides sessions, made on demand. What is empty after a command is dropped again.
    pub fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Drops extras with nothing in them, so that there is one form of a user who has none.
    pub(crate) fn drop_empty_extras(&mut self) {
        if self.extras.as_ref().is_some_and(|extras| extras.is_empty()) {
            self.extras = None;
        }
    }

    /// Drops the extras of a deleted user, but for what keeps their access tokens denied.
    pub(crate) fn forget_extras(&mut self) {
        if let Some(extras) = &mut self.extras {
            **extras = Extras { token_epoch: extras.token_epoch, access_until: extras.access_until, ..Extras::default() };
        }
    }

    /// Where a live session stands.
    #[must_use]
    pub fn position(&self, id: SessionId) -> Option<usize> {
        self.live.iter().position(|session| session.id() == id)
    }

    /// A session that has neither ended nor expired, nor has its parent.
    #[must_use]
    pub fn valid(&self, id: SessionId, now: Timestamp) -> Option<&PackedSession> {
        let session = self.live.iter().find(|session| session.id() == id)?;
        self.expiry(session, now, 0).is_none().then_some(session)
    }

    /// Why a live session counts as ended at this time, if it does: its own limits, or its parent's.
    #[must_use]
    pub fn expiry(&self, session: &PackedSession, now: Timestamp, idle_slack_ms: u64) -> Option<EndReason> {
        if let Some(reason) = session.expired(now, idle_slack_ms) {
            return Some(reason);
        }
        if session.kind() != SessionKind::Share {
            return None;
        }
        let parent = session.unpack().parent?;
        match self.live.iter().find(|candidate| candidate.id() == parent) {
            Some(parent) if parent.expired(now, idle_slack_ms).is_none() => None,
            _ => Some(EndReason::ParentEnded),
        }
    }

    /// Sessions that are valid at this time.
    pub fn valid_sessions(&self, now: Timestamp) -> impl Iterator<Item = &PackedSession> {
        self.live.iter().filter(move |session| self.expiry(session, now, 0).is_none())
    }
}

/// When and for whom a command is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The time of the decision.
    pub now: Timestamp,
    /// Where it came from.
    pub origin: Origin,
}

/// What only the store can know when it applies a command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Added to idle deadlines, because last uses may still be on their way to this store, in milliseconds.
    pub idle_slack_ms: u64,
    /// Whether the address of a registration belongs to somebody already.
    pub address_taken: bool,
}

/// What a store has to write after a transition, besides the aggregate itself.
#[derive(Debug, Default)]
pub struct Effects {
    /// Whether the aggregate changed; its revision has been raised then.
    pub changed: bool,
    /// Sessions of [`UserAggregate::live`] that are new or changed.
    pub put: Vec<SessionId>,
    /// Sessions that ended one by one, with their end filled in.
    pub ended: Vec<PackedSession>,
    /// All sessions that were live before this command ended at once, but for those in `put`. They also stand in `ended`
    /// for stores that keep them in memory; a record writes one mark.
    pub ended_all: Option<Ended>,
    /// The account is new or changed; see [`UserAggregate::account`]. With no account left there it was deleted.
    pub account_changed: bool,
    /// Everything that is kept of ended sessions of this user must go.
    pub erase_history: bool,
    /// Whether trust in a device ended: like an end, a store that is short of room does it all the same.
    pub distrusted: bool,
    /// Sessions that began.
    pub created: u64,
    /// Access tokens that must not be believed any more.
    pub denied: Vec<Denial>,
    /// What happened.
    pub events: Vec<Event>,
}

/// One command at work on one aggregate: the aggregate, the context, and the effects so far.
pub struct Step<'a> {
    /// The user.
    pub user: &'a mut UserAggregate,
    /// When and for whom.
    pub cx: &'a Context,
    /// What the store knows.
    pub facts: Facts,
    /// What has to be written.
    pub fx: Effects,
}

impl Step<'_> {
    /// Notes an event of this user.
    pub fn note(&mut self, kind: EventType) -> &mut Event {
        let event = Event::new(kind, self.cx.now, &self.cx.origin).of(self.user.tag, self.user.user_id.as_ref());
        self.fx.events.push(event);
        self.fx.events.last_mut().expect("just pushed")
    }

    /// Notes an event of one session.
    pub fn note_session(&mut self, kind: EventType, session: &PackedSession) -> &mut Event {
        let actor = session.has_actor().then(|| session.unpack().actor).flatten();
        let event = self.note(kind);
        event.session_id = Some(session.id());
        event.device_id = session.device_id().map(Into::into);
        if let Some(actor) = actor {
            event.actor = Some(actor.user_id.as_str().into());
        }
        event
    }

    /// Adds or replaces a live session.
    pub fn put(&mut self, session: PackedSession) {
        let id = session.id();
        match self.user.position(id) {
            Some(position) => self.user.live[position] = session,
            None => self.user.live.push(session),
        }
        if !self.fx.put.contains(&id) {
            self.fx.put.push(id);
        }
        self.fx.changed = true;
    }

    /// Ends the live session at `position` and those that were shared from it, with an event each.
    pub fn end_at(&mut self, position: usize, reason: EndReason) {
        let session = self.user.live.remove(position);
        let id = session.id();
        self.bury(&session, reason);
        while let Some(child) = self.user.live.iter().position(|candidate| is_child_of(candidate, id)) {
            let child = self.user.live.remove(child);
            self.bury(&child, EndReason::ParentEnded);
        }
    }

    fn bury(&mut self, session: &PackedSession, reason: EndReason) {
        let kind = if reason.is_expiry() { EventType::SessionExpired } else { EventType::SessionEnded };
        self.note_session(kind, session).reason = Some(reason.as_str().into());
        self.bury_silently(session, Ended { at: self.cx.now, reason });
    }

    /// Moves a session, already taken out of the live ones, to the ended ones without an event of its own.
    pub fn bury_silently(&mut self, session: &PackedSession, ended: Ended) {
        let id = session.id();
        self.fx.put.retain(|put| *put != id);
        self.fx.ended.push(session.end(ended));
        self.user.ended_total += 1;
        self.fx.changed = true;
    }

    /// Ends every session whose time has come. Every command begins with it, so that nothing expired is counted or shown.
    pub fn expire(&mut self) {
        let (now, slack) = (self.cx.now, self.facts.idle_slack_ms);
        while let Some((position, reason)) = self.first_expired(now, slack) {
            self.end_at(position, reason);
        }
        self.end_orphaned_families();
        if let Some(handoffs) = &mut self.user.handoffs {
            let before = handoffs.len();
            handoffs.retain(|handoff| now < handoff.expires_at.plus_ms(crate::bounds::AFTERLIFE_MS));
            self.fx.changed |= handoffs.len() != before;
            if handoffs.is_empty() {
                self.user.handoffs = None;
            }
        }
        if let Some(extras) = &mut self.user.extras {
            self.fx.changed |= extras.expire(now);
        }
    }

    fn first_expired(&self, now: Timestamp, slack: u64) -> Option<(usize, EndReason)> {
        let user = &*self.user;
        user.live.iter().enumerate().find_map(|(position, session)| Some((position, user.expiry(session, now, slack)?)))
    }
}

fn is_child_of(session: &PackedSession, parent: SessionId) -> bool {
    session.kind() == SessionKind::Share && session.unpack().parent == Some(parent)
}
