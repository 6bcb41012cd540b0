//! Signed tokens: JWS in compact form (RFC 7515 3.1), made and read as strictly as is possible for a single issuer.
//!
//! Everything that goes in here as a token was made by [`sign`] of this deployment, or it is refused. So the reader needs no
//! leniency, and each field of the header that could steer a verifier is refused where it stands (RFC 8725 3):
//!
//! * a header has `alg`, `typ` and `kid`, each once, and nothing else. `jku`, `x5u`, `jwk` and `x5c` are neither followed nor
//!   ignored, nor are `crit`, `b64` and `zip`;
//! * the key is found by the whole `kid` among ours, and `alg` is compared with what the key is for. The token chooses nothing;
//! * base64url is the canonical spelling without padding and white space; JSON names no member twice.
//!
//! Signatures are made and checked by `aws-lc-rs` itself. The usual JWT crates verify well, but they parse leniently first: to be
//! this strict, every part would have to be read here before, and then once more there.

use super::{
    json,
    signing::{SigningKeyPair, VerifyingKey},
};
use crate::bounds::SIGNED_TOKEN_BYTES;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// `typ` of access tokens (RFC 9068 2.1).
pub const ACCESS: &str = "at+jwt";
/// `typ` of the signed deny-list.
pub const DENY_LIST: &str = "deny-list+jwt";
/// `typ` of access tokens in its long spelling, which RFC 9068 4 has verifiers accept.
const ACCESS_LONG: &str = "application/at+jwt";

/// Why a text is not a token of ours. For logs and tests; a client is told no more than that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Longer than [`SIGNED_TOKEN_BYTES`].
    TooLong,
    /// Not three parts of canonical base64url with a JSON object in the first two.
    Malformed,
    /// The header lacks a field, has one more, or one of another type.
    Header,
    /// Made for another purpose.
    WrongType,
    /// No key of ours has this name.
    UnknownKey,
    /// Not the algorithm of that key.
    WrongAlgorithm,
    /// The signature is not that key's.
    BadSignature,
}

/// A signed text of this type and payload.
#[must_use]
pub fn sign(key: &SigningKeyPair, typ: &str, payload: &Map<String, Value>) -> String {
    let header = serde_json::json!({"alg": key.algorithm().as_str(), "typ": typ, "kid": key.kid()});
    let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(payload).expect("a JSON object is written"), &mut text);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    text
}

/// The payload of an access token that is signed by one of ours; what it claims is not judged here.
///
/// # Errors
/// The first [`Flaw`] that was met.
pub fn read_access<'k>(text: &str, key_of: impl Fn(&str) -> Option<&'k VerifyingKey>) -> Result<Map<String, Value>, Flaw> {
    read(text, |typ| typ == ACCESS || typ == ACCESS_LONG, key_of)
}

/// The payload of a signed text of one type.
///
/// # Errors
/// The first [`Flaw`] that was met.
pub fn read<'k>(
    text: &str,
    is_type: impl Fn(&str) -> bool,
    key_of: impl Fn(&str) -> Option<&'k VerifyingKey>,
) -> Result<Map<String, Value>, Flaw> {
    if text.len() > SIGNED_TOKEN_BYTES {
        return Err(Flaw::TooLong);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Flaw::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Flaw::Malformed)?;
    let header = Header::read(&part(header)?)?;
    if !is_type(&header.typ) {
        return Err(Flaw::WrongType);
    }
    let key = key_of(&header.kid).ok_or(Flaw::UnknownKey)?;
    if header.alg != key.algorithm().as_str() {
        return Err(Flaw::WrongAlgorithm);
    }
    // A fourth part leaves a dot in here, which is not base64url.
    let payload = part(payload)?;
    if !key.verifies(signed.as_bytes(), &part(signature)?) {
        return Err(Flaw::BadSignature);
    }
    json::object(&payload).ok_or(Flaw::Malformed)
}

fn part(text: &str) -> Result<Vec<u8>, Flaw> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Flaw::Malformed)
}

struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let mut members = json::object(bytes).ok_or(Flaw::Malformed)?;
        let mut text = |name| match members.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Flaw::Header),
        };
        let header = Self { alg: text("alg")?, typ: text("typ")?, kid: text("kid")? };
        if members.is_empty() { Ok(header) } else { Err(Flaw::Header) }
    }
}
