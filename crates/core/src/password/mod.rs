//! Passwords: what is accepted, how it is kept, and how much of the machine hashing may take.
//!
//! [`PasswordPolicy`] and [`Blocklist`] judge a new password without any network, [`Hasher`] derives, verifies and wraps the
//! hashes of other systems, [`HashPool`] bounds how many of all that run at once. A password counts and is hashed in Unicode's
//! NFKC, so that one typed on another keyboard still fits.
//!
//! Deliberately absent: composition rules and periodic expiry (NIST SP 800-63B-4 3.1.1.2 forbids both), storage, and throttling.

mod argon2;
mod blocklist;
pub mod bounds;
mod breached;
mod context;
mod estimate;
mod hash;
mod legacy;
mod memory;
mod params;
mod policy;
mod pool;

use std::{fmt, sync::Arc};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

pub use argon2::OutOfMemory;
pub use blocklist::Blocklist;
pub use breached::BreachedList;
pub use context::ContextWords;
pub use hash::{HashFormatError, Hasher, PasswordHash, Verification};
pub use params::{HashParams, HashParamsError};
pub use policy::{MinLengthError, PasswordCheck, PasswordPolicy, PasswordProfile, PasswordReason};
pub use pool::{HashPool, PoolConfig, PoolConfigError, PoolOutcome};

/// A password as somebody typed it: at most 1,024 bytes of UTF-8, redacted whole, wiped when the last clone goes.
///
/// There is deliberately no comparison, no `Display` and no way to serialise it.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<String>>);

/// A password of more than [`bounds::PASSWORD_BYTES`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password has at most {} bytes", bounds::PASSWORD_BYTES)]
pub struct PasswordTooLong;

impl Password {
    /// Takes a password over; the text is wiped, also where it is refused.
    ///
    /// # Errors
    /// [`PasswordTooLong`] above 1,024 bytes. It is never cut: two passwords that differ anywhere differ.
    pub fn new(text: impl Into<String>) -> Result<Self, PasswordTooLong> {
        let text = Zeroizing::new(text.into());
        if text.len() > bounds::PASSWORD_BYTES { Err(PasswordTooLong) } else { Ok(Self(Arc::new(text))) }
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as they were typed.
    pub(crate) fn raw(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text in NFKC, in which passwords are counted, judged and hashed.
    pub(crate) fn normalized(&self) -> Zeroizing<String> {
        // The length is counted first: a string that grows leaves copies of the password behind in freed memory.
        let length = self.0.nfkc().map(char::len_utf8).sum();
        let mut text = Zeroizing::new(String::with_capacity(length));
        text.extend(self.0.nfkc());
        text
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_bounded_and_never_shown() {
        assert!(Password::new("é".repeat(512)).is_ok());
        assert_eq!(Password::new("é".repeat(512) + "e").err(), Some(PasswordTooLong));
        let shown = format!("{:?}", Password::new("correct horse battery staple").expect("short enough"));
        assert_eq!(shown, "Password(redacted)");
        let long = serde_json::to_string(&"secret-".repeat(200)).expect("a string");
        let refused = serde_json::from_str::<Password>(&long).expect_err("1,400 bytes").to_string();
        assert!(refused.contains("at most 1024 bytes") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn the_normalized_text_is_made_without_a_second_copy() {
        // U+FDFA grows from 3 bytes to 33 in NFKC: the worst there is.
        let password = Password::new("\u{FDFA}".repeat(300)).expect("900 bytes");
        let text = password.normalized();
        assert_eq!((text.len(), text.capacity()), (33 * 300, 33 * 300));
    }
}
