//! The port of devices.

use super::{command::*, model::TrustedDevice};
use crate::{Answer, id::UserTag, time::Timestamp, user::Context};

/// Keeps the devices of users. The contract of [`crate::session::SessionStore`] holds here as well: each method is one atomic step
/// on one user and one round trip.
pub trait DeviceStore: Send + Sync {
    /// The devices that a user trusts, in the order of trust; at most [`crate::bounds::TRUSTED_DEVICES`]. A read.
    fn devices(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<TrustedDevice>>;

    /// See [`TrustDevice`]. Safe to repeat.
    fn trust(&self, cx: Context, command: TrustDevice) -> Answer<'_, TrustOutcome>;

    /// See [`CheckDevice`]. Safe to repeat.
    fn check(&self, cx: Context, command: CheckDevice) -> Answer<'_, CheckOutcome>;

    /// See [`RenameDevice`]. Safe to repeat.
    fn rename(&self, cx: Context, command: RenameDevice) -> Answer<'_, RenameOutcome>;

    /// See [`RevokeTrust`]. Safe to repeat.
    fn revoke_trust(&self, cx: Context, command: RevokeTrust) -> Answer<'_, RevokeTrustOutcome>;
}
