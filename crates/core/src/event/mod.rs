//! Security events: what happened, to whom, by whom, from where.
//!
//! Every command that changes something appends its events in its own atomic step; observations (a failed login, garbage
//! instead of a token) are appended by [`EventStore::append`]. [`Feed`] tells them as they happen, and
//! [`chain`] shows whether any was altered or taken away.

pub mod chain;
mod delivery;
mod feed;
mod observe;
mod seal;
mod tail;
mod types;

pub use delivery::{DeliveryDocument, DeliveryStore};
pub use feed::{Feed, Followed, Follower, Interest};
pub use observe::{Observations, Observer};
pub use seal::{SEAL_BYTES, Seal, Sealed, Sealer};
pub use tail::{Place, Tail, TailFrom};
pub use types::EventType;

use seal::RangeDigest;

use crate::{Answer, id::EventId, id::SessionId, id::UserId, id::UserTag, time::Timestamp};
use std::net::IpAddr;

/// Where a command came from: what its events say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who asked: a user id, `key:<id>` for a management key, `system` for the server's own work.
    pub actor: Option<Box<str>>,
    /// Client address, as far as trusted proxies tell it.
    pub ip: Option<IpAddr>,
    /// Client agent, cut at [`crate::bounds::USER_AGENT_BYTES`].
    pub user_agent: Option<Box<str>>,
    /// The request.
    pub request_id: Option<Box<str>>,
}

impl Origin {
    /// The server's own work.
    #[must_use]
    pub fn system() -> Self {
        Self { actor: Some("system".into()), ..Self::default() }
    }
}

/// Something that happened. Never holds a token, a password or a CSRF value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// Unique; sorts by time.
    pub id: EventId,
    /// What.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When.
    pub time: Timestamp,
    /// By whom; see [`Origin::actor`].
    pub actor: Option<Box<str>>,
    /// To whom.
    pub subject: Option<UserId>,
    /// To which session.
    pub session_id: Option<SessionId>,
    /// On which device, as the application names it, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<Box<str>>,
    /// From where.
    pub ip: Option<IpAddr>,
    /// With which agent.
    pub user_agent: Option<Box<str>>,
    /// In which request.
    pub request_id: Option<Box<str>>,
    /// Why, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// How many, where one event stands for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Whose timeline it belongs to; `None` is nobody's.
    #[serde(skip)]
    pub tag: Option<UserTag>,
}

impl Event {
    /// An event at a time, with what is known of its origin. Its id is random.
    #[must_use]
    pub fn new(kind: EventType, time: Timestamp, origin: &Origin) -> Self {
        Self {
            id: EventId::new(time.millis(), crate::id::random()),
            kind,
            time,
            actor: origin.actor.clone(),
            subject: None,
            session_id: None,
            device_id: None,
            ip: origin.ip,
            user_agent: origin.user_agent.clone(),
            request_id: origin.request_id.clone(),
            reason: None,
            count: None,
            tag: None,
        }
    }

    /// Says whose event it is.
    #[must_use]
    pub fn of(mut self, tag: UserTag, subject: Option<&UserId>) -> Self {
        self.tag = Some(tag);
        self.subject = subject.cloned();
        self
    }

    /// Says which session it is about.
    #[must_use]
    pub fn session(mut self, id: SessionId) -> Self {
        self.session_id = Some(id);
        self
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says how many it stands for.
    #[must_use]
    pub fn counting(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }
}

/// A question for events. Answers come newest first.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Whose timeline; `None` asks for everybody's.
    pub tag: Option<UserTag>,
    /// Only these types; empty is all.
    pub kinds: Vec<EventType>,
    /// From this time on, inclusive.
    pub since: Option<Timestamp>,
    /// Up to this time, exclusive.
    pub until: Option<Timestamp>,
    /// Only events older than this one: the last id of the page before.
    pub before: Option<EventId>,
    /// Page size, at most [`crate::bounds::STORE_PAGE`].
    pub limit: usize,
}

impl EventQuery {
    /// Whether an event is asked for, the page aside.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        (self.tag.is_none() || self.tag == event.tag)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
            && self.before.is_none_or(|before| event.id < before)
    }
}

/// Keeps events.
pub trait EventStore: Send + Sync {
    /// Appends observations that belong to no command. One round trip; a repeat after a lost answer writes nothing twice
    /// (ids are unique).
    fn append(&self, events: Vec<Event>) -> Answer<'_, ()>;

    /// Events, newest first (by id), at most `limit`. One round trip. Retention is the caller's: it sets `since`.
    fn query(&self, query: EventQuery) -> Answer<'_, Vec<Event>>;

    /// Events in the order in which they became visible, about `limit` of them; as many as that say that there may be more. Begins
    /// with what was written since the first call, or long before it, as the store can. A read, off the request path.
    fn tail(&self, from: TailFrom, limit: usize) -> Answer<'_, Tail>;

    /// Forgets events from before a time, at most `limit` of them. Returns how many. Safe to repeat.
    fn forget(&self, before: Timestamp, limit: usize) -> Answer<'_, usize>;
}
