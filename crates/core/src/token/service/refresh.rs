//! Exchanging a refresh token for the next two tokens.

use super::{IssuedTokens, Tokens, check_name, check_names, check_scope, mint::Narrowing};
use crate::{
    event::Origin,
    fault::Fault,
    session::service::Invalid,
    token::{
        RefreshToken,
        command::{Refresh, RefreshOutcome},
    },
};

/// What a client presents.
#[derive(Clone, Default)]
pub struct RefreshRequest<'a> {
    /// The refresh token.
    pub token: &'a str,
    /// Less scope than the family has, for this access token.
    pub scope: Option<Vec<Box<str>>>,
    /// Fewer audiences than the family has, for this access token.
    pub audience: Option<Vec<Box<str>>>,
    /// Who asks.
    pub client_id: Option<Box<str>>,
    /// On which device.
    pub device_id: Option<Box<str>>,
}

/// How [`Tokens::refresh`] ended.
#[derive(Debug)]
pub enum Refreshed {
    /// The next two; inside the grace the same refresh token as before, with an access token of its own.
    Issued(Box<IssuedTokens>),
    /// Malformed, or not one of ours.
    Unknown,
    /// The family is over by time.
    Expired,
    /// The family was ended.
    Revoked,
    /// The token had been replaced: its family is ended.
    Reused,
    /// It was given to another client.
    OtherClient,
    /// It was given to another device.
    OtherDevice,
    /// More scope was asked for than was granted.
    BroaderScope,
    /// More audiences were asked for than were granted.
    BroaderAudience,
    /// An input was refused.
    Invalid(Invalid),
}

impl Tokens {
    /// Exchanges a refresh token. One command of the store; safe to repeat inside the grace. Garbage reaches no store.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn refresh(&self, request: RefreshRequest<'_>, origin: Origin) -> Result<Refreshed, Fault> {
        if let Err(invalid) = check_request(&request) {
            return Ok(Refreshed::Invalid(invalid));
        }
        let Some(token) = RefreshToken::parse(self.sessions.ring(), request.token) else { return Ok(Refreshed::Unknown) };
        let now = self.now();
        let command = Refresh {
            tag: token.tag(),
            serial: *token.family().serial(),
            generation: token.generation(),
            expires_at: token.expires_at(),
            key_id: self.sessions.ring().current_id(),
            grace_ms: self.policy.refresh_grace_ms,
            access_ttl_ms: self.policy.access_ttl_ms,
            client_id: request.client_id,
            device_id: request.device_id,
            scope: request.scope.clone(),
            audience: request.audience.clone(),
        };
        Ok(match self.store.refresh(self.cx(now, origin), command).await? {
            RefreshOutcome::Refreshed(granted) => {
                let narrowing = Narrowing { audience: request.audience, scope: request.scope };
                Refreshed::Issued(Box::new(self.mint(*granted, narrowing, now)?))
            }
            RefreshOutcome::Reused => Refreshed::Reused,
            RefreshOutcome::Revoked => Refreshed::Revoked,
            RefreshOutcome::Expired => Refreshed::Expired,
            RefreshOutcome::OtherClient => Refreshed::OtherClient,
            RefreshOutcome::OtherDevice => Refreshed::OtherDevice,
            RefreshOutcome::BroaderScope => Refreshed::BroaderScope,
            RefreshOutcome::BroaderAudience => Refreshed::BroaderAudience,
        })
    }
}

fn check_request(request: &RefreshRequest<'_>) -> Result<(), Invalid> {
    request.scope.iter().try_for_each(|scope| check_scope(scope))?;
    if request.audience.as_ref().is_some_and(Vec::is_empty) {
        return Err(Invalid::new("audience", "is empty; leave it out for all that was granted"));
    }
    request.audience.iter().try_for_each(|audience| check_names("audience", audience))?;
    request.client_id.iter().try_for_each(|id| check_name("client_id", id))?;
    request.device_id.iter().try_for_each(|id| check_name("device_id", id))
}
