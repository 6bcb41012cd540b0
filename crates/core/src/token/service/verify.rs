//! The question of every request that carries an access token: may it be believed? Answered from memory.

use super::Tokens;
use crate::{
    fault::Fault,
    token::{
        AccessClaims, Believed,
        claims::{ClaimFlaw, Expectation},
        jwt::{self, Flaw},
    },
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Why an access token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Longer than [`crate::bounds::SIGNED_TOKEN_BYTES`].
    TooLong,
    /// Not an access token of ours.
    Invalid,
    /// For another audience.
    Audience,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
    /// It was revoked, alone, with its family, or with all of its user.
    Revoked,
}

/// How [`Tokens::verify`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Verification {
    /// It may be believed.
    Active(Arc<AccessClaims>),
    /// It may not.
    Refused(TokenRefusal),
}

impl Tokens {
    /// Judges an access token. No round trip: the signature is checked once and then remembered, and what was revoked is known on
    /// every node. Without `audience`, one for any audience of this issuer is believed.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] while this node cannot know what was revoked: neither yes nor no.
    pub fn verify(&self, token: &str, audience: Option<&str>) -> Result<Verification, Fault> {
        let refused = |refusal| Ok(Verification::Refused(refusal));
        let digest: [u8; 32] = Sha256::digest(token).into();
        let claims = match self.authentic(token, &digest) {
            Ok(claims) => claims,
            Err(refusal) => return refused(refusal),
        };
        let expected = Expectation { issuer: &self.policy.issuer, audience, clock_skew_ms: self.policy.clock_skew_ms };
        if let Err(flaw) = claims.judge(expected, self.now()) {
            if flaw == ClaimFlaw::Expired {
                self.remembered.forget(&digest);
            }
            return refused(refusal(flaw));
        }
        let (id, family) = (claims.id, claims.family);
        match self.deny_list.check(id.tag(), id.serial(), family.serial(), claims.epoch) {
            Believed::Fine => Ok(Verification::Active(claims)),
            Believed::Denied => refused(TokenRefusal::Revoked),
            Believed::Unready => {
                Err(Fault::Unavailable("this node does not know for certain which access tokens were revoked".into()))
            }
        }
    }

    /// What an authentic text claims, whatever has become of it.
    fn authentic(&self, token: &str, digest: &[u8; 32]) -> Result<Arc<AccessClaims>, TokenRefusal> {
        if let Some(claims) = self.remembered.get(digest) {
            return Ok(claims);
        }
        let claims = Arc::new(self.read(token)?);
        self.remembered.put(*digest, claims.clone());
        Ok(claims)
    }

    /// Checks the signature, and that the claims are of our form.
    pub(super) fn read(&self, token: &str) -> Result<AccessClaims, TokenRefusal> {
        let (ring, now) = (self.keys.ring(), self.now());
        let payload = jwt::read_access(token, |kid| ring.key(kid, now)).map_err(|flaw| match flaw {
            Flaw::TooLong => TokenRefusal::TooLong,
            _ => TokenRefusal::Invalid,
        })?;
        let claims = AccessClaims::read(payload).map_err(refusal)?;
        // Made for one user, and revoked by that user's tag: another one in it would escape.
        let tag = self.sessions.tag(&claims.subject);
        if claims.id.tag() == tag && claims.family.tag() == tag { Ok(claims) } else { Err(TokenRefusal::Invalid) }
    }
}

const fn refusal(flaw: ClaimFlaw) -> TokenRefusal {
    match flaw {
        ClaimFlaw::Claim(_) | ClaimFlaw::Issuer => TokenRefusal::Invalid,
        ClaimFlaw::Audience => TokenRefusal::Audience,
        ClaimFlaw::Expired => TokenRefusal::Expired,
        ClaimFlaw::NotYetValid => TokenRefusal::NotYetValid,
    }
}
