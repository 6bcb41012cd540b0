//! A type for each identifier: user ids, user tags, homes, session ids, event ids.

pub(crate) mod tagged;

use crate::bounds;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, str::FromStr};

pub use tagged::IdText;
pub(crate) use tagged::tagged_id;

/// An identifier was refused; the text says why and repeats nothing of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub &'static str);

/// Random bytes from the operating system.
///
/// # Panics
/// Where the operating system has no entropy source: nothing secret can be made on such a machine.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system provides randomness");
    bytes
}

/// The application's own name for a user: 1 to 256 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct UserId(Box<str>);

impl UserId {
    /// Checks and wraps a user id.
    ///
    /// # Errors
    /// Empty, longer than [`bounds::USER_ID_BYTES`], or with a control character (NUL and line breaks among them).
    pub fn new(text: impl Into<Box<str>>) -> Result<Self, IdError> {
        let text = text.into();
        if text.is_empty() {
            Err(IdError("a user id must not be empty"))
        } else if text.len() > bounds::USER_ID_BYTES {
            Err(IdError("a user id has at most 256 bytes"))
        } else if text.chars().any(char::is_control) {
            Err(IdError("a user id must not contain control characters"))
        } else {
            Ok(Self(text))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for UserId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The pseudonym of a user inside tokens, ids and keys: the first 12 bytes of HMAC-SHA-256(deployment salt, user id), or
/// random bytes for an anonymous session. Made by [`crate::deployment::Deployment::tag`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserTag([u8; 12]);

impl UserTag {
    /// Length in bytes.
    pub const LEN: usize = 12;

    /// A tag from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// A fresh tag for somebody who has not said who they are.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(random())
    }

    /// The home that holds all of this user.
    #[must_use]
    pub const fn home(&self) -> Home {
        Home(self.0[0])
    }
}

impl fmt::Debug for UserTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserTag({})", URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// One of 256 places that hold whole users: a shard in memory, a hash tag in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home(pub u8);

impl Home {
    /// How many homes there are.
    pub const COUNT: usize = 256;

    /// The home as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

tagged_id! {
    /// The public name of a session: `ses_` and 32 characters of base64url (user tag, then 12 random bytes). Knowing it gives
    /// no access; it may appear in lists, logs and URLs.
    SessionId, "ses_", "a session id is ses_ and 32 characters of base64url"
}

/// The name of an event: `evt_` and 22 characters of base64url. Sorts by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 16]);

impl EventId {
    const PREFIX: &'static str = "evt_";

    /// An id that sorts by `at_ms` (48 bits) and is told apart by `rest`.
    #[must_use]
    pub fn new(at_ms: u64, rest: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&at_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&rest);
        Self(bytes)
    }

    /// The bytes, big-endian time first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        const WRONG: IdError = IdError("an event id is evt_ and 22 characters of base64url");
        let encoded = text.strip_prefix(Self::PREFIX).ok_or(WRONG)?;
        let mut bytes = [0; 16];
        if encoded.len() != 22 || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) != Ok(16) {
            return Err(WRONG);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_its_text() {
        let id = SessionId::generate(UserTag::anonymous());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 36);
        for bad in ["", "ses_", "ses_AAAA", &"x".repeat(10_000), &id.to_string()[4..], &format!("{id}=")] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:.40}");
        }
    }

    #[test]
    fn a_user_id_is_short_and_printable() {
        assert!(UserId::new("user@example.com").is_ok());
        for bad in ["", "a\0b", "a\r\nb", &"x".repeat(257)] {
            assert!(UserId::new(bad).is_err(), "{bad:.20?}");
        }
    }
}
