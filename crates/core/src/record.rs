//! The ports that [`crate::durable::Durable`] joins: the record decides, the state is a projection of it.

use crate::{
    Answer,
    account::{Account, Email},
    alias::AliasStore,
    bus::Signal,
    deployment::DeploymentStore,
    event::{DeliveryStore, EventStore, chain::EventChain},
    id::{Home, SessionId, UserTag},
    key::KeyStore,
    session::{PackedSession, TokenDigest, command::FindOutcome, command::Touch, command::TouchOutcome},
    stats::Stats,
    time::Timestamp,
    token::{Denial, signing::SigningKeyStore},
    user::{Context, UserAggregate, command::Command, command::Outcome},
};

/// A command on its way to the record.
#[derive(Debug, Clone)]
pub struct Request {
    /// When and for whom.
    pub cx: Context,
    /// Uses of this user's sessions that the record has not heard of; applied before the command.
    pub touches: Vec<Touch>,
    /// The command.
    pub command: Command,
}

/// What the record decided.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The outcome.
    pub outcome: Outcome,
    /// The user afterwards, where the command changed something.
    pub snapshot: Option<UserSnapshot>,
    /// What has to be told: the sessions that it ended, the access tokens that it denied.
    pub signals: Vec<Signal>,
}

/// A user as the record holds them at some point of its change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSnapshot {
    /// Everything up to and including this entry of the change log is in it.
    pub sequence: u64,
    /// The user, without account.
    pub user: UserAggregate,
}

/// One entry of the change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position; sequences may become visible out of order on stores with concurrent writers.
    pub sequence: u64,
    /// The user's home.
    pub home: Home,
    /// The user.
    pub tag: UserTag,
    /// The user's revision afterwards.
    pub revision: u64,
    /// Sessions that ended, unless all did.
    pub ended: Vec<SessionId>,
    /// Whether all sessions up to this revision ended, but for those in a projection of this revision.
    pub ended_all: bool,
    /// Access tokens that must not be believed any more.
    pub denied: Vec<Denial>,
    /// When it was decided.
    pub at: Timestamp,
}

/// The durable record: decides every change in a transaction and answers history.
pub trait Record: AliasStore + DeliveryStore + DeploymentStore + EventChain + EventStore + KeyStore + SigningKeyStore {
    /// Decides commands in order: one transaction, durable before the answer. Requests of callers that arrive together
    /// share one commit. One answer per request, in order; a fault means that none of them was applied, but for
    /// [`crate::fault::Fault::Timeout`], after which all or none may be.
    fn decide(&self, batch: Vec<Request>) -> Answer<'_, Vec<Decided>>;

    /// A user with all live sessions and without account; revision 0 where nothing is known. One indexed read.
    fn load_user(&self, tag: UserTag) -> Answer<'_, UserSnapshot>;

    /// An ended session with this token digest.
    fn find_ended(&self, tag: UserTag, digest: TokenDigest) -> Answer<'_, Option<PackedSession>>;

    /// See [`crate::session::SessionStore::history`].
    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>>;

    /// Entries of the change log after `sequence`, in order, at most `limit`.
    fn changes_since(&self, sequence: u64, limit: usize) -> Answer<'_, Vec<Change>>;

    /// Denials that still matter, in the order of their ends and then of [`Denial::to_bytes`], behind one of them, at most `limit`.
    fn denials(&self, now: Timestamp, after: Option<Denial>, limit: usize) -> Answer<'_, Vec<Denial>>;

    /// The newest place in the change log up to which every entry is visible; with an age, one before every entry that is
    /// younger. Entries after it may still appear below others.
    fn position(&self, younger_than: Option<std::time::Duration>) -> Answer<'_, u64>;

    /// Uses of sessions, written together; never revives anything.
    fn touch(&self, touches: Vec<Touch>) -> Answer<'_, ()>;

    /// See [`crate::session::SessionStore::due`].
    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>>;

    /// Users after `after`, in the order of their tags, that have live sessions; at most `limit`. Off the request path.
    fn users(&self, after: Option<UserTag>, limit: usize) -> Answer<'_, Vec<UserTag>>;

    /// See [`crate::session::SessionStore::stats`].
    fn stats(&self) -> Answer<'_, Stats>;

    /// The account with this address.
    fn account_by_email(&self, email: Email) -> Answer<'_, Option<Account>>;

    /// The account of this user.
    fn account_by_tag(&self, tag: UserTag) -> Answer<'_, Option<Account>>;

    /// Forgets ended sessions, change log entries, aliases and denials from before a time, at most `limit` of each. Returns how many rows went.
    fn forget_ended(&self, before: Timestamp, limit: usize) -> Answer<'_, usize>;
}

/// How [`State::project`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projected {
    /// The state holds this snapshot.
    Applied,
    /// The state holds the same or a newer revision.
    Older,
    /// The state cannot tell whether the snapshot is the newest any more: read again.
    Stale,
}

/// The fast, shared state under a record. Holds whole users; may forget any of them at any time.
pub trait State: Send + Sync {
    /// Takes over a snapshot if its user revision is newer than what is held. Uses that the state has heard of stay
    /// ([`crate::session::transition::keep_touches`]). Safe to repeat.
    fn project(&self, snapshot: UserSnapshot) -> Answer<'_, Projected>;

    /// Looks a token up; `None` where the user is not held.
    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<FindOutcome>>;

    /// A whole user; `None` where they are not held.
    fn user(&self, tag: UserTag) -> Answer<'_, Option<UserAggregate>>;

    /// Notes a use; `None` where the user is not held.
    fn touch(&self, touch: Touch) -> Answer<'_, Option<TouchOutcome>>;
}
