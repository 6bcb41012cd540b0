//! The deployment's secret and every key derived from it.
//!
//! One secret for the fleet; each purpose gets its own key by HKDF-SHA-256 (RFC 5869). The first secret of the ring signs and
//! seals, all of them verify and open, so that a secret can be replaced without logging anybody out.

use aws_lc_rs::aead;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Fewest bytes of a secret: 128 bits of security, if they are random.
const SECRET_BYTES: usize = 16;
/// Most secrets in one ring: the current one and those still being retired.
const RING: usize = 4;
/// Nonce and authentication tag around a sealed payload, and the key id before it.
pub const SEAL_OVERHEAD: usize = 1 + aead::NONCE_LEN + 16;

/// Secret bytes from which keys are derived. Redacted whole and wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Wraps secret bytes.
    ///
    /// # Errors
    /// [`SecretError::TooShort`] below 16 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.len() < SECRET_BYTES { Err(SecretError::TooShort) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Why secrets were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Fewer than 16 bytes.
    #[error("a secret needs at least 16 bytes")]
    TooShort,
    /// None, or more than four.
    #[error("a key ring holds one to four secrets")]
    Count,
}

/// An HMAC-SHA-256 with its key already absorbed: cloning it saves half of the work of a fresh one.
#[derive(Clone)]
pub(crate) struct Mac(Hmac<Sha256>);

impl Mac {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The MAC over the concatenated parts. Callers keep parts of fixed length, or one variable part at the end.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `given` is the beginning of the MAC over the parts, in constant time.
    pub(crate) fn verify(&self, parts: &[&[u8]], given: &[u8]) -> bool {
        let whole = self.sign(parts);
        given.len() >= 12 && given.len() <= whole.len() && bool::from(whole[..given.len()].ct_eq(given))
    }
}

/// The keys derived from one secret.
pub(crate) struct Keys {
    pub(crate) id: u8,
    pub(crate) token: Mac,
    pub(crate) rotation: Mac,
    pub(crate) refresh: Mac,
    pub(crate) csrf: Mac,
    pub(crate) event: Mac,
    data: aead::LessSafeKey,
    fingerprint: [u8; 16],
}

impl Keys {
    fn derive(secret: &Secret, csrf: Option<&Secret>) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, &secret.0);
        let csrf = csrf.map_or_else(|| hkdf.clone(), |csrf| Hkdf::<Sha256>::new(None, &csrf.0));
        let data = aead::UnboundKey::new(&aead::AES_256_GCM_SIV, &*expand::<32>(&hkdf, "vestibule/1/session-data"));
        Self {
            id: expand::<1>(&hkdf, "vestibule/1/key-id")[0],
            token: Mac::new(&*expand::<32>(&hkdf, "vestibule/1/token")),
            rotation: Mac::new(&*expand::<32>(&hkdf, "vestibule/1/rotation")),
            refresh: Mac::new(&*expand::<32>(&hkdf, "vestibule/1/refresh")),
            csrf: Mac::new(&*expand::<32>(&csrf, "vestibule/1/csrf")),
            event: Mac::new(&*expand::<32>(&hkdf, "vestibule/1/event")),
            data: aead::LessSafeKey::new(data.expect("the key has the length of the algorithm")),
            fingerprint: *expand(&hkdf, "vestibule/1/fingerprint"),
        }
    }
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, purpose: &str) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    hkdf.expand(purpose.as_bytes(), key.as_mut_slice()).expect("HKDF gives up to 8,160 bytes");
    key
}

/// All keys of a deployment; the first secret is the current one.
pub struct KeyRing(Vec<Keys>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.len())
    }
}

/// A sealed payload did not open: it was altered, moved to another user, or sealed under a secret that the ring lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed payload does not open")]
pub struct OpenError;

impl KeyRing {
    /// Derives the keys: `secrets[0]` is current, the others only verify and open. `csrf` replaces the secret behind CSRF
    /// tokens, for deployments that keep that one apart.
    ///
    /// # Errors
    /// [`SecretError::Count`] without a secret or with more than four.
    pub fn new(secrets: &[Secret], csrf: Option<&Secret>) -> Result<Self, SecretError> {
        if secrets.is_empty() || secrets.len() > RING {
            return Err(SecretError::Count);
        }
        Ok(Self(secrets.iter().map(|secret| Keys::derive(secret, csrf)).collect()))
    }

    /// The keys of a fresh random secret, for tests and experiments: what they sign and seal is worth nothing once the process
    /// has ended.
    #[must_use]
    pub fn ephemeral() -> Self {
        let secret = Secret(Zeroizing::new(crate::id::random::<32>().to_vec()));
        Self(vec![Keys::derive(&secret, None)])
    }

    pub(crate) fn current(&self) -> &Keys {
        &self.0[0]
    }

    /// The id of the current secret: what is made under it says so.
    #[must_use]
    pub fn current_id(&self) -> u8 {
        self.current().id
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Keys> {
        self.0.iter()
    }

    /// What may be stored to recognise the current secret again: 16 bytes that tell nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        self.current().fingerprint
    }

    /// Whether some secret of the ring has this fingerprint.
    #[must_use]
    pub fn knows(&self, fingerprint: &[u8]) -> bool {
        self.0.iter().any(|keys| keys.fingerprint == fingerprint)
    }

    /// Seals `plain` so that it opens only together with `context` (AES-256-GCM-SIV, RFC 8452: a random nonce may repeat
    /// without harm, so one key lasts). The result is [`SEAL_OVERHEAD`] bytes longer.
    ///
    /// # Panics
    /// Where `plain` is longer than the algorithm takes (64 GiB); callers bound it far below.
    #[must_use]
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let keys = self.current();
        let nonce: [u8; aead::NONCE_LEN] = crate::id::random();
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.push(keys.id);
        sealed.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        keys.data
            .seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(context), &mut body)
            .expect("a bounded payload fits the algorithm");
        sealed.append(&mut body);
        sealed
    }

    /// Opens what [`Self::seal`] made under any secret of the ring.
    ///
    /// # Errors
    /// [`OpenError`], without saying which of its reasons it was.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (id, rest) = sealed.split_first().ok_or(OpenError)?;
        let (nonce, body) = rest.split_first_chunk::<{ aead::NONCE_LEN }>().ok_or(OpenError)?;
        for keys in self.0.iter().filter(|keys| keys.id == *id) {
            let nonce = aead::Nonce::assume_unique_for_key(*nonce);
            let mut body = body.to_vec();
            if let Ok(plain) = keys.data.open_in_place(nonce, aead::Aad::from(context), &mut body) {
                let length = plain.len();
                body.truncate(length);
                return Ok(body);
            }
        }
        Err(OpenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(secrets: &[&str]) -> KeyRing {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::new(*text).expect("long enough")).collect();
        KeyRing::new(&secrets, None).expect("one to four secrets")
    }

    #[test]
    fn a_payload_opens_only_in_its_context_and_under_a_known_secret() {
        let old = ring(&["the first secret of the fleet"]);
        let sealed = old.seal(b"ada", b"{\"cart\":1}");
        let new = ring(&["the second secret of the fleet", "the first secret of the fleet"]);
        assert_eq!(new.open(b"ada", &sealed), Ok(b"{\"cart\":1}".to_vec()));
        assert_eq!(new.open(b"bob", &sealed), Err(OpenError));
        assert_eq!(ring(&["a stranger's secret, also long"]).open(b"ada", &sealed), Err(OpenError));
        let mut altered = sealed.clone();
        *altered.last_mut().expect("not empty") ^= 1;
        assert_eq!(new.open(b"ada", &altered), Err(OpenError));
        for length in 0..sealed.len() {
            assert_eq!(new.open(b"ada", &sealed[..length]), Err(OpenError));
        }
    }

    #[test]
    fn a_ring_recognises_its_secrets_by_fingerprint() {
        let old = ring(&["the first secret of the fleet"]);
        let new = ring(&["the second secret of the fleet", "the first secret of the fleet"]);
        assert!(new.knows(&old.fingerprint()) && !old.knows(&new.fingerprint()));
        assert_eq!(Secret::new("short").err(), Some(SecretError::TooShort));
        assert_eq!(format!("{:?}", Secret::new("a secret that must not show")), "Ok(Secret(redacted))");
    }
}
