//! Making, checking and deleting management keys.

use super::{InsertKeyOutcome, KeyRecord, KeyStore, Scopes};
use crate::{
    bounds,
    event::{Event, EventType, Observer, Origin},
    fault::Fault,
    id::random,
    time::{Clock, Timestamp},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, sync::Arc};
use zeroize::Zeroizing;

/// How long a list of keys is believed before the store is asked again: a key that another node deleted dies within it.
const BELIEVED_MS: u64 = 1_000;
/// Length of a key's text: `vk_` and 32 bytes in base64url.
const TEXT: usize = 3 + 43;

/// What is asked of a new key.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: Box<str>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it is no longer taken.
    pub expires_at: Option<Timestamp>,
}

/// How [`Keys::create`] ended.
pub enum CreateKeyOutcome {
    /// The key: its text is shown this once.
    Created {
        /// What is kept of it.
        record: KeyRecord,
        /// The secret text.
        text: Zeroizing<String>,
    },
    /// There are as many as allowed.
    Full,
    /// Nobody gives more than they have.
    BeyondOwn,
}

/// Who presented a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `key:<id>`, for events; `key:bootstrap` for the configured key.
    pub actor: Box<str>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it is no longer taken.
    pub expires_at: Option<Timestamp>,
}

/// A configured key of all scopes, which no store keeps. Only its digest is held.
#[derive(Debug, Clone)]
pub struct BootstrapKey([u8; 32]);

impl BootstrapKey {
    /// The key with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(digest(text))
    }

    /// Who presented this text, if it is this key. Needs no store.
    #[must_use]
    pub fn verify(&self, text: &str) -> Option<Verified> {
        // Digests are compared, not secrets: what their comparison leaks leads to no text.
        (self.0 == digest(text)).then(|| Verified { actor: "key:bootstrap".into(), scopes: Scopes::all(), expires_at: None })
    }
}

/// The management keys of a deployment.
pub struct Keys {
    store: Arc<dyn KeyStore>,
    bootstrap: Option<BootstrapKey>,
    observer: Observer,
    clock: Clock,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_digest: HashMap<[u8; 32], KeyRecord>,
    read_at: Timestamp,
}

impl Keys {
    /// Keys in a store, and a configured one beside them.
    #[must_use]
    pub fn new(store: Arc<dyn KeyStore>, bootstrap: Option<BootstrapKey>, observer: Observer, clock: Clock) -> Self {
        Self { store, bootstrap, observer, clock, known: RwLock::default() }
    }

    /// Who presents this text; `None` for anything that is no valid key. At most one read a second.
    ///
    /// # Errors
    /// A fault of the store, where the keys have not been read within the last second; the bootstrap key needs no store.
    pub async fn verify(&self, text: &str, origin: &Origin) -> Result<Option<Verified>, Fault> {
        if let Some(key) = self.bootstrap.as_ref().and_then(|key| key.verify(text)) {
            return Ok(Some(key));
        }
        let Some(key) = self.find(text).await? else { return Ok(None) };
        let actor: Box<str> = format!("key:{}", key.id).into();
        let id = u128::from_be_bytes(key.digest[..16].try_into().unwrap_or_default());
        let origin = Origin { actor: Some(actor.clone()), ..origin.clone() };
        self.observer.note_once(id, Event::new(EventType::KeyUsed, self.clock.now(), &origin).because(&key.id));
        Ok(Some(Verified { actor, scopes: key.scopes, expires_at: key.expires_at }))
    }

    /// Whether a text that was verified before is still a valid key. As [`Self::verify`], but no use of it.
    ///
    /// # Errors
    /// As of [`Self::verify`].
    pub async fn is_valid(&self, text: &str) -> Result<bool, Fault> {
        let is_bootstrap = self.bootstrap.as_ref().is_some_and(|key| key.verify(text).is_some());
        Ok(is_bootstrap || self.find(text).await?.is_some())
    }

    async fn find(&self, text: &str) -> Result<Option<KeyRecord>, Fault> {
        let presented = digest(text);
        if text.len() != TEXT || !text.starts_with("vk_") {
            return Ok(None);
        }
        let now = self.clock.now();
        let fresh =
            |known: &Known| now.since_ms(known.read_at) < BELIEVED_MS && now >= known.read_at && !known.read_at.is_zero();
        if !fresh(&self.known.read()) {
            self.reload(now).await?;
        }
        let found = self.known.read().by_digest.get(&presented).cloned();
        Ok(found.filter(|key| key.expires_at.is_none_or(|end| now < end)))
    }

    async fn reload(&self, now: Timestamp) -> Result<(), Fault> {
        let by_digest = self.store.list().await?.into_iter().map(|key| (key.digest, key)).collect();
        *self.known.write() = Known { by_digest, read_at: now };
        Ok(())
    }

    /// Makes a key with at most the scopes of its maker, and with at most the time that its maker has left.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn create(&self, new: NewKey, maker: &Verified, origin: Origin) -> Result<CreateKeyOutcome, Fault> {
        if !maker.scopes.covers(&new.scopes) {
            return Ok(CreateKeyOutcome::BeyondOwn);
        }
        let text = Zeroizing::new(format!("vk_{}", URL_SAFE_NO_PAD.encode(random::<32>())));
        let now = self.clock.now();
        let record = KeyRecord {
            id: format!("key_{}", URL_SAFE_NO_PAD.encode(random::<12>())).into(),
            name: new.name,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_at.into_iter().chain(maker.expires_at).min(),
            digest: digest(&text),
        };
        let event = Event::new(EventType::KeyCreated, now, &origin).because(&record.id);
        match self.store.insert(record.clone(), event).await? {
            InsertKeyOutcome::Full => Ok(CreateKeyOutcome::Full),
            InsertKeyOutcome::Inserted => {
                self.forget();
                Ok(CreateKeyOutcome::Created { record, text })
            }
        }
    }

    /// All keys, oldest first.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, Fault> {
        let mut keys = self.store.list().await?;
        keys.truncate(bounds::KEYS);
        Ok(keys)
    }

    /// Deletes a key: dead on this node at once, on others within a second. Returns whether there was one.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn delete(&self, id: &str, origin: Origin) -> Result<bool, Fault> {
        let event = Event::new(EventType::KeyRevoked, self.clock.now(), &origin).because(id);
        let deleted = self.store.delete(id.into(), event).await?;
        self.forget();
        Ok(deleted)
    }

    fn forget(&self) {
        self.known.write().read_at = Timestamp::ZERO;
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
