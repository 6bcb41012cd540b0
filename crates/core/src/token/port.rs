//! The port of tokens.

use super::{Denial, command::*};
use crate::{Answer, time::Timestamp, user::Context};

/// Keeps token families. The contract of [`crate::session::SessionStore`] holds here as well.
pub trait TokenStore: Send + Sync {
    /// See [`IssueFamily`]. A repeat with the same family finds it.
    fn issue(&self, cx: Context, command: IssueFamily) -> Answer<'_, IssueOutcome>;

    /// See [`Refresh`]. Safe to repeat inside the grace; after it a repeat counts as reuse.
    fn refresh(&self, cx: Context, command: Refresh) -> Answer<'_, RefreshOutcome>;

    /// See [`RevokeTokens`]. Safe to repeat.
    fn revoke(&self, cx: Context, command: RevokeTokens) -> Answer<'_, RevokeOutcome>;

    /// Every denial that still matters. Off the request path: as many reads as it takes.
    fn denials(&self, now: Timestamp) -> Answer<'_, Vec<Denial>>;
}
