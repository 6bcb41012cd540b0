//! Session tokens that another system made.

use super::token::{Kind, SessionKind, TokenDigest};
use crate::bounds::{LEGACY_TOKEN_BYTES, LEGACY_TOKEN_MIN_BYTES};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The session token of another system: a secret text without any structure that could be checked. Redacted whole.
///
/// Frameworks that sign their cookies put a mark before the token and the signature behind it (`s:<token>.<signature>`, the
/// colon often percent-encoded). Both are taken off: the token itself is the secret, and it is what their stores know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LegacyToken<'a>(&'a str);

impl<'a> LegacyToken<'a> {
    /// Reads what a client presents, or what another system's store calls a session. `None` for what no system would make: too
    /// short to be secret, too long, with characters beyond visible ASCII, or in the form of our own tokens. Costs no
    /// allocation.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let token = unsigned(text);
        let fits = (LEGACY_TOKEN_MIN_BYTES..=LEGACY_TOKEN_BYTES).contains(&token.len());
        let is_ours = token.starts_with(SessionKind::PREFIX);
        (fits && !is_ours && token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(token))
    }

    /// What a store may hold, and what an import names a session by: SHA-256 of the token's text.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::from_bytes(Sha256::digest(self.0.as_bytes()).into())
    }
}

fn unsigned(text: &str) -> &str {
    let marked = ["s:", "s%3A", "s%3a"].iter().find_map(|mark| text.strip_prefix(mark));
    marked.and_then(|rest| rest.rsplit_once('.')).map_or(text, |(token, _)| token)
}

impl fmt::Debug for LegacyToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_cookie_is_the_token_inside() {
        let plain = LegacyToken::parse("9f86d081-884c-4d65-9a2f-eaa0c55ad015").expect("a UUID");
        for signed in
            ["s:9f86d081-884c-4d65-9a2f-eaa0c55ad015.bFzVt1a2b", "s%3A9f86d081-884c-4d65-9a2f-eaa0c55ad015.bFz%2BVt1%2Fa2b"]
        {
            assert_eq!(LegacyToken::parse(signed).map(|token| token.digest()), Some(plain.digest()));
        }
        assert_eq!(format!("{plain:?}"), "LegacyToken(redacted)");
    }

    #[test]
    fn what_no_system_would_make_is_garbage() {
        let ours = format!("vs_{}", "A".repeat(80));
        for bad in ["", "short", "s:short.signature-that-is-long-enough", "sixteen bytes but", &"x".repeat(257), &ours] {
            assert!(LegacyToken::parse(bad).is_none(), "{bad:.20}");
        }
    }
}
