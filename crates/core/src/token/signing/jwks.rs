//! The key set that verifiers fetch (RFC 7517 5).

use super::SigningRing;
use crate::time::Timestamp;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A key set as it is at some time: public halves only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwks {
    /// The JSON document.
    pub body: String,
    /// Its strong entity tag, quotes included (RFC 9110 8.8.3). Changes with the document alone.
    pub etag: String,
}

impl Jwks {
    /// The keys of a ring that verify, or are about to.
    #[must_use]
    pub fn of(ring: &SigningRing, now: Timestamp) -> Self {
        let keys: Vec<_> = ring.verifying(now).map(|key| Value::Object(key.jwk())).collect();
        let body = json!({"keys": keys}).to_string();
        let digest = Sha256::digest(&body);
        Self { etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..12])), body }
    }
}
