//! Starting sessions.

use super::{Data, Invalid, Issued, Sessions};
use crate::{
    bounds,
    device::Presented,
    event::Origin,
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{
        Actor, Device, EndReason, IMPORTED, PackedSession, Profile, Session, SessionKind, SessionToken,
        command::{CreateOutcome, CreateSession, EndSessions, FindOutcome, GetOutcome, Selection},
        model::cut,
        policy::{Lifetime, Traits},
    },
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

/// What a caller may say of a new session. Whatever is longer than policy allows is cut to policy.
#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// The user; `None` starts an anonymous session.
    pub user_id: Option<UserId>,
    /// Rights.
    pub roles: Vec<Box<str>>,
    /// Payload. `None` takes over the payload of the anonymous session that is replaced, if there is one.
    pub data: Option<Data>,
    /// Device.
    pub device: Device,
    /// Client address.
    pub ip: Option<IpAddr>,
    /// Client agent.
    pub user_agent: Option<String>,
    /// Whether a second factor was done.
    pub mfa: bool,
    /// Whether the user asked to stay logged in.
    pub remember: bool,
    /// Policy; `None` is the default one.
    pub profile: Option<Box<str>>,
    /// Longest rest.
    pub idle_timeout: Option<Duration>,
    /// Longest life.
    pub lifetime: Option<Duration>,
    /// When the user proved who they are; `None` is now.
    pub auth_time: Option<Timestamp>,
    /// How.
    pub amr: Vec<Box<str>>,
    /// What the session is restricted to.
    pub scope: Vec<Box<str>>,
    /// Who acts as the user: makes it an impersonation.
    pub actor: Option<Actor>,
    /// The token that the client held before: its session ends, and an anonymous payload moves on.
    pub replace_token: Option<String>,
    /// Whether it is a login with a password, which is an event of its own.
    pub login: bool,
    /// The token of a trusted device. An accepted one adds [`crate::device::TRUSTED`] to `amr`; one that is not accepted is an
    /// event, and the session begins without it.
    pub device_token: Option<String>,
    /// Whether its browser shows no sign of an earlier login of this user. Means something only where [`Self::device`] names none.
    pub is_new_browser: bool,
}

/// How [`Sessions::create`] ended.
#[derive(Debug)]
pub enum Creation {
    /// A session began.
    Created(Box<Issued>),
    /// The user has as many as allowed and the policy is to refuse.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// The user is disabled.
    UserDisabled,
    /// The actor is impersonating somebody already.
    ImpersonationNested,
    /// An input was refused.
    Invalid(Invalid),
}

impl Sessions {
    /// Starts a session. One round trip; one more each to replace an old session and to look at an actor's session.
    ///
    /// # Errors
    /// A fault of the store. After [`Fault::Timeout`] the session may have begun, but nobody holds its token.
    pub async fn create(&self, new: NewSession, origin: Origin) -> Result<Creation, Fault> {
        if let Err(invalid) = check(&new, self.now()) {
            return Ok(Creation::Invalid(invalid));
        }
        let Some(profile) = self.policies.profile(new.profile.as_deref().unwrap_or_default()) else {
            return Ok(Creation::Invalid(Invalid::new("profile", "there is no such profile")));
        };
        if self.actor_is_impersonating(new.actor.as_ref()).await? {
            return Ok(Creation::ImpersonationNested);
        }
        let replaced = self.replaced(new.replace_token.as_deref()).await?;
        let tag = new.user_id.as_ref().map_or_else(UserTag::anonymous, |user| self.tag(user));
        let carried = match (&new.data, &replaced) {
            (None, Some(old)) if old.kind() == SessionKind::Anonymous => self.open_packed(old)?.data,
            _ => Data::new(),
        };
        let sealed = match self.seal_data(tag, new.data.as_ref().unwrap_or(&carried)) {
            Ok(sealed) => sealed,
            Err(invalid) => return Ok(Creation::Invalid(invalid)),
        };
        let token = SessionToken::mint(&self.ring, tag);
        let (login, is_new_browser) = (new.login, new.is_new_browser);
        let device = new.device_token.as_deref().map(|text| Presented::read(&self.ring, text, tag));
        let session = self.assemble(new, profile, tag, &token, sealed);
        let command = CreateSession { session, cap: profile.cap(), login, device, is_new_browser };
        match self.store.create(self.cx(origin.clone()), command).await? {
            CreateOutcome::Created { session, .. } => {
                self.end_replaced(replaced, origin).await?;
                Ok(Creation::Created(Box::new(self.issue(token, &session)?)))
            }
            CreateOutcome::LimitReached { limit } => Ok(Creation::LimitReached { limit }),
            CreateOutcome::UserDisabled => Ok(Creation::UserDisabled),
        }
    }

    fn assemble(&self, new: NewSession, profile: &Profile, tag: UserTag, token: &SessionToken, data: Box<[u8]>) -> Session {
        let now = self.now();
        let kind = match (&new.user_id, &new.actor) {
            (_, Some(_)) => SessionKind::Impersonation,
            (None, None) => SessionKind::Anonymous,
            (Some(_), None) => SessionKind::Login,
        };
        let traits = Traits { roles: &new.roles, mfa: new.mfa, remember: new.remember, touches: 0 };
        let granted: Lifetime = self.policies.lifetime(profile, &traits).clamp(new.idle_timeout, new.lifetime);
        let auth_time = new.auth_time.unwrap_or(now);
        Session {
            id: SessionId::generate(tag),
            user_id: new.user_id,
            kind,
            revision: 1,
            rotation: 0,
            digest: token.digest(),
            created_at: now,
            last_seen_at: now,
            touches: 0,
            idle_timeout_ms: granted.idle_timeout_ms,
            expires_at: granted.ends_at(now),
            auth_time,
            mfa: new.mfa,
            mfa_at: if new.mfa { auth_time } else { Timestamp::ZERO },
            remember: new.remember,
            roles: new.roles,
            amr: new.amr,
            scope: new.scope,
            profile: new.profile.unwrap_or_default(),
            ip: new.ip.map(crate::session::binding::canonical),
            user_agent: new
                .user_agent
                .filter(|agent| !agent.is_empty())
                .map(|agent| cut(&agent, bounds::USER_AGENT_BYTES).into()),
            device: new.device,
            parent: None,
            label: None,
            actor: new.actor,
            previous: None,
            rotated: None,
            trail: Vec::new(),
            data,
            ended: None,
        }
    }

    /// The valid session behind a token that is about to be replaced; garbage and ended ones replace nothing.
    async fn replaced(&self, token: Option<&str>) -> Result<Option<PackedSession>, Fault> {
        let (now, Some(token)) = (self.now(), token) else { return Ok(None) };
        let Some((tag, digest)) = self.locate(token, now).await? else { return Ok(None) };
        match self.store.find(tag, digest, now).await? {
            FindOutcome::Found { session, .. } => Ok(Some(session)),
            _ => Ok(None),
        }
    }

    async fn end_replaced(&self, replaced: Option<PackedSession>, origin: Origin) -> Result<(), Fault> {
        if let Some(old) = replaced {
            let selection = Selection::One(old.id());
            let command = EndSessions { tag: old.id().tag(), selection, reason: EndReason::Replaced };
            self.store.end(self.cx(origin), command).await?;
        }
        Ok(())
    }

    async fn actor_is_impersonating(&self, actor: Option<&Actor>) -> Result<bool, Fault> {
        let Some(id) = actor.and_then(|actor| actor.session_id) else { return Ok(false) };
        Ok(match self.store.get(id, self.now()).await? {
            GetOutcome::Live(session) => session.kind() == SessionKind::Impersonation,
            GetOutcome::Missing => false,
        })
    }
}

fn check(new: &NewSession, now: Timestamp) -> Result<(), Invalid> {
    names("roles", &new.roles)?;
    methods(&new.amr)?;
    names("scope", &new.scope)?;
    device(&new.device)?;
    if new.auth_time.is_some_and(|at| at > now) {
        return Err(Invalid::new("auth_time", "lies in the future"));
    }
    if new.actor.is_some() && new.user_id.is_none() {
        return Err(Invalid::new("actor", "needs a user_id to act as"));
    }
    if new.device_token.is_some() && (new.user_id.is_none() || new.actor.is_some()) {
        return Err(Invalid::new("device_token", "is for the login of a user on a device of their own"));
    }
    if new.user_id.is_none() && new.mfa {
        return Err(Invalid::new("mfa", "an anonymous session has no factors"));
    }
    Ok(())
}

/// Checks a list of names: bounded in number and length, without empty entries, commas or control characters (roles travel
/// comma separated in a header).
pub(crate) fn names(field: &'static str, names: &[Box<str>]) -> Result<(), Invalid> {
    if names.len() > bounds::LIST_ITEMS {
        return Err(Invalid::new(field, "has more than 64 entries"));
    }
    for name in names {
        if name.is_empty() || name.len() > bounds::NAME_BYTES {
            return Err(Invalid::new(field, "an entry has 1 to 128 bytes"));
        }
        if name.contains(',') || name.chars().any(char::is_control) {
            return Err(Invalid::new(field, "an entry must not contain commas or control characters"));
        }
    }
    Ok(())
}

/// Checks a list of authentication methods. Only an import says that a session was imported, since that lifts it out of policy.
pub(super) fn methods(amr: &[Box<str>]) -> Result<(), Invalid> {
    names("amr", amr)?;
    match amr.iter().any(|method| **method == *IMPORTED) {
        true => Err(Invalid::new("amr", "imported is no method of a login")),
        false => Ok(()),
    }
}

/// Checks what a caller tells of a device.
pub(crate) fn device(device: &Device) -> Result<(), Invalid> {
    let fields = [
        ("device.id", &device.id),
        ("device.fingerprint", &device.fingerprint),
        ("device.name", &device.name),
        ("device.type", &device.kind),
    ];
    for (field, text) in fields {
        text.as_deref().map_or(Ok(()), |text| label(field, text, bounds::DEVICE_FIELD_BYTES))?;
    }
    Ok(())
}

/// Checks a short text: not empty, bounded, without control characters.
pub(crate) fn label(field: &'static str, text: &str, bytes: usize) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > bytes {
        Err(Invalid::new(field, "is empty or too long"))
    } else if text.chars().any(char::is_control) {
        Err(Invalid::new(field, "must not contain control characters"))
    } else {
        Ok(())
    }
}
