//! Sessions of another system: taken over with their tokens, so that nobody is logged out.
//!
//! An imported session is a session like any other, only its first token is not ours: the session is stored with that token's
//! digest, and an alias leads from the digest to the user. While the window is open ([`Parts::legacy_until`]) such tokens are
//! accepted wherever ours are. A rotation gives the session a token of ours; a login begins another session.
//!
//! [`Parts::legacy_until`]: super::Parts::legacy_until

use super::{Data, Invalid, Sessions, create};
use crate::{
    alias::Alias,
    bounds,
    event::Origin,
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{
        CapPolicy, Device, IMPORTED, LegacyToken, Session, SessionKind, SessionToken, TokenDigest,
        command::{Cap, CreateOutcome, CreateSession, FindOutcome},
        model::cut,
    },
    time::Timestamp,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::net::IpAddr;

/// Imports evict nobody: who had more sessions than allowed keeps them until the next login.
const NO_CAP: Cap = Cap { limit: bounds::LIVE_SESSIONS, policy: CapPolicy::Deny };

/// A live session of another system.
#[derive(Debug, Clone)]
pub struct ForeignSession {
    /// SHA-256 of its token ([`LegacyToken::digest`]).
    pub digest: TokenDigest,
    /// The user; `None` where nobody had logged in.
    pub user_id: Option<UserId>,
    /// Rights.
    pub roles: Vec<Box<str>>,
    /// Payload.
    pub data: Data,
    /// Device.
    pub device: Device,
    /// Client address.
    pub ip: Option<IpAddr>,
    /// Client agent.
    pub user_agent: Option<String>,
    /// Whether a second factor was done.
    pub mfa: bool,
    /// When it began; `None` where the other system does not know.
    pub created_at: Option<Timestamp>,
    /// When it was last used; `None` where the other system does not know.
    pub last_seen_at: Option<Timestamp>,
    /// When it ends, whatever policy says of sessions that begin here.
    pub expires_at: Timestamp,
}

/// What became of a [`ForeignSession`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// It goes on here.
    Imported,
    /// It was imported before. Where it has ended since, it stays ended.
    Known,
    /// It has reached its end.
    Expired,
    /// Its user has [`bounds::LIVE_SESSIONS`].
    LimitReached,
    /// Its user is disabled.
    UserDisabled,
    /// An input was refused.
    Invalid(Invalid),
}

impl Sessions {
    /// Takes over sessions of another system; one answer for each, in order. Safe to repeat, also after a fault in the middle:
    /// nothing is imported twice. Some four round trips for each, [`bounds::IMPORTS_AT_ONCE`] sessions at a time.
    ///
    /// # Errors
    /// A fault of the store: some may have been imported. Repeat.
    pub async fn import(&self, sessions: Vec<ForeignSession>, origin: Origin) -> Result<Vec<Import>, Fault> {
        let now = self.now();
        let each = sessions.into_iter().map(|session| self.import_one(session, origin.clone(), now));
        let imported: Vec<_> = stream::iter(each).buffered(bounds::IMPORTS_AT_ONCE).try_collect().await?;
        let (outcomes, aliases): (Vec<_>, Vec<_>) = imported.into_iter().unzip();
        let aliases: Vec<Alias> = aliases.into_iter().flatten().collect();
        if !aliases.is_empty() {
            self.aliases.keep(aliases).await?;
        }
        Ok(outcomes)
    }

    /// Without the alias, which is kept last: only once it leads to something does it say that the import is done.
    async fn import_one(
        &self,
        foreign: ForeignSession,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(Import, Option<Alias>), Fault> {
        if let Err(invalid) = check(&foreign) {
            return Ok((Import::Invalid(invalid), None));
        }
        if foreign.expires_at <= now {
            return Ok((Import::Expired, None));
        }
        if self.aliases.resolve(foreign.digest, now).await?.is_some() {
            return Ok((Import::Known, None));
        }
        let tag = match &foreign.user_id {
            Some(user) => self.tag(user),
            None => self.deployment.tag_of_digest(&foreign.digest),
        };
        // An end is told for a while after it, so that its token is not taken for an expired one of nobody.
        let expires_at = foreign.expires_at.plus_ms(bounds::AFTERLIFE_MS);
        let alias = Some(Alias { digest: foreign.digest, tag, expires_at });
        // An import that was cut off before the aliases: what it left may have ended since, and must not begin again.
        if !matches!(self.store.find(tag, foreign.digest, now).await?, FindOutcome::Unknown { .. }) {
            return Ok((Import::Known, alias));
        }
        let session = match self.adopt(foreign, tag, now) {
            Ok(session) => session,
            Err(invalid) => return Ok((Import::Invalid(invalid), None)),
        };
        let command = CreateSession { session, cap: NO_CAP, login: false, device: None, is_new_browser: false };
        Ok(match self.store.create(self.cx(origin), command).await? {
            CreateOutcome::Created { .. } => (Import::Imported, alias),
            CreateOutcome::LimitReached { .. } => (Import::LimitReached, None),
            CreateOutcome::UserDisabled => (Import::UserDisabled, None),
        })
    }

    fn adopt(&self, foreign: ForeignSession, tag: UserTag, now: Timestamp) -> Result<Session, Invalid> {
        let data = self.seal_data(tag, &foreign.data)?;
        let last_seen_at = foreign.last_seen_at.or(foreign.created_at).unwrap_or(now).min(now);
        let created_at = foreign.created_at.unwrap_or(last_seen_at).min(last_seen_at);
        let kind = if foreign.user_id.is_some() { SessionKind::Login } else { SessionKind::Anonymous };
        Ok(Session {
            // The same digest is the same session, so that two imports at once make one.
            id: SessionId::from_parts(tag, self.deployment.serial_of_digest(&foreign.digest)),
            user_id: foreign.user_id,
            kind,
            revision: 1,
            rotation: 0,
            digest: foreign.digest,
            created_at,
            last_seen_at,
            touches: 0,
            // The other system's expiry is the only limit: it knows of uses that we never heard of.
            idle_timeout_ms: foreign.expires_at.since_ms(last_seen_at),
            expires_at: foreign.expires_at,
            auth_time: created_at,
            mfa: foreign.mfa,
            mfa_at: if foreign.mfa { created_at } else { Timestamp::ZERO },
            remember: false,
            roles: foreign.roles,
            amr: vec![IMPORTED.into()],
            scope: Vec::new(),
            profile: Box::default(),
            ip: foreign.ip.map(crate::session::binding::canonical),
            user_agent: foreign
                .user_agent
                .filter(|agent| !agent.is_empty())
                .map(|agent| cut(&agent, bounds::USER_AGENT_BYTES).into()),
            device: foreign.device,
            parent: None,
            label: None,
            actor: None,
            previous: None,
            rotated: None,
            trail: Vec::new(),
            data,
            ended: None,
        })
    }

    /// Where a presented token leads: one of ours by itself, one of another system by its alias while the window is open.
    /// `None` is garbage, and costs nothing while the window is closed.
    pub(crate) async fn locate(&self, text: &str, now: Timestamp) -> Result<Option<(UserTag, TokenDigest)>, Fault> {
        if let Some(token) = SessionToken::parse(&self.ring, text) {
            return Ok(Some((token.tag(), token.digest())));
        }
        let Some(token) = self.legacy_token(text, now) else { return Ok(None) };
        let digest = token.digest();
        Ok(self.aliases.resolve(digest, now).await?.map(|tag| (tag, digest)))
    }

    /// Whether this may be a token of another system, so that a store is asked whose it is: never while the window is closed.
    #[must_use]
    pub fn may_be_legacy(&self, token: &str) -> bool {
        self.legacy_token(token, self.now()).is_some()
    }

    fn legacy_token<'a>(&self, text: &'a str, now: Timestamp) -> Option<LegacyToken<'a>> {
        self.legacy_until.filter(|until| now < *until).and_then(|_| LegacyToken::parse(text))
    }
}

fn check(foreign: &ForeignSession) -> Result<(), Invalid> {
    create::names("roles", &foreign.roles)?;
    create::device(&foreign.device)?;
    if foreign.user_id.is_none() && foreign.mfa {
        return Err(Invalid::new("mfa", "an anonymous session has no factors"));
    }
    Ok(())
}
