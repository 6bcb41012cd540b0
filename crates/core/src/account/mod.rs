//! Accounts: optional users with an address and a password, kept in the record.
//!
//! Bring-your-own identity is the first-class case: a backend that knows its users calls the session service after its own
//! login and needs nothing of this.

pub mod command;
mod guess;
pub mod import;
pub mod known_device;
pub mod port;
pub mod reset;
pub mod service;
pub mod step_up;
pub mod throttle;

use crate::{bounds, id::UserId, time::Timestamp};

pub use known_device::KnownDeviceToken;
pub use port::AccountStore;
pub use reset::{Reset, ResetToken};
pub use service::Accounts;

/// A user's account.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's id.
    pub user_id: UserId,
    /// The address, as compared: see [`Email`].
    pub email: Email,
    /// A name to show.
    pub name: Option<Box<str>>,
    /// The password's hash in the PHC string format.
    pub password_hash: Box<str>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the password last changed.
    pub password_changed_at: Timestamp,
    /// The token that was given out last for a forgotten password, until it is used.
    pub reset: Option<Reset>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}, password redacted)", self.user_id)
    }
}

/// An e-mail address as it is compared: lower case, one `@`, no white space. Whether it receives mail is not our question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(Box<str>);

impl Email {
    /// Checks and normalises an address.
    ///
    /// # Errors
    /// A text that says what is wrong, without repeating the address.
    pub fn new(text: &str) -> Result<Self, crate::id::IdError> {
        const WRONG: crate::id::IdError = crate::id::IdError("expected an e-mail address");
        if text.len() > bounds::EMAIL_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(WRONG);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(WRONG)?;
        if local.is_empty() || local.contains('@') || domain.is_empty() || domain.starts_with('.') || domain.ends_with('.') {
            return Err(WRONG);
        }
        Ok(Self(text.to_lowercase().into()))
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
