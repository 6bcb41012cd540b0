//! What can be asked of a token store, and every answer.

use super::Family;
use crate::{
    id::{SessionId, UserId, UserTag},
    session::PackedSession,
    time::Timestamp,
};

/// Begins a family.
#[derive(Debug, Clone)]
pub struct IssueFamily {
    /// The user's tag.
    pub tag: UserTag,
    /// Their id; not needed where the family belongs to a session.
    pub user_id: Option<UserId>,
    /// The family, complete but for what the session and other families decide: its end and that of its access tokens are cut at
    /// the session's, and the roles are the session's.
    pub family: Family,
}

/// How [`IssueFamily`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueOutcome {
    /// It began.
    Issued(Box<Granted>),
    /// The session is no more.
    SessionGone,
    /// The session is anonymous, a share or an impersonation: what it may do, a token could not say.
    Refused,
    /// The user is disabled.
    UserDisabled,
}

/// What goes into the tokens of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The family as it was stored. An access token made now ends at [`Family::access_until`] at the latest.
    pub family: Family,
    /// The user.
    pub user_id: UserId,
    /// The user's token epoch.
    pub epoch: u32,
    /// The roles: those of the session at this moment where there is one, else those of the family.
    pub roles: Vec<Box<str>>,
    /// The session that it belongs to.
    pub session: Option<PackedSession>,
}

/// Exchanges a refresh token for its successor.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// The user's tag.
    pub tag: UserTag,
    /// The family's serial.
    pub serial: [u8; 12],
    /// The generation of the token that was presented.
    pub generation: u32,
    /// The family's end, as that token says.
    pub expires_at: Timestamp,
    /// The secret of the ring under which a new successor is made.
    pub key_id: u8,
    /// How long the token is still given the same successor, in milliseconds.
    pub grace_ms: u64,
    /// How long a new access token lives, in milliseconds.
    pub access_ttl_ms: u64,
    /// Who asks, where they say so.
    pub client_id: Option<Box<str>>,
    /// On which device, where they say so.
    pub device_id: Option<Box<str>>,
    /// Less scope than the family's, for this access token.
    pub scope: Option<Vec<Box<str>>>,
    /// Fewer audiences than the family's, for this access token.
    pub audience: Option<Vec<Box<str>>>,
}

/// How [`Refresh`] ended. Only [`Self::Refreshed`] may have replaced the token, and only [`Self::Reused`] ended the family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The successor is the token of the family's generation now: new, or the same again inside the grace.
    Refreshed(Box<Granted>),
    /// The token was replaced long ago, or its successor is in use: the family has ended, now or before, for that reason.
    Reused,
    /// The family has ended by a decision, or is not known any more.
    Revoked,
    /// The family has ended by time.
    Expired,
    /// The family belongs to another client.
    OtherClient,
    /// The family belongs to another device.
    OtherDevice,
    /// More scope was asked for than the family has.
    BroaderScope,
    /// An audience was asked for that the family has not.
    BroaderAudience,
}

/// Ends families, or denies access tokens.
#[derive(Debug, Clone)]
pub struct RevokeTokens {
    /// The user's tag.
    pub tag: UserTag,
    /// Which.
    pub target: Target,
    /// Why, for the event.
    pub reason: Box<str>,
}

/// Which tokens of a user to revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One access token, by the serial in its id.
    Token {
        /// The serial.
        serial: [u8; 12],
        /// Its end, where it is known.
        expires_at: Option<Timestamp>,
    },
    /// A family, by its serial.
    Family([u8; 12]),
    /// A family, by its serial, if this client or nobody in particular has it.
    FamilyOf {
        /// The serial.
        serial: [u8; 12],
        /// The client.
        client_id: Box<str>,
    },
    /// The families of a session, which goes on.
    Session(SessionId),
    /// All that the user has, by raising the token epoch.
    User,
}

/// How [`RevokeTokens`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// So many families ended, or access tokens are denied; none where there was nothing to revoke.
    Revoked(u64),
    /// The family belongs to another client.
    OtherClient,
}
