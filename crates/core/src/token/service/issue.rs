//! Beginning a family: an access token and a refresh token for a session, or for a user whom the backend vouches for.

use super::{IssuedTokens, Tokens, check_name, check_names, check_scope, mint::Narrowing};
use crate::{
    event::Origin,
    fault::Fault,
    id::{SessionId, UserId, UserTag, random},
    session::service::Invalid,
    time::Timestamp,
    token::{
        Family,
        command::{Granted, IssueFamily, IssueOutcome},
    },
};

/// What is asked of new tokens.
#[derive(Debug, Clone, Default)]
pub struct NewTokens {
    /// The session that they belong to and end with; its user and its roles are theirs.
    pub session_id: Option<SessionId>,
    /// The user, where there is no session.
    pub user_id: Option<UserId>,
    /// Roles, where there is no session.
    pub roles: Vec<Box<str>>,
    /// Permissions.
    pub permissions: Vec<Box<str>>,
    /// Whom they are for. Default: [`super::TokenPolicy::audience`].
    pub audience: Vec<Box<str>>,
    /// What they allow. Default: nothing is said of it.
    pub scope: Vec<Box<str>>,
    /// The client they are given to, which alone may refresh them. Default: any, and the claim is the first audience.
    pub client_id: Option<Box<str>>,
    /// The device they are given to, which alone may refresh them. Default: any.
    pub device_id: Option<Box<str>>,
}

/// How [`Tokens::issue`] ended.
#[derive(Debug)]
pub enum Issuance {
    /// They are made.
    Issued(Box<IssuedTokens>),
    /// The session is no more.
    SessionMissing,
    /// The session is anonymous, a share or an impersonation: what it may do, a token could not say.
    SessionUnfit,
    /// The user is disabled.
    UserDisabled,
    /// An input was refused.
    Invalid(Invalid),
}

impl Tokens {
    /// Begins a family. One command of the store; after a lost answer a repeat begins another, and the first ends by time.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn issue(&self, new: NewTokens, origin: Origin) -> Result<Issuance, Fault> {
        let now = self.now();
        let (tag, family) = match self.family(&new, now) {
            Ok(family) => family,
            Err(invalid) => return Ok(Issuance::Invalid(invalid)),
        };
        let command = IssueFamily { tag, user_id: new.user_id, family };
        match self.store.issue(self.cx(now, origin), command).await? {
            IssueOutcome::Issued(granted) => {
                self.mint(*granted, Narrowing::default(), now).map(|issued| Issuance::Issued(Box::new(issued)))
            }
            IssueOutcome::SessionGone => Ok(Issuance::SessionMissing),
            IssueOutcome::Refused => Ok(Issuance::SessionUnfit),
            IssueOutcome::UserDisabled => Ok(Issuance::UserDisabled),
        }
    }

    fn family(&self, new: &NewTokens, now: Timestamp) -> Result<(UserTag, Family), Invalid> {
        let tag = match (&new.session_id, &new.user_id) {
            (Some(session), None) => session.tag(),
            (None, Some(user)) => self.sessions.tag(user),
            (Some(_), Some(_)) => return Err(Invalid::new("user_id", "cannot be given together with session_id")),
            (None, None) => return Err(Invalid::new("session_id", "is needed, or user_id")),
        };
        check_request(new)?;
        let audience = if new.audience.is_empty() { vec![self.policy.audience.clone()] } else { new.audience.clone() };
        let family = Family {
            serial: random(),
            session: new.session_id,
            client_id: new.client_id.clone(),
            device_id: new.device_id.clone(),
            audience,
            scope: new.scope.clone(),
            roles: new.roles.clone(),
            permissions: new.permissions.clone(),
            created_at: now,
            expires_at: now.plus_ms(self.policy.refresh_lifetime_ms),
            idle_timeout_ms: self.policy.refresh_idle_timeout_ms,
            last_used_at: now,
            generation: 0,
            key_id: self.sessions.ring().current_id(),
            advanced_at: now,
            access_until: now.plus_ms(self.policy.access_ttl_ms),
        };
        self.check_length(new, &family, now)?;
        Ok((tag, family))
    }

    /// A token that is too long to be taken again is not begun.
    fn check_length(&self, new: &NewTokens, family: &Family, now: Timestamp) -> Result<(), Invalid> {
        let user_id = new.user_id.clone().or_else(|| UserId::new("someone").ok());
        let user_id = user_id.ok_or(Invalid::new("user_id", "is needed"))?;
        let granted = Granted { family: family.clone(), user_id, epoch: 0, roles: new.roles.clone(), session: None };
        self.fits(&self.claims(&granted, Narrowing::default(), now))
    }
}

fn check_request(new: &NewTokens) -> Result<(), Invalid> {
    if new.session_id.is_some() && !new.roles.is_empty() {
        return Err(Invalid::new("roles", "are those of the session; change them there"));
    }
    check_names("roles", &new.roles)?;
    check_names("permissions", &new.permissions)?;
    check_names("audience", &new.audience)?;
    check_scope(&new.scope)?;
    new.client_id.iter().try_for_each(|id| check_name("client_id", id))?;
    new.device_id.iter().try_for_each(|id| check_name("device_id", id))
}
