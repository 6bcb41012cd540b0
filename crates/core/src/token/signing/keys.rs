//! The signing keys of a deployment as one node holds them.

use super::{
    Algorithm, HeldKey, Jwks, KeyDocument, ReplaceKeysOutcome, SigningKeyPair, SigningKeyStore, SigningRing, document,
    ring::KeyState,
};
use crate::{
    bounds,
    fault::Fault,
    secret::KeyRing,
    time::{Clock, Timestamp},
};
use parking_lot::RwLock;
use std::{fmt, sync::Arc, time::Duration};

/// What keys a deployment wants.
#[derive(Debug, Clone)]
pub struct SigningConfig {
    /// How new keys sign.
    pub algorithm: Algorithm,
    /// How long a key is in the key set before it signs, in milliseconds.
    pub publish_before_ms: u64,
    /// The longest life of a token, in milliseconds.
    pub token_life_ms: u64,
    /// A key from outside. It takes its turn as a generated one does, and no other is generated while it is given.
    pub imported: Option<Arc<SigningKeyPair>>,
}

/// How [`SigningKeys::rotate`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateKeysOutcome {
    /// A key is published and will sign. The one that was published already where there was one, so that a repeat adds none.
    Published {
        /// Its name.
        kid: Box<str>,
        /// From when on it signs.
        signs_from: Timestamp,
        /// Whether this call made it.
        is_new: bool,
    },
    /// The key comes from outside ([`SigningConfig::imported`]): whoever gave it has to give another.
    Imported,
    /// There are [`bounds::SIGNING_KEYS`] whose tokens have not expired.
    Full,
}

/// The signing keys: read from the store, kept up to date, changed by compare and set.
pub struct SigningKeys {
    store: Arc<dyn SigningKeyStore>,
    secrets: Arc<KeyRing>,
    config: SigningConfig,
    clock: Clock,
    held: RwLock<Held>,
}

#[derive(Clone, Default)]
struct Held {
    version: u64,
    ring: Arc<SigningRing>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys")
    }
}

impl SigningKeys {
    /// Reads the keys, and founds or changes them where the configuration asks for it. The first key signs at once: no token can
    /// reach anybody before it.
    ///
    /// # Errors
    /// A fault of the store; [`Fault::Corrupt`] where a key does not open under the ring of secrets.
    pub async fn open(
        store: Arc<dyn SigningKeyStore>,
        secrets: Arc<KeyRing>,
        config: SigningConfig,
        clock: Clock,
    ) -> Result<Self, Fault> {
        let keys = Self { store, secrets, config, clock, held: RwLock::default() };
        for _ in 0..bounds::CAS_TRIES {
            let reseal = keys.read().await?;
            let now = keys.clock.now();
            let wanted = keys.wanted(now).await;
            if wanted.is_none() && !reseal {
                return Ok(keys);
            }
            let ring = wanted.unwrap_or_else(|| SigningRing::clone(&keys.ring()));
            if keys.replace(ring).await? == ReplaceKeysOutcome::Replaced {
                return Ok(keys);
            }
        }
        Err(Fault::Unavailable("other processes changed the signing keys at the same time".into()))
    }

    /// The keys as they are held.
    #[must_use]
    pub fn ring(&self) -> Arc<SigningRing> {
        self.held.read().ring.clone()
    }

    /// What verifiers may fetch.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        Jwks::of(&self.ring(), self.clock.now())
    }

    /// How long a verifier may keep the key set: half of the time for which a key is in it before it signs, an hour at most.
    #[must_use]
    pub fn jwks_max_age(&self) -> Duration {
        Duration::from_millis((self.config.publish_before_ms / 2).min(bounds::JWKS_MAX_AGE_MS))
    }

    /// Publishes a new key, which signs after [`SigningConfig::publish_before_ms`]. Two steps on the store, safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn rotate(&self) -> Result<RotateKeysOutcome, Fault> {
        if self.config.imported.is_some() {
            return Ok(RotateKeysOutcome::Imported);
        }
        for _ in 0..bounds::CAS_TRIES {
            self.read().await?;
            let (now, ring) = (self.clock.now(), self.ring());
            if let Some(newest) = ring.newest().filter(|newest| newest.signs_from > now) {
                return Ok(published(newest, false));
            }
            let mut keys = remaining(&ring, now);
            if keys.len() >= bounds::SIGNING_KEYS {
                return Ok(RotateKeysOutcome::Full);
            }
            let key = self.held_from(self.generate().await, now, now.plus_ms(self.config.publish_before_ms));
            keys.push(key.clone());
            if self.replace(SigningRing::new(keys)).await? == ReplaceKeysOutcome::Replaced {
                return Ok(published(&key, true));
            }
        }
        Err(Fault::Unavailable("other processes changed the signing keys at the same time".into()))
    }

    /// Reads the keys again, and gives them back to a store that has lost them, as one without a disk does when it is emptied.
    ///
    /// # Errors
    /// A fault of the store; what is held stays.
    pub async fn reload(&self) -> Result<(), Fault> {
        let before = self.ring();
        self.read().await?;
        if self.held.read().version == 0 && !before.keys().is_empty() {
            // Another node may be faster; its keys are then read next time.
            self.replace(SigningRing::clone(&before)).await?;
        }
        Ok(())
    }

    /// Keeps up with the other nodes for as long as the keys live.
    pub fn follow(self: &Arc<Self>) {
        let keys = Arc::downgrade(self);
        let every = Duration::from_millis((self.config.publish_before_ms / 4).clamp(100, bounds::SIGNING_KEYS_EVERY_MS));
        tokio::spawn(async move {
            let mut failed = false;
            loop {
                tokio::time::sleep(every).await;
                let Some(keys) = keys.upgrade() else { break };
                let read = keys.reload().await;
                // Once for each outage: it may last.
                if let (Err(fault), false) = (&read, failed) {
                    tracing::warn!(class = fault.class(), "the signing keys were not read; those that are held go on");
                }
                failed = read.is_err();
            }
        });
    }

    /// Reads what is stored. Whether it must be sealed anew. What a store has lost is kept, under version 0.
    async fn read(&self) -> Result<bool, Fault> {
        let stored = self.store.signing_keys().await?;
        let known = self.held.read().clone();
        let Some(KeyDocument { version, bytes }) = stored else {
            self.held.write().version = 0;
            return Ok(false);
        };
        if version != known.version {
            let ring = Arc::new(document::unpack(&bytes, &self.secrets, &known.ring)?);
            *self.held.write() = Held { version, ring };
        }
        Ok(!document::is_current(&bytes, &self.secrets))
    }

    async fn replace(&self, ring: SigningRing) -> Result<ReplaceKeysOutcome, Fault> {
        let version = self.held.read().version + 1;
        let bytes = document::pack(&ring, &self.secrets);
        let outcome = self.store.replace_signing_keys(KeyDocument { version, bytes }).await?;
        if outcome == ReplaceKeysOutcome::Replaced {
            *self.held.write() = Held { version, ring: Arc::new(ring) };
        }
        Ok(outcome)
    }

    /// What the ring should be by the configuration; `None` where it is.
    async fn wanted(&self, now: Timestamp) -> Option<SigningRing> {
        let ring = self.ring();
        let mut keys = remaining(&ring, now);
        let mut changed = keys.len() != ring.keys().len();
        let signs_from = if keys.is_empty() { now } else { now.plus_ms(self.config.publish_before_ms) };
        if let Some(pair) = self.missing(&keys).await {
            // A key that signed before and is imported again takes its turn anew.
            keys.retain(|key| key.pair.kid() != pair.kid());
            keys.push(self.held_from(pair, now, signs_from));
            changed = true;
        }
        for key in &mut keys {
            // What signed with a shorter life before may sign with the longer one from now on.
            changed |= key.token_life_ms < self.config.token_life_ms;
            key.token_life_ms = key.token_life_ms.max(self.config.token_life_ms);
        }
        changed.then(|| SigningRing::new(keys))
    }

    /// The key that has to be added.
    async fn missing(&self, keys: &[HeldKey]) -> Option<Arc<SigningKeyPair>> {
        let newest = keys.iter().max_by_key(|key| (key.signs_from, key.pair.kid()));
        if let Some(imported) = &self.config.imported {
            return newest.is_none_or(|newest| newest.pair.kid() != imported.kid()).then(|| imported.clone());
        }
        let fits = newest.is_some_and(|key| key.pair.algorithm() == self.config.algorithm);
        if fits { None } else { Some(self.generate().await) }
    }

    async fn generate(&self) -> Arc<SigningKeyPair> {
        let algorithm = self.config.algorithm;
        let made = tokio::task::spawn_blocking(move || SigningKeyPair::generate(algorithm)).await;
        Arc::new(made.unwrap_or_else(|_| SigningKeyPair::generate(algorithm)))
    }

    fn held_from(&self, pair: Arc<SigningKeyPair>, published_at: Timestamp, signs_from: Timestamp) -> HeldKey {
        HeldKey { pair, published_at, signs_from, token_life_ms: self.config.token_life_ms }
    }
}

fn published(key: &HeldKey, is_new: bool) -> RotateKeysOutcome {
    RotateKeysOutcome::Published { kid: key.pair.kid().into(), signs_from: key.signs_from, is_new }
}

/// The keys without those whose time is over.
fn remaining(ring: &SigningRing, now: Timestamp) -> Vec<HeldKey> {
    ring.states(now).filter(|(_, state)| *state != KeyState::Removed).map(|(key, _)| key.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, time::ManualClock};
    use parking_lot::Mutex;

    const HOUR: u64 = 3_600_000;

    /// What several nodes share.
    #[derive(Default)]
    struct Shelf(Mutex<Option<KeyDocument>>);

    impl SigningKeyStore for Shelf {
        fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>> {
            Box::pin(async move { Ok(self.0.lock().clone()) })
        }

        fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome> {
            Box::pin(async move {
                let mut kept = self.0.lock();
                if kept.as_ref().map_or(0, |kept| kept.version) + 1 != document.version {
                    return Ok(ReplaceKeysOutcome::Conflict);
                }
                *kept = Some(document);
                Ok(ReplaceKeysOutcome::Replaced)
            })
        }
    }

    struct Fleet {
        shelf: Arc<Shelf>,
        secrets: Arc<KeyRing>,
        clock: Clock,
        hand: ManualClock,
    }

    impl Fleet {
        fn new() -> Self {
            let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000_000_000));
            Self { shelf: Arc::default(), secrets: Arc::new(KeyRing::ephemeral()), clock, hand }
        }

        async fn node(&self, config: SigningConfig) -> SigningKeys {
            SigningKeys::open(self.shelf.clone(), self.secrets.clone(), config, self.clock.clone()).await.expect("keys open")
        }
    }

    fn config(algorithm: Algorithm) -> SigningConfig {
        SigningConfig { algorithm, publish_before_ms: HOUR, token_life_ms: 600_000, imported: None }
    }

    fn signer(keys: &SigningKeys) -> Box<str> {
        keys.ring().signer(keys.clock.now()).expect("a key signs").pair.kid().into()
    }

    // S58
    #[tokio::test]
    async fn every_node_knows_a_key_before_it_signs() {
        let fleet = Fleet::new();
        let (one, other) = tokio::join!(fleet.node(config(Algorithm::EdDsa)), fleet.node(config(Algorithm::EdDsa)));
        other.reload().await.expect("reload");
        assert_eq!(signer(&one), signer(&other));
        let first = signer(&one);

        let RotateKeysOutcome::Published { kid, .. } = one.rotate().await.expect("rotate") else { panic!("published") };
        assert!(
            matches!(other.rotate().await, Ok(RotateKeysOutcome::Published { kid: again, is_new: false, .. }) if again == kid)
        );
        assert_eq!((signer(&one), one.jwks().body), (first.clone(), other.jwks().body));
        assert!(one.jwks().body.contains(&*kid) && one.jwks().body.contains(&*first));

        fleet.hand.advance(Duration::from_millis(HOUR));
        assert_eq!((signer(&one), signer(&other)), (kid.clone(), kid.clone()));
        assert!(one.jwks().body.contains(&*first), "its tokens are still good");
        let tag = one.jwks().etag;
        fleet.hand.advance(Duration::from_millis(HOUR));
        assert!(!one.jwks().body.contains(&*first) && one.jwks().etag != tag);
    }

    #[tokio::test]
    async fn another_algorithm_takes_its_turn() {
        let fleet = Fleet::new();
        let before = signer(&fleet.node(config(Algorithm::EdDsa)).await);
        let keys = fleet.node(config(Algorithm::Es256)).await;
        assert_eq!(signer(&keys), before);
        fleet.hand.advance(Duration::from_millis(HOUR));
        assert_eq!(keys.ring().signer(fleet.clock.now()).expect("a key signs").pair.algorithm(), Algorithm::Es256);
    }

    #[tokio::test]
    async fn an_imported_key_takes_its_turn_and_is_not_rotated_away() {
        let fleet = Fleet::new();
        let before = signer(&fleet.node(config(Algorithm::EdDsa)).await);
        let imported = Arc::new(SigningKeyPair::generate(Algorithm::Es256));
        let with_import = SigningConfig { imported: Some(imported.clone()), ..config(Algorithm::EdDsa) };
        let keys = fleet.node(with_import.clone()).await;
        assert_eq!(signer(&keys), before);
        assert_eq!(keys.rotate().await, Ok(RotateKeysOutcome::Imported));
        fleet.hand.advance(Duration::from_millis(HOUR));
        assert_eq!(&*signer(&keys), imported.kid());
        assert_eq!(&*signer(&Fleet::new().node(with_import).await), imported.kid(), "the first key signs at once");
    }

    #[tokio::test]
    async fn a_store_that_lost_the_keys_gets_them_back() {
        let fleet = Fleet::new();
        let keys = fleet.node(config(Algorithm::EdDsa)).await;
        let before = signer(&keys);
        *fleet.shelf.0.lock() = None;
        keys.reload().await.expect("reload");
        assert_eq!(signer(&fleet.node(config(Algorithm::EdDsa)).await), before);
    }

    #[tokio::test]
    async fn keys_are_sealed_and_a_secret_can_be_given_up() {
        use crate::secret::Secret;
        let secret = |text: &str| Secret::new(text).expect("long enough");
        let ring = |texts: &[&str]| {
            Arc::new(KeyRing::new(&texts.iter().map(|text| secret(text)).collect::<Vec<_>>(), None).expect("a ring"))
        };
        let (old, new) = ("the secret of last year", "the secret of this year");
        let fleet = Fleet { secrets: ring(&[old]), ..Fleet::new() };
        let first = fleet.node(config(Algorithm::EdDsa)).await;
        let pkcs8 = first.ring().signer(fleet.clock.now()).expect("a key signs").pair.to_pkcs8();
        let stored = fleet.shelf.0.lock().clone().expect("stored").bytes;
        assert!(!stored.windows(16).any(|window| pkcs8.windows(16).any(|secret| secret == window)));

        let before = signer(&first);
        let fleet = Fleet { secrets: ring(&[new, old]), ..fleet };
        fleet.node(config(Algorithm::EdDsa)).await;
        let fleet = Fleet { secrets: ring(&[new]), ..fleet };
        assert_eq!(signer(&fleet.node(config(Algorithm::EdDsa)).await), before);
        let stranger = ring(&["somebody else's secret"]);
        let opened = SigningKeys::open(fleet.shelf.clone(), stranger, config(Algorithm::EdDsa), fleet.clock.clone()).await;
        assert!(matches!(opened, Err(Fault::Corrupt(_))));
    }
}
