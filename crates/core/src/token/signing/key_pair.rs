//! One key: the private half that signs, the public half that verifies and is published.

use super::Algorithm;
use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaKeyPair,
        VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Fewest bytes of an RSA modulus: 2048 bits, which give 112 bits of security until 2030 and are the least that RFC 7518 3.3 allows.
const RSA_BYTES: usize = 256;

/// Why a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyPairError {
    /// There is no private key in it.
    #[error("expected one private key in PEM: PRIVATE KEY (PKCS#8), EC PRIVATE KEY or RSA PRIVATE KEY, not encrypted")]
    NotPem,
    /// Of a kind that signs no tokens here, or damaged.
    #[error("the key is damaged or of another kind; take Ed25519, P-256, or RSA of 2048 to 8192 bits")]
    Unsupported,
}

enum Private {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

/// A key that signs. Redacted whole.
pub struct SigningKeyPair {
    private: Private,
    public: VerifyingKey,
}

impl fmt::Debug for SigningKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeyPair({}, redacted)", self.kid())
    }
}

impl SigningKeyPair {
    /// A fresh key. RSA takes some 100 ms.
    ///
    /// # Panics
    /// Where the operating system has no entropy source.
    #[must_use]
    pub fn generate(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate().ok().map(Private::EdDsa),
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok().map(Private::Es256),
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).ok().map(Private::Rs256),
        };
        pair.and_then(Self::of).expect("a key is generated wherever there is randomness")
    }

    /// The key in a PEM file, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`KeyPairError`]; weak keys among it (RFC 8725 3.5).
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyPairError> {
        let private = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyPairError::NotPem)? {
            PrivateKeyDer::Pkcs8(der) => return Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der())
                    .ok()
                    .map(Private::Es256)
            }
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok().map(Private::Rs256),
            _ => None,
        };
        private.and_then(Self::of).ok_or(KeyPairError::Unsupported)
    }

    /// The key in PKCS#8 (RFC 5208).
    ///
    /// # Errors
    /// [`KeyPairError::Unsupported`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyPairError> {
        let eddsa = || Ed25519KeyPair::from_pkcs8(der).ok().map(Private::EdDsa);
        let es256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(Private::Es256);
        let rs256 = || RsaKeyPair::from_pkcs8(der).ok().map(Private::Rs256);
        eddsa().or_else(es256).or_else(rs256).and_then(Self::of).ok_or(KeyPairError::Unsupported)
    }

    fn of(private: Private) -> Option<Self> {
        let public = match &private {
            Private::EdDsa(pair) => VerifyingKey::eddsa(pair.public_key().as_ref()),
            Private::Es256(pair) => VerifyingKey::es256(pair.public_key().as_ref()),
            Private::Rs256(pair) => VerifyingKey::rs256(pair.public_key().as_ref()),
        };
        Some(Self { private, public: public? })
    }

    /// The key in PKCS#8, to be sealed.
    ///
    /// # Panics
    /// Never for a key that was made or read by this type.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        const WRITTEN: &str = "a valid key is written";
        Zeroizing::new(match &self.private {
            Private::EdDsa(pair) => pair.to_pkcs8().expect(WRITTEN).as_ref().to_vec(),
            Private::Es256(pair) => pair.to_pkcs8v1().expect(WRITTEN).as_ref().to_vec(),
            Private::Rs256(pair) => {
                let der: Result<Pkcs8V1Der<'_>, _> = pair.as_der();
                der.expect(WRITTEN).as_ref().to_vec()
            }
        })
    }

    /// The signature over these bytes, in the form of RFC 7518.
    ///
    /// # Panics
    /// Where the operating system has no entropy source.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        const SIGNED: &str = "a valid key signs";
        match &self.private {
            Private::EdDsa(pair) => pair.sign(bytes).as_ref().to_vec(),
            Private::Es256(pair) => pair.sign(&SystemRandom::new(), bytes).expect(SIGNED).as_ref().to_vec(),
            Private::Rs256(pair) => {
                let mut written = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut written).expect(SIGNED);
                written
            }
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm
    }

    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.public.kid
    }
}

/// A key that verifies.
pub struct VerifyingKey {
    algorithm: Algorithm,
    kid: Box<str>,
    /// The members that make the key, and by which it is named (RFC 7638 3.2), in the order of their names.
    members: Map<String, Value>,
    parsed: ParsedPublicKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.kid)
    }
}

impl VerifyingKey {
    fn eddsa(x: &[u8]) -> Option<Self> {
        let members = json!({"crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(x)});
        Self::new(Algorithm::EdDsa, members, &signature::ED25519, x)
    }

    /// From an uncompressed point (SEC 1 2.3.3): 4, x, y.
    fn es256(point: &[u8]) -> Option<Self> {
        let [4, coordinates @ ..] = point else { return None };
        let (x, y) = coordinates.split_at_checked(32)?;
        let members = json!({"crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
        Self::new(Algorithm::Es256, members, &signature::ECDSA_P256_SHA256_FIXED, point)
    }

    /// From an `RSAPublicKey` (RFC 8017 A.1.1).
    fn rs256(der: &[u8]) -> Option<Self> {
        let (0x30, content, []) = tlv(der)? else { return None };
        let (0x02, n, rest) = tlv(content)? else { return None };
        let (0x02, e, []) = tlv(rest)? else { return None };
        let (n, e) = (magnitude(n), magnitude(e));
        if n.len() < RSA_BYTES {
            return None;
        }
        let members = json!({"e": URL_SAFE_NO_PAD.encode(e), "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n)});
        Self::new(Algorithm::Rs256, members, &signature::RSA_PKCS1_2048_8192_SHA256, der)
    }

    fn new(algorithm: Algorithm, members: Value, by: &'static dyn VerificationAlgorithm, public: &[u8]) -> Option<Self> {
        let parsed = ParsedPublicKey::new(by, public).ok()?;
        // `Map` keeps its members sorted, and nothing in them needs an escape: this is the canonical form of RFC 7638.
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(members.to_string())).into();
        let Value::Object(members) = members else { return None };
        Some(Self { algorithm, kid, members, parsed })
    }

    /// What it verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name: its RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether this is the signature over these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(bytes, signature).is_ok()
    }

    /// As it is published (RFC 7517 4).
    #[must_use]
    pub fn jwk(&self) -> Map<String, Value> {
        let mut jwk = self.members.clone();
        for (name, value) in [("alg", self.algorithm.as_str()), ("kid", &self.kid), ("use", "sig")] {
            jwk.insert(name.to_owned(), value.into());
        }
        jwk
    }
}

/// Tag, content and rest of a DER value of at most 64 KiB.
fn tlv(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// An unsigned number without leading zeros.
fn magnitude(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    &integer[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Result<SigningKeyPair, KeyPairError> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/token/signing/fixtures").join(name);
        SigningKeyPair::from_pem(&std::fs::read(path).expect("the fixture is there"))
    }

    #[test]
    fn keys_of_openssl_are_read_in_each_of_its_forms() {
        assert_eq!(fixture("rsa-2048.pem").map(|key| key.algorithm()), Ok(Algorithm::Rs256));
        let (sec1, pkcs8) = (fixture("p256-sec1.pem").expect("a key"), fixture("p256-pkcs8.pem").expect("a key"));
        assert_eq!((sec1.algorithm(), sec1.kid()), (Algorithm::Es256, pkcs8.kid()));
    }

    // S58
    #[test]
    fn weak_keys_and_what_is_no_key_are_refused() {
        for weak in ["rsa-1024.pem", "rsa-1024-pkcs8.pem", "p384-sec1.pem", "x25519.pem"] {
            assert_eq!(fixture(weak).map(|key| key.algorithm()), Err(KeyPairError::Unsupported), "{weak}");
        }
        for no_key in ["p256-public.pem", "p256-encrypted.pem"] {
            assert_eq!(fixture(no_key).map(|key| key.algorithm()), Err(KeyPairError::NotPem), "{no_key}");
        }
        assert!(SigningKeyPair::from_pem(b"").is_err() && SigningKeyPair::from_pkcs8(b"").is_err());
    }

    #[test]
    fn a_key_survives_its_stored_form() {
        for algorithm in Algorithm::ALL {
            let key = SigningKeyPair::generate(algorithm);
            let again = SigningKeyPair::from_pkcs8(&key.to_pkcs8()).expect("a key");
            assert_eq!((again.algorithm(), again.kid()), (algorithm, key.kid()));
            assert!(
                key.public().verifies(b"text", &again.sign(b"text")) && !key.public().verifies(b"next", &again.sign(b"text"))
            );
            assert!(!format!("{key:?}").contains(&URL_SAFE_NO_PAD.encode(&*key.to_pkcs8())));
        }
    }

    #[test]
    fn the_vector_of_rfc_8037_has_its_thumbprint() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64url");
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend(seed);
        let key = SigningKeyPair::from_pkcs8(&der).expect("a key");
        assert_eq!(key.public().jwk()["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_published_key_has_public_members_only() {
        for (algorithm, names) in [
            (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"][..]),
            (Algorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::Rs256, &["alg", "e", "kid", "kty", "n", "use"]),
        ] {
            let jwk = SigningKeyPair::generate(algorithm).public().jwk();
            let mut members: Vec<_> = jwk.keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, names);
        }
    }
}
