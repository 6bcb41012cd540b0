//! A family as the rules see it.

use crate::{bounds, id::SessionId, time::Timestamp};

/// The refresh tokens that descend from one another: one of them is good at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// What tells the families of one user apart.
    pub serial: [u8; 12],
    /// The session that it belongs to and ends with.
    pub session: Option<SessionId>,
    /// The client that it was issued to; nobody else may refresh it.
    pub client_id: Option<Box<str>>,
    /// The device that it was issued to; no other may refresh it.
    pub device_id: Option<Box<str>>,
    /// Whom its access tokens are for.
    pub audience: Vec<Box<str>>,
    /// What they allow; empty says nothing of it.
    pub scope: Vec<Box<str>>,
    /// The roles in them; those of the session where it belongs to one.
    pub roles: Vec<Box<str>>,
    /// The permissions in them.
    pub permissions: Vec<Box<str>>,
    /// Start.
    pub created_at: Timestamp,
    /// End at the latest.
    pub expires_at: Timestamp,
    /// How long it may rest, in milliseconds.
    pub idle_timeout_ms: u64,
    /// The last refresh, or its start.
    pub last_used_at: Timestamp,
    /// How often it was refreshed: the generation of the refresh token that is good.
    pub generation: u32,
    /// The secret of the ring under which that token is made.
    pub key_id: u8,
    /// When this generation began.
    pub advanced_at: Timestamp,
    /// By then every access token that it was ever given is over.
    pub access_until: Timestamp,
}

impl Family {
    /// The moment at which it ends if nobody refreshes it any more.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.last_used_at.plus_ms(self.idle_timeout_ms).min(self.expires_at)
    }

    /// Until when its access tokens must be denied, if it ends now.
    #[must_use]
    pub fn deny_until(&self) -> Timestamp {
        self.access_until.plus_ms(bounds::DENIAL_MARGIN_MS)
    }

    /// Moves the end of its access tokens: none outlives the family, nor a rest of it, nor what was promised before.
    pub(crate) fn give_access_until(&mut self, wanted: Timestamp) {
        self.access_until = wanted.min(self.deadline()).max(self.access_until);
    }

    /// Bytes of memory that it takes beside itself, about.
    pub(crate) fn memory(&self) -> usize {
        let lists = [&self.audience, &self.scope, &self.roles, &self.permissions];
        let text = |text: &str| text.len() + size_of::<Box<str>>();
        let lists: usize = lists.into_iter().flatten().map(|item| text(item)).sum();
        lists + [&self.client_id, &self.device_id].into_iter().flatten().map(|id| id.len()).sum::<usize>()
    }
}

/// Why a family ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FamilyEnd {
    /// Nobody refreshed it for its idle timeout, or its session expired.
    Expired = 1,
    /// Somebody revoked it, or all tokens of its user.
    Revoked = 2,
    /// A refresh token was presented that had been replaced: two parties have it.
    Reused = 3,
    /// A newer family took its place under [`bounds::FAMILIES`].
    Evicted = 4,
    /// Its session was ended.
    SessionEnded = 5,
}

impl FamilyEnd {
    const ALL: [Self; 5] = [Self::Expired, Self::Revoked, Self::Reused, Self::Evicted, Self::SessionEnded];

    /// The stable word for events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Reused => "reused",
            Self::Evicted => "evicted",
            Self::SessionEnded => "session_ended",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|end| *end as u8 == byte)
    }
}

/// What is remembered of a family that ended before its time, so that its tokens are told why they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedFamily {
    /// What told it apart.
    pub serial: [u8; 12],
    /// Why it ended.
    pub end: FamilyEnd,
    /// When it would have ended at the latest: its refresh tokens say so themselves from then on.
    pub until: Timestamp,
}
