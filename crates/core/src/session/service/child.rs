//! Sessions that come from sessions: shares and hand-offs.

use super::{Invalid, Issued, SessionInfo, Sessions};
use crate::{
    bounds,
    event::Origin,
    fault::Fault,
    id::SessionId,
    session::{
        HandoffCode, SessionToken,
        command::{HandoffOutcome, OpenHandoff, RedeemHandoff, RedeemOutcome, ShareOutcome, ShareSession},
        model::cut,
    },
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

/// How long a hand-off code is taken where the caller names no time.
pub const HANDOFF_TTL: Duration = Duration::from_secs(60);
/// How long a hand-off code is taken at most.
pub const HANDOFF_TTL_MAX: Duration = Duration::from_secs(600);

/// What a share may do, and for how long.
#[derive(Debug, Clone)]
pub struct Share {
    /// Its scope; at least one entry.
    pub scope: Vec<Box<str>>,
    /// Its life, cut at its parent's end.
    pub ttl: Duration,
    /// A name for it.
    pub label: Option<Box<str>>,
}

/// How [`Sessions::share`] ended.
#[derive(Debug)]
pub enum Shared {
    /// The child began. It has no CSRF token.
    Done {
        /// Its token.
        token: SessionToken,
        /// The child.
        info: Box<SessionInfo>,
    },
    /// The parent is no more.
    Gone,
    /// A share cannot be shared.
    Nested,
    /// An impersonation cannot be shared.
    Impersonated,
    /// The user has too many sessions.
    LimitReached,
    /// An input was refused.
    Invalid(Invalid),
}

/// How [`Sessions::hand_off`] ended.
#[derive(Debug)]
pub enum HandedOff {
    /// The code, shown once.
    Done {
        /// The code.
        code: HandoffCode,
        /// When it is no longer taken.
        expires_at: Timestamp,
    },
    /// The session is no more.
    Gone,
    /// Shares and impersonations cannot be handed off.
    Refused,
}

/// How [`Sessions::redeem`] ended.
#[derive(Debug)]
pub enum Redeemed {
    /// A session began.
    Done(Box<Issued>),
    /// The code is unknown, used or expired, or its session is no more.
    Invalid,
    /// The user has as many sessions as allowed and the policy is to refuse.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// The user is disabled.
    UserDisabled,
}

impl Sessions {
    /// Starts a child of a session: own token, own end, own scope; it ends with its parent. One round trip.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn share(&self, parent: SessionId, share: Share, origin: Origin) -> Result<Shared, Fault> {
        if share.scope.is_empty() {
            return Ok(Shared::Invalid(Invalid::new("scope", "needs at least one entry")));
        }
        if let Err(invalid) = super::create::names("scope", &share.scope) {
            return Ok(Shared::Invalid(invalid));
        }
        if let Some(Err(invalid)) = share.label.as_deref().map(|text| super::create::label("label", text, bounds::NAME_BYTES)) {
            return Ok(Shared::Invalid(invalid));
        }
        let token = SessionToken::mint(&self.ring, parent.tag());
        let command = ShareSession {
            parent,
            serial: crate::id::random(),
            digest: token.digest(),
            scope: share.scope,
            label: share.label,
            expires_at: self.now().plus_ms(crate::time::millis(share.ttl)),
        };
        Ok(match self.store.share(self.cx(origin), command).await? {
            ShareOutcome::Shared(session) => Shared::Done { token, info: Box::new(self.open_packed(&session)?) },
            ShareOutcome::Gone => Shared::Gone,
            ShareOutcome::Nested => Shared::Nested,
            ShareOutcome::Impersonated => Shared::Impersonated,
            ShareOutcome::LimitReached => Shared::LimitReached,
        })
    }

    /// Gives out a code that continues the session elsewhere, once, within `ttl` (at most [`HANDOFF_TTL_MAX`]). One round
    /// trip.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn hand_off(&self, id: SessionId, ttl: Option<Duration>, origin: Origin) -> Result<HandedOff, Fault> {
        let ttl = ttl.unwrap_or(HANDOFF_TTL).min(HANDOFF_TTL_MAX);
        let code = HandoffCode::mint(&self.ring, id.tag());
        let expires_at = self.now().plus_ms(crate::time::millis(ttl));
        let command = OpenHandoff { id, digest: code.digest(), expires_at };
        Ok(match self.store.open_handoff(self.cx(origin), command).await? {
            HandoffOutcome::Opened => HandedOff::Done { code, expires_at },
            HandoffOutcome::Gone => HandedOff::Gone,
            HandoffOutcome::Refused => HandedOff::Refused,
        })
    }

    /// Exchanges a code for a session. One round trip; garbage reaches no store.
    ///
    /// # Errors
    /// A fault of the store. After [`Fault::Timeout`] the code may be used up.
    pub async fn redeem(
        &self,
        code: &str,
        ip: Option<IpAddr>,
        user_agent: Option<&str>,
        origin: Origin,
    ) -> Result<Redeemed, Fault> {
        let Some(code) = HandoffCode::parse(&self.ring, code) else { return Ok(Redeemed::Invalid) };
        let token = SessionToken::mint(&self.ring, code.tag());
        let command = RedeemHandoff {
            tag: code.tag(),
            code: code.digest(),
            serial: crate::id::random(),
            digest: token.digest(),
            ip: ip.map(crate::session::binding::canonical),
            user_agent: user_agent.filter(|agent| !agent.is_empty()).map(|agent| cut(agent, bounds::USER_AGENT_BYTES).into()),
            cap: self.policies.default.cap(),
            reuse_revokes: self.policies.default.handoff_reuse_revokes,
        };
        Ok(match self.store.redeem(self.cx(origin), command).await? {
            RedeemOutcome::Redeemed(session) => Redeemed::Done(Box::new(self.issue(token, &session)?)),
            RedeemOutcome::Invalid | RedeemOutcome::Reused => Redeemed::Invalid,
            RedeemOutcome::LimitReached { limit } => Redeemed::LimitReached { limit },
            RedeemOutcome::UserDisabled => Redeemed::UserDisabled,
        })
    }
}
