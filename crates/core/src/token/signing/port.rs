//! Where the signing keys of a deployment are kept.

use crate::Answer;

/// The signing keys of a deployment, as one document: opaque to stores, its private parts sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDocument {
    /// Raised by each change.
    pub version: u64,
    /// The keys.
    pub bytes: Vec<u8>,
}

/// How [`SigningKeyStore::replace_signing_keys`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceKeysOutcome {
    /// The document is stored.
    Replaced,
    /// Another one was stored meanwhile: read it, and decide again.
    Conflict,
}

/// Keeps the one [`KeyDocument`] of a deployment, without end.
pub trait SigningKeyStore: Send + Sync {
    /// What is stored. A read.
    fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>>;

    /// Stores a document of version `v` where one of version `v - 1` is stored, or none for version 1. One atomic step. A repeat
    /// conflicts with itself, so after a lost answer read what is stored.
    fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome>;
}
