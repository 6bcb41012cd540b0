//! Every type of event, in one list.

macro_rules! event_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl EventType {
            /// All types, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

event_types! {
    /// A session began.
    SessionCreated = "session.created",
    /// A session was ended by somebody's decision; with a count where all of a user were ended at once.
    SessionEnded = "session.ended",
    /// A session's token was replaced.
    SessionRotated = "session.rotated",
    /// The user of a session proved themselves again.
    SessionSteppedUp = "session.stepped_up",
    /// A session reached its idle or absolute limit.
    SessionExpired = "session.expired",
    /// The token of an ended session was presented.
    SessionUsedAfterEnd = "session.used_after_end",
    /// A session was refused because its user has as many as allowed.
    SessionLimitExceeded = "session.limit_exceeded",
    /// A session was used from another address or agent than it was made with.
    SessionBindingMismatch = "session.binding_mismatch",
    /// Rights or policy of a session changed.
    SessionUpdated = "session.updated",
    /// The payload of a session changed.
    SessionDataChanged = "session.data_changed",
    /// A session's end was moved.
    SessionExtended = "session.extended",
    /// A hand-off code was made.
    HandoffCreated = "session.handoff_created",
    /// A hand-off code was presented a second time.
    HandoffReused = "session.handoff_reused",
    /// A login with a password succeeded.
    LoginSucceeded = "login.succeeded",
    /// A login with a password failed.
    LoginFailed = "login.failed",
    /// A token family began.
    TokenIssued = "token.issued",
    /// Token families ended by somebody's decision or for want of room, or one access token is not believed any more; with the count.
    TokenRevoked = "token.revoked",
    /// A refresh token was presented that had been replaced: its family has ended.
    TokenReused = "token.reused",
    /// A user logged in on a device that they were not seen with before.
    DeviceNew = "device.new",
    /// A device came back with another fingerprint, or a trusted one got another name; the reason says which.
    DeviceChanged = "device.changed",
    /// A user trusted a device.
    DeviceTrusted = "device.trusted",
    /// The token of a device was presented that is not trusted, or not by this user.
    DeviceRefused = "device.refused",
    /// The trust in devices ended before its time; with the count.
    DeviceRevoked = "device.revoked",
    /// An account was made.
    UserRegistered = "user.registered",
    /// A user may no longer have sessions.
    UserDisabled = "user.disabled",
    /// A user changed their password.
    UserPasswordChanged = "user.password_changed",
    /// Somebody asked for a new password in the place of a forgotten one; the backend may send a token.
    UserResetRequested = "user.reset_requested",
    /// A token for a forgotten password was given out.
    UserResetIssued = "user.reset_issued",
    /// A user may have sessions again.
    AdminUserEnabled = "admin.user_enabled",
    /// A user and all that is kept of them was deleted.
    AdminUserDeleted = "admin.user_deleted",
    /// Sessions were ended by a filter.
    AdminSessionsRevoked = "admin.sessions_revoked",
    /// What keys of a limit rule had used was forgotten; the reason is rule and keys, with the count.
    AdminLimitsReset = "admin.limits_reset",
    /// A new signing key of access tokens was published; the reason is its name.
    AdminSigningKeyPublished = "admin.signing_key_published",
    /// A management key was made.
    KeyCreated = "key.created",
    /// A management key was used for the first time in an hour.
    KeyUsed = "key.used",
    /// A management key was deleted.
    KeyRevoked = "key.revoked",
    /// Somebody presented tokens that we never made; one event for an address and minute, with the count.
    GarbageRefused = "garbage.refused",
    /// A rate limit denied something; one event for a rule, a key and a minute, with the count.
    LimitDenied = "limit.denied",
    /// Observations were lost because the queue was full; with the count.
    EventsDropped = "events.dropped",
}

impl std::str::FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownEventType)
    }
}

/// There is no event type of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no event type of this name")]
pub struct UnknownEventType;

impl std::fmt::Display for EventType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
