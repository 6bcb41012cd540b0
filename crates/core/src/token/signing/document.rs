//! The stored form of a ring: JSON, with each private key sealed. `docs/record.md` specifies it.

use super::{HeldKey, SigningKeyPair, SigningRing};
use crate::{fault::Fault, secret::KeyRing, time::Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Raised when the form changes.
const FORM: u8 = 1;
const PURPOSE: &str = "vestibule/1/signing-key/";

#[derive(Serialize, Deserialize)]
struct Document {
    form: u8,
    keys: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    kid: String,
    published_at: u64,
    signs_from: u64,
    token_life_ms: u64,
    sealed: String,
}

/// What a ring is stored as, sealed under the current secret.
pub(super) fn pack(ring: &SigningRing, secrets: &KeyRing) -> Vec<u8> {
    let entry = |key: &HeldKey| Entry {
        kid: key.pair.kid().to_owned(),
        published_at: key.published_at.millis(),
        signs_from: key.signs_from.millis(),
        token_life_ms: key.token_life_ms,
        sealed: URL_SAFE_NO_PAD.encode(secrets.seal(&context(key.pair.kid()), &key.pair.to_pkcs8())),
    };
    let document = Document { form: FORM, keys: ring.keys().iter().map(entry).collect() };
    serde_json::to_vec(&document).expect("texts and numbers are written")
}

/// Reads what is stored. `known` spares opening the keys that are held already.
pub(super) fn unpack(bytes: &[u8], secrets: &KeyRing, known: &SigningRing) -> Result<SigningRing, Fault> {
    let document: Document = serde_json::from_slice(bytes).map_err(|_| corrupt("the signing keys cannot be read"))?;
    if document.form != FORM {
        return Err(corrupt("the signing keys were stored by a newer version"));
    }
    let keys = document.keys.iter().map(|entry| {
        let held = known.keys().iter().find(|key| key.pair.kid() == entry.kid).map(|key| key.pair.clone());
        Ok(HeldKey {
            pair: held.map_or_else(|| open(entry, secrets), Ok)?,
            published_at: Timestamp::from_millis(entry.published_at),
            signs_from: Timestamp::from_millis(entry.signs_from),
            token_life_ms: entry.token_life_ms,
        })
    });
    keys.collect::<Result<_, _>>().map(SigningRing::new)
}

/// Whether all of it is sealed under the current secret, so that the ones before it can be given up.
pub(super) fn is_current(bytes: &[u8], secrets: &KeyRing) -> bool {
    let current =
        |entry: &Entry| URL_SAFE_NO_PAD.decode(&entry.sealed).is_ok_and(|sealed| sealed.first() == Some(&secrets.current().id));
    serde_json::from_slice::<Document>(bytes).is_ok_and(|document| document.keys.iter().all(current))
}

fn open(entry: &Entry, secrets: &KeyRing) -> Result<Arc<SigningKeyPair>, Fault> {
    let sealed = URL_SAFE_NO_PAD.decode(&entry.sealed).map_err(|_| corrupt("a signing key cannot be read"))?;
    let pkcs8 = secrets.open(&context(&entry.kid), &sealed).map_err(|_| corrupt("a signing key does not open"))?;
    let pkcs8 = zeroize::Zeroizing::new(pkcs8);
    let pair = SigningKeyPair::from_pkcs8(&pkcs8).ok().filter(|pair| pair.kid() == entry.kid);
    pair.map(Arc::new).ok_or_else(|| corrupt("a signing key is not the one it was"))
}

fn context(kid: &str) -> Vec<u8> {
    [PURPOSE, kid].concat().into_bytes()
}

fn corrupt(text: &'static str) -> Fault {
    Fault::Corrupt(text.into())
}
