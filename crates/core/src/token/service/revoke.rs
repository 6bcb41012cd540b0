//! Ending what was given out.

use super::Tokens;
use crate::{
    event::Origin,
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    token::{
        FamilyId, RefreshToken, TokenId,
        command::{RevokeOutcome, RevokeTokens, Target},
    },
};

/// What to revoke.
#[derive(Debug, Clone, Copy)]
pub enum Revocation<'a> {
    /// One access token, by its `jti`.
    Id(TokenId),
    /// What this text is: an access token alone, or a refresh token with its family. Anything else is nothing.
    Token(&'a str),
    /// A family: its refresh tokens, and every access token that it was given.
    Family(FamilyId),
    /// The families of a session, which goes on.
    Session(SessionId),
    /// Everything that a user has.
    User(&'a UserId),
}

/// How [`Tokens::revoke_of_client`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// So many families ended, or access tokens are denied; none where there was nothing.
    Done(u64),
    /// The token was given to another client.
    OtherClient,
}

impl Tokens {
    /// Revokes. Returns how many families or access tokens it was; none where there was nothing. Safe to repeat.
    ///
    /// On this node it holds when this answers; on the others within the bound of [`crate::token::DenyList`].
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn revoke(&self, what: Revocation<'_>, reason: &str, origin: Origin) -> Result<u64, Fault> {
        match self.revoke_of_client(what, None, reason, origin).await? {
            Revoked::Done(count) => Ok(count),
            Revoked::OtherClient => Ok(0),
        }
    }

    /// As [`Self::revoke`], and only what was given to this client, where one is named and the token is of one.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn revoke_of_client(
        &self,
        what: Revocation<'_>,
        client_id: Option<&str>,
        reason: &str,
        origin: Origin,
    ) -> Result<Revoked, Fault> {
        let (tag, target) = match self.target(what, client_id) {
            Found::Target(tag, target) => (tag, target),
            Found::Nothing => return Ok(Revoked::Done(0)),
            Found::OtherClient => return Ok(Revoked::OtherClient),
        };
        let command = RevokeTokens { tag, target, reason: reason.into() };
        Ok(match self.store.revoke(self.cx(self.now(), origin), command).await? {
            RevokeOutcome::Revoked(count) => Revoked::Done(count),
            RevokeOutcome::OtherClient => Revoked::OtherClient,
        })
    }

    fn target(&self, what: Revocation<'_>, client_id: Option<&str>) -> Found {
        match what {
            Revocation::Id(id) => Found::Target(id.tag(), Target::Token { serial: *id.serial(), expires_at: None }),
            Revocation::Token(text) => self.target_of_text(text, client_id),
            Revocation::Family(family) => Found::Target(family.tag(), Target::Family(*family.serial())),
            Revocation::Session(session) => Found::Target(session.tag(), Target::Session(session)),
            Revocation::User(user) => Found::Target(self.sessions.tag(user), Target::User),
        }
    }

    fn target_of_text(&self, text: &str, client_id: Option<&str>) -> Found {
        if let Some(token) = RefreshToken::parse(self.sessions.ring(), text) {
            let serial = *token.family().serial();
            let target =
                client_id.map_or(Target::Family(serial), |client_id| Target::FamilyOf { serial, client_id: client_id.into() });
            return Found::Target(token.tag(), target);
        }
        let Ok(claims) = self.read(text) else { return Found::Nothing };
        if client_id.is_some_and(|client_id| *claims.client_id != *client_id) {
            return Found::OtherClient;
        }
        Found::Target(claims.id.tag(), Target::Token { serial: *claims.id.serial(), expires_at: Some(claims.expires_at) })
    }
}

/// What a revocation is about.
enum Found {
    Target(UserTag, Target),
    Nothing,
    OtherClient,
}
