//! The session service: what applications call.
//!
//! It makes and reads tokens, applies policy, seals payloads, and asks the store for one command at a time. [`create`] starts
//! sessions, [`validate`] answers the question of every request, [`change`] alters a session, [`child`] makes shares and
//! hand-offs, [`end`] ends, [`import`] takes over what another system began.

pub mod change;
pub mod child;
pub mod create;
pub mod end;
pub mod housekeeping;
pub mod import;
pub mod validate;

pub(crate) use create::{device as check_device, label};

use super::{PackedSession, Policies, Session, SessionStore, SessionToken, csrf, policy};
use crate::{
    alias::AliasStore,
    deployment::Deployment,
    event::{Observer, Origin},
    fault::Fault,
    id::{UserId, UserTag},
    secret::KeyRing,
    time::{Clock, Timestamp},
    user::Context,
};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

/// A JSON object: the payload of a session.
pub type Data = Map<String, Value>;

/// An input was refused; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, without repeating it.
    pub reason: &'static str,
}

impl Invalid {
    /// An input was refused.
    #[must_use]
    pub const fn new(field: &'static str, reason: &'static str) -> Self {
        Self { field, reason }
    }
}

/// A session with its payload opened.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInfo {
    /// The session.
    pub session: Session,
    /// Its payload.
    pub data: Data,
}

/// A session together with the secrets that go to its client: the only time that they are shown.
pub struct Issued {
    /// The token.
    pub token: SessionToken,
    /// The CSRF token.
    pub csrf_token: String,
    /// The session.
    pub info: SessionInfo,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({}, secrets redacted)", self.info.session.id)
    }
}

/// Starts, validates, changes and ends sessions. Cheap to share behind an [`Arc`].
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    aliases: Arc<dyn AliasStore>,
    legacy_until: Option<Timestamp>,
    ring: Arc<KeyRing>,
    deployment: Deployment,
    policies: Policies,
    observer: Observer,
    clock: Clock,
    patches: Vec<tokio::sync::Mutex<()>>,
    /// A held handle: looking a counter up by name costs as much as a validation's MAC.
    lookups: metrics::Counter,
}

/// What a session service is made of.
pub struct Parts {
    /// Where sessions are kept.
    pub store: Arc<dyn SessionStore>,
    /// Where it is kept whom imported tokens lead to.
    pub aliases: Arc<dyn AliasStore>,
    /// Until when imported tokens are accepted; `None` never.
    pub legacy_until: Option<Timestamp>,
    /// The keys.
    pub ring: Arc<KeyRing>,
    /// The deployment that the store belongs to.
    pub deployment: Deployment,
    /// The policies.
    pub policies: Policies,
    /// Where observations go.
    pub observer: Observer,
    /// The clock.
    pub clock: Clock,
}

impl Sessions {
    /// A service. A recorder of metrics must be in place before.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, aliases, legacy_until, ring, deployment, policies, observer, clock } = parts;
        let patches = (0..crate::id::Home::COUNT).map(|_| tokio::sync::Mutex::new(())).collect();
        let lookups = metrics::counter!("vestibule_session_lookups_total");
        Self { store, aliases, legacy_until, ring, deployment, policies, observer, clock, patches, lookups }
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The keys.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where observations go.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// The store behind it.
    #[must_use]
    pub fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// The tag of a user.
    #[must_use]
    pub fn tag(&self, user: &UserId) -> UserTag {
        self.deployment.tag(user)
    }

    /// The deployment that the store belongs to.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The CSRF token of a session as it is now.
    #[must_use]
    pub fn csrf_token(&self, session: &Session) -> String {
        csrf::csrf_token(&self.ring, session.id, session.rotation)
    }

    fn cx(&self, origin: Origin) -> Context {
        Context { now: self.clock.now(), origin }
    }

    /// Opens the payload of a session.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where it does not open: it was altered at rest, or sealed under a secret that the ring lacks.
    pub fn open(&self, session: Session) -> Result<SessionInfo, Fault> {
        let data = self.open_data(session.id.tag(), &session.data)?;
        Ok(SessionInfo { session, data })
    }

    fn open_packed(&self, session: &PackedSession) -> Result<SessionInfo, Fault> {
        self.open(session.unpack())
    }

    fn open_data(&self, tag: UserTag, sealed: &[u8]) -> Result<Data, Fault> {
        if sealed.is_empty() {
            return Ok(Data::new());
        }
        serde_json::from_slice(&self.open_json(tag, sealed)?)
            .map_err(|_| Fault::Corrupt("a session payload is no JSON object".into()))
    }

    fn open_json(&self, tag: UserTag, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        self.ring.open(tag.as_bytes(), sealed).map_err(|_| Fault::Corrupt("a session payload does not open".into()))
    }

    fn seal_data(&self, tag: UserTag, data: &Data) -> Result<Box<[u8]>, Invalid> {
        if data.is_empty() {
            return Ok(Box::default());
        }
        let plain = serde_json::to_vec(data).map_err(|_| Invalid::new("data", "cannot be written as JSON"))?;
        if plain.len() > self.policies.data_bound() {
            return Err(Invalid::new("data", "is larger than sessions.max_data_bytes"));
        }
        Ok(self.ring.seal(tag.as_bytes(), &plain).into())
    }

    pub(crate) fn issue(&self, token: SessionToken, session: &PackedSession) -> Result<Issued, Fault> {
        let info = self.open_packed(session)?;
        let csrf_token = self.csrf_token(&info.session);
        Ok(Issued { token, csrf_token, info })
    }

    /// The valid sessions of a user, oldest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn list(&self, user: &UserId) -> Result<Vec<SessionInfo>, Fault> {
        let sessions = self.store.list(self.tag(user), self.clock.now()).await?;
        sessions.iter().map(|session| self.open_packed(session)).collect()
    }

    /// The limits that policy sets for a session with these traits.
    fn lifetime_of(&self, session: &Session) -> policy::Lifetime {
        let profile = self.policies.profile_or_default(&session.profile);
        self.policies.lifetime(profile, &traits(session))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn traits(session: &Session) -> policy::Traits<'_> {
    policy::Traits { roles: &session.roles, mfa: session.mfa, remember: session.remember, touches: session.touches }
}
