//! Aliases: what leads from the token of another system to the user who holds it.
//!
//! Our own tokens carry the tag of their user. Those of another system carry nothing, so at an import the SHA-256 of each is
//! kept beside the tag that it leads to. The session itself is stored as any other, with that digest as the digest of its
//! token: an alias only says where to look, never whether a token is good.

use crate::{Answer, id::Home, id::UserTag, session::TokenDigest, time::Timestamp};

/// Where a token of another system leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// SHA-256 of the token.
    pub digest: TokenDigest,
    /// The user.
    pub tag: UserTag,
    /// From then on it leads nowhere.
    pub expires_at: Timestamp,
}

impl Alias {
    /// The home that keeps the alias. It has nothing to do with the user's, which nobody knows yet.
    #[must_use]
    pub const fn home(digest: &TokenDigest) -> Home {
        Home(digest.as_bytes()[0])
    }
}

/// Keeps aliases.
pub trait AliasStore: Send + Sync {
    /// The user whom a token of another system leads to; `None` where it leads nowhere. One read.
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>>;

    /// Keeps aliases; one that is known already stays as it is. Each is one atomic step, all of them are not. Safe to repeat.
    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()>;
}
