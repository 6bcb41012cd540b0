//! What can be asked of a device store, and every answer.

use super::model::{DeviceId, TrustEnd, TrustedDevice};
use crate::{
    id::{SessionId, UserId, UserTag},
    session::{Device, TokenDigest},
    time::Timestamp,
};

/// Trusts a device. A trust in the same device (by the caller's own id of it, or its token) is replaced; beyond the bound the longest trusted one
/// goes. A repeat with the same id finds it trusted and changes nothing.
#[derive(Debug, Clone)]
pub struct TrustDevice {
    /// Its fresh id, with the user's tag.
    pub id: DeviceId,
    /// The user.
    pub user_id: UserId,
    /// Digest of its token.
    pub digest: TokenDigest,
    /// What the caller tells of it.
    pub label: Device,
    /// When the trust ends.
    pub expires_at: Timestamp,
    /// The session that asks, if one does: it must be valid in this very step.
    pub session: Option<SessionId>,
    /// Digest of the token that the device holds already, if it does: that trust is replaced.
    pub replaces: Option<TokenDigest>,
}

/// How [`TrustDevice`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustOutcome {
    /// It is trusted.
    Trusted(TrustedDevice),
    /// The user is disabled.
    UserDisabled,
    /// The session that asked is no more.
    Gone,
}

/// Asks whether a device is trusted, and notes the use. Safe to repeat; each refusal is an event.
#[derive(Debug, Clone)]
pub struct CheckDevice {
    /// The user.
    pub tag: UserTag,
    /// Digest of the token that is presented: an authentic one of this user.
    pub digest: TokenDigest,
}

/// How [`CheckDevice`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It is trusted.
    Trusted(TrustedDevice),
    /// It is not, any more.
    Refused(TrustEnd),
}

/// Gives a trusted device another name. Safe to repeat.
#[derive(Debug, Clone)]
pub struct RenameDevice {
    /// The device.
    pub id: DeviceId,
    /// Its name from now on.
    pub name: Box<str>,
}

/// How [`RenameDevice`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenameOutcome {
    /// It has the name.
    Renamed(TrustedDevice),
    /// There is no such trust any more.
    Gone,
}

/// Which trusts of a user to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustSelection {
    /// In this device.
    One(DeviceId),
    /// In all of the user's devices.
    All,
}

/// Ends trust in devices. Safe to repeat. Sessions on them go on.
#[derive(Debug, Clone)]
pub struct RevokeTrust {
    /// The user.
    pub tag: UserTag,
    /// Which.
    pub selection: TrustSelection,
}

/// How [`RevokeTrust`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeTrustOutcome {
    /// Trusts that it ended.
    pub revoked: u64,
}
