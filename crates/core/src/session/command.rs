//! What can be asked of a session store, and every answer.

use super::{EndReason, PackedSession, Session, TokenDigest, packed::Generation};
use crate::{device::Presented, id::SessionId, id::UserTag, time::Timestamp};
use std::net::IpAddr;

/// How many sessions a user may have, and what happens to one too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Sessions of kind login at most.
    pub limit: usize,
    /// What happens to one too many.
    pub policy: super::CapPolicy,
}

/// Starts a session, within the cap, in one step: 30 logins at once under a cap of 10 leave exactly 10.
#[derive(Debug, Clone)]
pub struct CreateSession {
    /// The session, complete but for what other sessions decide.
    pub session: Session,
    /// The cap; shares, impersonations and anonymous sessions neither count nor are refused.
    pub cap: Cap,
    /// Whether it is a login with a password, which is an event of its own.
    pub login: bool,
    /// The device token that came with it, as far as it can be judged without a store.
    pub device: Option<Presented>,
    /// Whether its browser shows no sign of an earlier login of this user. Means something only where the session names no device.
    pub is_new_browser: bool,
}

/// How [`CreateSession`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It began; these had to go under the cap, oldest first.
    Created {
        /// The session as it was stored.
        session: PackedSession,
        /// Those that were evicted.
        evicted: Vec<SessionId>,
    },
    /// The user has as many as allowed and the policy is to refuse.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// The user is disabled.
    UserDisabled,
}

/// Starts a child of a session.
#[derive(Debug, Clone)]
pub struct ShareSession {
    /// The session to share from.
    pub parent: SessionId,
    /// Its serial and digest.
    pub serial: [u8; 12],
    /// Digest of the child's token.
    pub digest: TokenDigest,
    /// What the child may do.
    pub scope: Vec<Box<str>>,
    /// A name for it.
    pub label: Option<Box<str>>,
    /// When it ends; cut at the parent's end.
    pub expires_at: Timestamp,
}

/// How [`ShareSession`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareOutcome {
    /// It began.
    Shared(PackedSession),
    /// The parent is no more.
    Gone,
    /// A share cannot be shared.
    Nested,
    /// An impersonation cannot be shared.
    Impersonated,
    /// The user has [`crate::bounds::LIVE_SESSIONS`].
    LimitReached,
}

/// Gives out a single-use code that continues a session elsewhere.
#[derive(Debug, Clone)]
pub struct OpenHandoff {
    /// The session.
    pub id: SessionId,
    /// Digest of the code.
    pub digest: TokenDigest,
    /// When the code is no longer taken.
    pub expires_at: Timestamp,
}

/// How [`OpenHandoff`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandoffOutcome {
    /// The code is valid.
    Opened,
    /// The session is no more.
    Gone,
    /// Shares and impersonations cannot be handed off.
    Refused,
}

/// Exchanges a hand-off code for a new session of the same user, with the rights and the payload of the session it came from.
#[derive(Debug, Clone)]
pub struct RedeemHandoff {
    /// The user's tag, from the code.
    pub tag: UserTag,
    /// Digest of the code.
    pub code: TokenDigest,
    /// Serial of the new session.
    pub serial: [u8; 12],
    /// Digest of the new session's token.
    pub digest: TokenDigest,
    /// Address it is redeemed from.
    pub ip: Option<IpAddr>,
    /// Agent it is redeemed with.
    pub user_agent: Option<Box<str>>,
    /// The cap.
    pub cap: Cap,
    /// Whether a second redemption also ends the session from the first.
    pub reuse_revokes: bool,
}

/// How [`RedeemHandoff`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemOutcome {
    /// A session began.
    Redeemed(PackedSession),
    /// The code is unknown, expired, or its session is no more.
    Invalid,
    /// The code was used before.
    Reused,
    /// The user has as many sessions as allowed and the policy is to refuse.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// The user is disabled.
    UserDisabled,
}

/// Replaces the payload, if the session still has the expected revision.
#[derive(Debug, Clone)]
pub struct SetData {
    /// The session.
    pub id: SessionId,
    /// The revision that the new payload was made from.
    pub expected: u32,
    /// The sealed payload.
    pub data: Box<[u8]>,
}

/// How [`SetData`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetDataOutcome {
    /// It was written.
    Written(PackedSession),
    /// Somebody else wrote first; this is the session now.
    Conflict(PackedSession),
    /// The session is no more.
    Gone,
}

/// New limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long it may rest, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Its end at the latest.
    pub expires_at: Timestamp,
}

/// Changes rights, policy or end of a session.
#[derive(Debug, Clone)]
pub struct AmendSession {
    /// The session.
    pub id: SessionId,
    /// Only if it still has this revision.
    pub expected: Option<u32>,
    /// New roles.
    pub roles: Option<Vec<Box<str>>>,
    /// New profile.
    pub profile: Option<Box<str>>,
    /// New limits.
    pub limits: Option<Limits>,
    /// Whether this counts as a use of the session, and is reported as an extension.
    pub extends: bool,
}

/// How [`AmendSession`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AmendOutcome {
    /// It was changed.
    Amended(PackedSession),
    /// It has another revision than expected; this is the session now.
    Conflict(PackedSession),
    /// The session is no more.
    Gone,
}

/// What a step-up proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// Whether a second factor was done.
    pub mfa: bool,
    /// The methods that were used.
    pub amr: Vec<Box<str>>,
}

/// Replaces a session's token; the id stays.
///
/// The caller derives the new token from a fresh nonce before it knows the session, so that one round trip is enough. A
/// repeat with the revision of the first try finds that try's nonce in the answer.
#[derive(Debug, Clone)]
pub struct RotateSession {
    /// The session.
    pub id: SessionId,
    /// Only from this revision; a repeat of a lost answer sends it again.
    pub expected: Option<u32>,
    /// What the new token is derived from.
    pub nonce: [u8; 8],
    /// The new token's digest.
    pub digest: TokenDigest,
    /// How long the old token still works, in milliseconds.
    pub overlap_ms: u64,
    /// Raised privilege, where the rotation is because of it.
    pub step_up: Option<StepUp>,
}

/// How [`RotateSession`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateOutcome {
    /// It has the new token.
    Rotated(PackedSession),
    /// It was rotated from the expected revision before: its token is derived from the nonce in this session.
    Repeated(PackedSession),
    /// It has another revision than expected; this is the session now.
    Conflict(PackedSession),
    /// The session is no more.
    Gone,
    /// Shares and impersonations cannot raise their privilege.
    Refused,
}

/// Which sessions of a user to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// One, and what was shared from it.
    One(SessionId),
    /// All but these.
    All {
        /// Those that stay.
        except: Vec<SessionId>,
    },
    /// Those that match.
    Matching(Filter),
}

/// Which sessions a revoke is about. Absent conditions match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Made on this device.
    pub device_id: Option<String>,
    /// Made from this address.
    pub ip: Option<IpAddr>,
    /// Made before this time.
    pub created_before: Option<Timestamp>,
    /// None of these.
    pub except: Vec<SessionId>,
}

impl Filter {
    /// Whether it matches a session.
    #[must_use]
    pub fn matches(&self, session: &PackedSession) -> bool {
        if self.except.contains(&session.id()) || self.created_before.is_some_and(|at| session.created_at() >= at) {
            return false;
        }
        if self.device_id.is_none() && self.ip.is_none() {
            return true;
        }
        let session = session.unpack();
        (self.device_id.is_none() || self.device_id == session.device.id) && (self.ip.is_none() || self.ip == session.ip)
    }
}

/// Ends sessions.
#[derive(Debug, Clone)]
pub struct EndSessions {
    /// The user.
    pub tag: UserTag,
    /// Which.
    pub selection: Selection,
    /// Why.
    pub reason: EndReason,
}

/// How [`EndSessions`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOutcome {
    /// How many it ended; a repeat ends none.
    pub revoked: u64,
}

/// Ends what time has ended. Every other command does so as well, for its own user.
#[derive(Debug, Clone)]
pub struct ExpireUser {
    /// The user.
    pub tag: UserTag,
}

/// How [`ExpireUser`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpireOutcome {
    /// How many it ended.
    pub expired: u64,
}

/// Notes a use of a session. Writes no data, raises no revision, and never revives anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The session.
    pub id: SessionId,
    /// When it was used.
    pub at: Timestamp,
    /// How long it may rest from then on, in milliseconds.
    pub idle_timeout_ms: u64,
    /// What was done, if the caller told.
    pub activity: Option<Box<str>>,
}

/// How a [`Touch`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TouchOutcome {
    /// It was noted.
    Touched,
    /// The session is no more, or was used later already.
    Gone,
}

/// What a token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindOutcome {
    /// A valid session.
    Found {
        /// The session.
        session: PackedSession,
        /// Which of its tokens this is.
        generation: Generation,
    },
    /// A session that ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// Its name, as far as it is still known.
        id: Option<SessionId>,
        /// Whether time ended it and no command has noticed yet.
        unnoticed: bool,
    },
    /// Nothing is kept of it. The token is authentic, so there was a session once.
    Unknown {
        /// Whether its user is known: then the session ended, or the token was replaced.
        user_known: bool,
    },
}

/// What a session id leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GetOutcome {
    /// A valid session.
    Live(PackedSession),
    /// None, or none any more.
    Missing,
}

/// Figures of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAnalytics {
    /// Valid sessions.
    pub active: u64,
    /// Sessions that ever began.
    pub total: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// The last login.
    pub last_login_at: Option<Timestamp>,
    /// The last recorded use of a valid session.
    pub last_seen_at: Option<Timestamp>,
    /// Distinct device ids among the valid sessions.
    pub devices: u64,
    /// Whether the user is disabled.
    pub disabled: bool,
    /// Recent activities over all valid sessions, newest first.
    pub trail: Vec<super::Activity>,
}
