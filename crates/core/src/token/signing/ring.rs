//! Which key does what at a time: pure rules over the times of the keys.

use super::{SigningKeyPair, VerifyingKey};
use crate::time::Timestamp;
use std::sync::Arc;

/// How long a retired key verifies beyond the life of its last token, in milliseconds: other verifiers forgive their clocks that much.
const MARGIN_MS: u64 = 60_000;

/// A key with its times.
#[derive(Debug, Clone)]
pub struct HeldKey {
    /// The key.
    pub pair: Arc<SigningKeyPair>,
    /// From when on it is in the key set.
    pub published_at: Timestamp,
    /// From when on it signs, until another one does.
    pub signs_from: Timestamp,
    /// The longest life of a token that it may have signed, in milliseconds.
    pub token_life_ms: u64,
}

/// What a key is at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// In the key set, to be known when it signs.
    Published,
    /// New tokens are signed with it.
    Signing,
    /// Another one signs; its tokens are still good.
    Retired,
    /// Its last token has expired.
    Removed,
}

impl KeyState {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Removed => "removed",
        }
    }
}

/// The keys of a deployment, in the order in which they sign.
#[derive(Debug, Clone, Default)]
pub struct SigningRing(Vec<HeldKey>);

impl SigningRing {
    /// The ring of these keys.
    #[must_use]
    pub fn new(mut keys: Vec<HeldKey>) -> Self {
        keys.sort_by(|one, other| (one.signs_from, one.pair.kid()).cmp(&(other.signs_from, other.pair.kid())));
        Self(keys)
    }

    /// All keys, those that are to be forgotten included.
    #[must_use]
    pub fn keys(&self) -> &[HeldKey] {
        &self.0
    }

    /// The key that signs now. Before the first one's time, which a clock that was set back can bring, it is that one.
    #[must_use]
    pub fn signer(&self, now: Timestamp) -> Option<&HeldKey> {
        self.0.iter().rev().find(|key| key.signs_from <= now).or(self.0.first())
    }

    /// The key that will sign last: the one to come, if there is one.
    #[must_use]
    pub fn newest(&self) -> Option<&HeldKey> {
        self.0.last()
    }

    /// What each key is at this time.
    pub fn states(&self, now: Timestamp) -> impl Iterator<Item = (&HeldKey, KeyState)> {
        let signer = self.signer(now).map(|key| key.pair.kid());
        self.0.iter().enumerate().map(move |(position, key)| {
            let state = if Some(key.pair.kid()) == signer {
                KeyState::Signing
            } else if key.signs_from > now {
                KeyState::Published
            } else if now < self.retired_at(position).plus_ms(key.token_life_ms).plus_ms(MARGIN_MS) {
                KeyState::Retired
            } else {
                KeyState::Removed
            };
            (key, state)
        })
    }

    fn retired_at(&self, position: usize) -> Timestamp {
        self.0.get(position + 1).map_or(Timestamp::from_millis(u64::MAX), |next| next.signs_from)
    }

    /// The keys that verify: all but those that are removed.
    pub fn verifying(&self, now: Timestamp) -> impl Iterator<Item = &VerifyingKey> {
        self.states(now).filter(|(_, state)| *state != KeyState::Removed).map(|(key, _)| key.pair.public())
    }

    /// The key of this name, if it verifies.
    #[must_use]
    pub fn key(&self, kid: &str, now: Timestamp) -> Option<&VerifyingKey> {
        self.verifying(now).find(|key| key.kid() == kid)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Algorithm, *};

    const HOUR: u64 = 3_600_000;
    const LIFE: u64 = 600_000;

    fn held(at: u64, signs_from: u64) -> HeldKey {
        HeldKey {
            pair: Arc::new(SigningKeyPair::generate(Algorithm::EdDsa)),
            published_at: Timestamp::from_millis(at),
            signs_from: Timestamp::from_millis(signs_from),
            token_life_ms: LIFE,
        }
    }

    // S58
    #[test]
    fn a_key_is_published_signs_is_retired_and_leaves() {
        const START: u64 = 1_000_000_000;
        let (first, second) = (held(START, START), held(START + HOUR, START + 2 * HOUR));
        let ring = SigningRing::new(vec![second.clone(), first.clone()]);
        let states = |ms| ring.states(Timestamp::from_millis(ms)).map(|(_, state)| state).collect::<Vec<_>>();
        use KeyState::{Published, Removed, Retired, Signing};
        assert_eq!(states(START), [Signing, Published]);
        assert_eq!(states(START + 2 * HOUR - 1), [Signing, Published], "published for an hour before it signs");
        assert_eq!(states(START + 2 * HOUR), [Retired, Signing]);
        assert_eq!(states(START + 2 * HOUR + LIFE), [Retired, Signing], "the last token of the first has just expired");
        assert_eq!(states(START + 2 * HOUR + LIFE + MARGIN_MS), [Removed, Signing]);
        assert_eq!(states(START + 1_000 * HOUR), [Removed, Signing], "nothing ends the last key");
        assert_eq!(states(0), [Signing, Published], "a clock that was set back still signs");

        let late = Timestamp::from_millis(START + 100 * HOUR);
        assert!(ring.key(first.pair.kid(), late).is_none() && ring.key(second.pair.kid(), late).is_some());
    }

    #[test]
    fn two_keys_of_one_moment_are_in_one_order_everywhere() {
        let (one, other) = (held(5, 5), held(5, 5));
        let now = Timestamp::from_millis(6);
        let signer = |keys| SigningRing::new(keys).signer(now).map(|key| key.pair.kid().to_owned());
        assert_eq!(signer(vec![one.clone(), other.clone()]), signer(vec![other, one]));
    }
}
