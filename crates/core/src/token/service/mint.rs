//! From what a store granted to the two tokens that the client gets.

use super::{Tokens, template::Facts};
use crate::{
    bounds::SIGNED_TOKEN_BYTES,
    fault::Fault,
    id::random,
    session::service::Invalid,
    time::Timestamp,
    token::{AccessClaims, FamilyId, RefreshToken, TokenId, command::Granted, jwt},
};
use serde_json::Map;
use std::fmt;

/// Of the life of an access token, one part in this many is left to chance.
const JITTER: u64 = 20;

/// An access token and a refresh token: the only time that they are shown.
pub struct IssuedTokens {
    /// The access token (RFC 9068).
    pub access_token: String,
    /// What it claims.
    pub claims: AccessClaims,
    /// How long it lives from now, in whole seconds.
    pub expires_in: u64,
    /// What is exchanged for the next two.
    pub refresh_token: RefreshToken,
    /// The family that it belongs to.
    pub family: FamilyId,
}

impl fmt::Debug for IssuedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedTokens({}, secrets redacted)", self.claims.id)
    }
}

/// What is asked for this access token alone; `None` is all that the family has.
#[derive(Debug, Default)]
pub(super) struct Narrowing {
    pub(super) audience: Option<Vec<Box<str>>>,
    pub(super) scope: Option<Vec<Box<str>>>,
}

impl Tokens {
    /// Makes both tokens of what was granted at this time.
    pub(super) fn mint(&self, granted: Granted, narrowing: Narrowing, now: Timestamp) -> Result<IssuedTokens, Fault> {
        let claims = self.claims(&granted, narrowing, now);
        let tag = self.sessions.tag(&granted.user_id);
        let refresh_token = RefreshToken::of(self.sessions.ring(), tag, &granted.family).ok_or_else(|| {
            Fault::Misconfigured("another node uses a newer secret than this one has: give it to this one, too".into())
        })?;
        let ring = self.keys.ring();
        let signer = ring.signer(now).ok_or_else(|| Fault::Corrupt("there is no signing key".into()))?;
        let access_token = jwt::sign(&signer.pair, jwt::ACCESS, &claims.to_map());
        if access_token.len() > SIGNED_TOKEN_BYTES {
            // A session may have that many roles, and gets them after its family has begun.
            return Err(Fault::Misconfigured(
                "the session's roles make an access token longer than 8 KiB: give it fewer".into(),
            ));
        }
        Ok(IssuedTokens {
            access_token,
            expires_in: claims.expires_at.since_ms(claims.issued_at) / 1_000,
            family: claims.family,
            claims,
            refresh_token,
        })
    }

    /// Whether an access token with these claims, whatever its times, is short enough to be taken again.
    pub(super) fn fits(&self, claims: &AccessClaims) -> Result<(), Invalid> {
        // Two thirds of a base64url text are what it says; header and signature of RSA take under 1 KiB.
        let payload = serde_json::to_string(&claims.to_map()).map_or(0, |json| json.len() * 4 / 3);
        if payload + 1_024 > SIGNED_TOKEN_BYTES {
            return Err(Invalid::new("permissions", "with the other lists makes an access token longer than 8 KiB"));
        }
        Ok(())
    }

    pub(super) fn claims(&self, granted: &Granted, narrowing: Narrowing, now: Timestamp) -> AccessClaims {
        let family = &granted.family;
        let tag = self.sessions.tag(&granted.user_id);
        let audience = narrowing.audience.unwrap_or_else(|| family.audience.clone());
        let first = || family.audience.first().unwrap_or(&self.policy.audience).clone();
        let client_id = family.client_id.clone().unwrap_or_else(first);
        AccessClaims {
            issuer: self.policy.issuer.clone(),
            subject: granted.user_id.clone(),
            audience,
            expires_at: self.expiry(now).min(whole_seconds(family.access_until)),
            issued_at: whole_seconds(now),
            not_before: None,
            id: TokenId::generate(tag),
            session: family.session,
            family: FamilyId::from_parts(tag, family.serial),
            roles: granted.roles.clone(),
            permissions: family.permissions.clone(),
            scope: narrowing.scope.unwrap_or_else(|| family.scope.clone()),
            epoch: granted.epoch,
            extra: self.extra(granted, &client_id),
            client_id,
        }
    }

    fn extra(&self, granted: &Granted, client_id: &str) -> Map<String, serde_json::Value> {
        let session_id = granted.family.session.map(|id| id.to_string()).unwrap_or_default();
        let profile = granted.session.as_ref().map(|session| session.unpack().profile).unwrap_or_default();
        let facts = Facts {
            user_id: granted.user_id.as_str(),
            session_id: &session_id,
            client_id,
            device_id: granted.family.device_id.as_deref().unwrap_or_default(),
            profile: &profile,
        };
        let mut claims = Map::new();
        for template in &self.policy.claims {
            template.add(&mut claims, facts);
        }
        claims
    }

    /// The end of an access token made now: somewhat before the longest life. `exp` is in whole seconds (RFC 7519 2), so what is
    /// left of a second is given up, too, but never the only one.
    fn expiry(&self, now: Timestamp) -> Timestamp {
        let life = (self.policy.access_ttl_ms / 1_000).max(1);
        let jitter = u64::from_be_bytes(random()) % (life / JITTER + 1);
        whole_seconds(now).plus_ms((life - jitter) * 1_000)
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    at.minus_ms(at.millis() % 1_000)
}
