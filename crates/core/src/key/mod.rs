//! Management keys: bearer secrets of backends and operators, with scopes. Stored as digests, shown once.

mod scope;
mod service;

pub use scope::{Scope, Scopes, UnknownScope};
pub use service::{BootstrapKey, CreateKeyOutcome, Keys, NewKey, Verified};

use crate::{Answer, time::Timestamp};

/// What a store keeps of a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct KeyRecord {
    /// Public name: `key_` and 16 characters.
    pub id: Box<str>,
    /// What people call it.
    pub name: Box<str>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it is no longer taken.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the secret.
    #[serde(skip)]
    pub digest: [u8; 32],
}

/// How [`KeyStore::insert`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertKeyOutcome {
    /// It is stored.
    Inserted,
    /// There are [`crate::bounds::KEYS`] already.
    Full,
}

/// Keeps management keys. Each method is one round trip.
pub trait KeyStore: Send + Sync {
    /// Stores a key, with its event, in one step.
    fn insert(&self, key: KeyRecord, event: crate::event::Event) -> Answer<'_, InsertKeyOutcome>;

    /// All keys, oldest first; at most [`crate::bounds::KEYS`].
    fn list(&self) -> Answer<'_, Vec<KeyRecord>>;

    /// Deletes a key, with its event, in one step. Returns whether there was one.
    fn delete(&self, id: Box<str>, event: crate::event::Event) -> Answer<'_, bool>;
}
