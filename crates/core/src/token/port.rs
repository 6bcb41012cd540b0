//! The port of tokens.

use super::{DenialPlace, NewDenials, command::*};
use crate::{Answer, time::Timestamp, user::Context};

/// Keeps token families. The contract of [`crate::session::SessionStore`] holds here as well.
pub trait TokenStore: Send + Sync {
    /// See [`IssueFamily`]. A repeat with the same family finds it.
    fn issue(&self, cx: Context, command: IssueFamily) -> Answer<'_, IssueOutcome>;

    /// See [`Refresh`]. Safe to repeat inside the grace; after it a repeat counts as reuse.
    fn refresh(&self, cx: Context, command: Refresh) -> Answer<'_, RefreshOutcome>;

    /// See [`RevokeTokens`]. Safe to repeat.
    fn revoke(&self, cx: Context, command: RevokeTokens) -> Answer<'_, RevokeOutcome>;

    /// The denials that still matter and were decided after a place in the store, or all of them from the default on. Whatever was
    /// answered before the call is in the answer or before the place, and nothing is ever behind a place that becomes visible only after
    /// it. Off the request path: as many bounded reads as it takes, few where little is new.
    fn denials(&self, now: Timestamp, after: DenialPlace) -> Answer<'_, NewDenials>;
}
