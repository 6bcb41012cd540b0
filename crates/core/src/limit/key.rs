//! [`LimitKey`]: what is counted.

use super::bounds;
use crate::id::{Home, UserTag};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The text of a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, too long, or with control characters.
    #[error("a key has 1 to 256 bytes without control characters")]
    Text,
    /// No address.
    #[error("the key of a rule of level ip is an address")]
    Address,
    /// Not the one key.
    #[error("the only key of a rule of level global is all")]
    Global,
}

/// What a rule counts: a name within the rule, and the home where it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    home: Home,
    text: Box<str>,
}

impl LimitKey {
    /// A key by its text. Its home is a matter of the text alone.
    ///
    /// # Errors
    /// [`KeyError::Text`].
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() || text.len() > bounds::KEY_BYTES || text.chars().any(char::is_control) {
            return Err(KeyError::Text);
        }
        Ok(Self { home: home_of(text), text: text.into() })
    }

    /// The key of any text. One that is no key as it is, too long for instance, is counted by its digest: nobody escapes a count by being verbose.
    ///
    /// # Panics
    /// Never: a digest is a short text.
    #[must_use]
    pub fn of_any(text: &str) -> Self {
        Self::new(text).unwrap_or_else(|_| {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(text));
            Self::new(&format!("sha256:{digest}")).expect("a digest is a short text")
        })
    }

    /// The key of a user: their tag, in their home, so that it lies beside their sessions.
    #[must_use]
    pub fn of_user(tag: UserTag) -> Self {
        Self { home: tag.home(), text: URL_SAFE_NO_PAD.encode(tag.as_bytes()).into() }
    }

    /// Where it is counted.
    #[must_use]
    pub fn home(&self) -> Home {
        self.home
    }

    /// Its name within the rule.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// FNV-1a, folded to a byte. It only spreads keys over homes, and every denied request pays for it.
fn home_of(text: &str) -> Home {
    let hash =
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Home(hash.to_le_bytes().into_iter().fold(0, |home, byte| home ^ byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_spread_over_the_homes() {
        let homes: BTreeSet<u8> =
            (0..4_096).map(|number| LimitKey::new(&format!("10.0.{number}.1")).expect("a key").home().0).collect();
        assert!(homes.len() > 250, "{}", homes.len());
    }

    #[test]
    fn a_key_is_short_and_printable() {
        for bad in ["", "a\r\nb", &"x".repeat(257)] {
            assert_eq!(LimitKey::new(bad), Err(KeyError::Text), "{bad:.10}");
            assert!(LimitKey::of_any(bad).text().starts_with("sha256:"), "{bad:.10}");
        }
        assert_eq!(LimitKey::of_any("/search").text(), "/search");
        assert_ne!(LimitKey::of_any(&"x".repeat(257)), LimitKey::of_any(&"x".repeat(258)));
    }
}
