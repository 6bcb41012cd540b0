//! A session as the rules see it.

use super::token::TokenDigest;
use crate::{id::SessionId, id::UserId, time::Timestamp};
use std::net::IpAddr;

/// The authentication method of a session that another system began. Its limits are that system's, and changes of its traits
/// do not bring it under ours.
pub const IMPORTED: &str = "imported";

/// What a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SessionKind {
    /// A user logged in.
    Login = 0,
    /// Nobody has said who they are yet.
    Anonymous = 1,
    /// A child of a session, with a narrower scope.
    Share = 2,
    /// Somebody acts as the user; the actor is on record.
    Impersonation = 3,
}

impl SessionKind {
    /// The stable word for APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Anonymous => "anonymous",
            Self::Share => "share",
            Self::Impersonation => "impersonation",
        }
    }

    /// Whether sessions of this kind count towards the cap of a user.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Login)
    }

    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Login,
            1 => Self::Anonymous,
            2 => Self::Share,
            3 => Self::Impersonation,
            _ => return None,
        })
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Nobody used it for the idle timeout.
    Idle = 1,
    /// It reached its absolute lifetime.
    Absolute = 2,
    /// Its owner logged out.
    Logout = 3,
    /// Its owner or an administrator ended it.
    Revoked = 4,
    /// A newer session took its place under the cap.
    Evicted = 5,
    /// The session it was shared from ended.
    ParentEnded = 6,
    /// A login replaced it with a session of another id.
    Replaced = 7,
    /// The password changed.
    PasswordChanged = 8,
    /// The user was disabled.
    UserDisabled = 9,
    /// The user was deleted.
    UserDeleted = 10,
    /// The hand-off code it came from was presented twice.
    HandoffReused = 11,
}

impl EndReason {
    const ALL: [Self; 11] = [
        Self::Idle,
        Self::Absolute,
        Self::Logout,
        Self::Revoked,
        Self::Evicted,
        Self::ParentEnded,
        Self::Replaced,
        Self::PasswordChanged,
        Self::UserDisabled,
        Self::UserDeleted,
        Self::HandoffReused,
    ];

    /// The stable word for APIs and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Absolute => "absolute",
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Evicted => "evicted",
            Self::ParentEnded => "parent_ended",
            Self::Replaced => "replaced",
            Self::PasswordChanged => "password_changed",
            Self::UserDisabled => "user_disabled",
            Self::UserDeleted => "user_deleted",
            Self::HandoffReused => "handoff_reused",
        }
    }

    /// Whether time ended it, and nobody's decision.
    #[must_use]
    pub const fn is_expiry(self) -> bool {
        matches!(self, Self::Idle | Self::Absolute)
    }

    /// The reason with this stored byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == byte)
    }
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// What the caller told of the device. All fields are labels, none is a proof of anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The caller's own id of the device.
    pub id: Option<String>,
    /// A fingerprint, opaque to us.
    pub fingerprint: Option<String>,
    /// A name to show.
    pub name: Option<String>,
    /// `mobile`, `desktop`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

impl Device {
    /// Whether nothing was told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who acts: in an impersonation somebody other than the session's user.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The acting user.
    pub user_id: UserId,
    /// The acting user's own session, if it is known.
    #[serde(default)]
    pub session_id: Option<SessionId>,
}

/// One entry of a session's activity trail.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Activity {
    /// When.
    pub at: Timestamp,
    /// What: an endpoint, a page.
    pub activity: Box<str>,
}

/// What a rotation left behind, in order to give a lost answer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// From which the current token was derived.
    pub nonce: [u8; 8],
    /// The session's revision after the rotation.
    pub revision: u32,
}

/// The token before the last rotation, good for requests that were already on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its digest.
    pub digest: TokenDigest,
    /// The end of the overlap.
    pub until: Timestamp,
    /// Whether the second factor was done then: privilege from after the rotation is not given to the token from before it.
    pub mfa: bool,
    /// When it was done.
    pub mfa_at: Timestamp,
    /// When the user had proved who they are.
    pub auth_time: Timestamp,
    /// The authentication methods then.
    pub amr: Vec<Box<str>>,
}

/// A session, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Public name.
    pub id: SessionId,
    /// `None` while anonymous.
    pub user_id: Option<UserId>,
    /// What it is.
    pub kind: SessionKind,
    /// Raised by every change but a touch; the ETag.
    pub revision: u32,
    /// How often its token was replaced.
    pub rotation: u32,
    /// Digest of its token.
    pub digest: TokenDigest,
    /// Start.
    pub created_at: Timestamp,
    /// Last use that was recorded.
    pub last_seen_at: Timestamp,
    /// Uses that were recorded.
    pub touches: u32,
    /// How long it may rest, in milliseconds.
    pub idle_timeout_ms: u64,
    /// End at the latest.
    pub expires_at: Timestamp,
    /// When its user proved who they are.
    pub auth_time: Timestamp,
    /// Whether a second factor was done.
    pub mfa: bool,
    /// When it was done; zero if never.
    pub mfa_at: Timestamp,
    /// Whether the user asked to stay logged in.
    pub remember: bool,
    /// The rights that the application gave.
    pub roles: Vec<Box<str>>,
    /// How the user authenticated (RFC 8176 names, where they fit).
    pub amr: Vec<Box<str>>,
    /// What a share is restricted to; empty is everything.
    pub scope: Vec<Box<str>>,
    /// The policy it was made under; empty is the default one.
    pub profile: Box<str>,
    /// Address it was made from.
    pub ip: Option<IpAddr>,
    /// Agent it was made with.
    pub user_agent: Option<Box<str>>,
    /// Device it was made on.
    pub device: Device,
    /// The session it was shared from.
    pub parent: Option<SessionId>,
    /// A name for a share.
    pub label: Option<Box<str>>,
    /// Who acts, in an impersonation.
    pub actor: Option<Actor>,
    /// The token before the last rotation.
    pub previous: Option<Previous>,
    /// The last rotation.
    pub rotated: Option<Rotation>,
    /// Its last activities, oldest first.
    pub trail: Vec<Activity>,
    /// Payload, sealed under the key ring with the user tag as context; empty is no payload.
    pub data: Box<[u8]>,
    /// Its end, if it ended.
    pub ended: Option<Ended>,
}

impl Session {
    /// When it ends if nobody uses it any more.
    #[must_use]
    pub fn idle_expires_at(&self) -> Timestamp {
        self.last_seen_at.plus_ms(self.idle_timeout_ms).min(self.expires_at)
    }

    /// Whether another system began it; see [`IMPORTED`].
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.amr.iter().any(|method| **method == *IMPORTED)
    }

    /// The session as the token before its last rotation may see it: with the privilege from before that rotation.
    #[must_use]
    pub fn before_rotation(mut self) -> Self {
        if let Some(previous) = self.previous.take() {
            self.mfa = previous.mfa;
            self.mfa_at = previous.mfa_at;
            self.auth_time = previous.auth_time;
            self.amr = previous.amr;
            self.digest = previous.digest;
            self.rotation = self.rotation.saturating_sub(1);
        }
        self
    }
}

/// The beginning of a text, at most `bytes` long, cut at a character boundary.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
