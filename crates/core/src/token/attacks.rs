//! Published attacks on JWT verifiers, one row each: none of them may be read as an access token.
//!
//! The rows come from RFC 8725, RFC 9068, the CVEs named beside them, and the lists that penetration testers work through. Each one
//! is made from a good token by one change, and where the change is in what is signed, it is signed well again: so a row fails only if
//! the very thing it is about is accepted.
//!
//! The random part runs 256 cases; `PROPTEST_CASES=1000000 cargo test -p vestibule-core token::attacks` is its nightly form.

mod rows;

use super::{
    AccessClaims, FamilyId, TokenId,
    claims::{ClaimFlaw, Expectation},
    jwt::{self, Flaw},
    signing::{Algorithm, SigningKeyPair},
};
use crate::{
    id::{SessionId, UserTag},
    time::Timestamp,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::sync::LazyLock;

const ISSUER: &str = "https://login.example";
const NOW: u64 = 1_800_000_000;

struct Keys {
    ed: SigningKeyPair,
    ec: SigningKeyPair,
    rsa: SigningKeyPair,
    stranger: SigningKeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    ed: SigningKeyPair::generate(Algorithm::EdDsa),
    ec: SigningKeyPair::generate(Algorithm::Es256),
    rsa: SigningKeyPair::generate(Algorithm::Rs256),
    stranger: SigningKeyPair::generate(Algorithm::EdDsa),
});

#[derive(Debug, PartialEq)]
enum Refused {
    Token(Flaw),
    Claims(ClaimFlaw),
}

/// What every verification does, but for the deny-list.
fn accept(text: &str) -> Result<AccessClaims, Refused> {
    let ours = [&KEYS.ed, &KEYS.ec, &KEYS.rsa];
    let key = |kid: &str| ours.iter().find(|key| key.kid() == kid).map(|key| key.public());
    let claims = AccessClaims::read(jwt::read_access(text, key).map_err(Refused::Token)?).map_err(Refused::Claims)?;
    let expected = Expectation { issuer: ISSUER, audience: Some("api"), clock_skew_ms: 30_000 };
    claims.judge(expected, Timestamp::from_millis(NOW * 1_000)).map_err(Refused::Claims)?;
    Ok(claims)
}

fn good_claims() -> Value {
    let tag = UserTag::anonymous();
    json!({
        "iss": ISSUER, "sub": "ada", "aud": ["api", "files"], "exp": NOW + 600, "iat": NOW, "nbf": NOW,
        "jti": TokenId::generate(tag).to_string(), "sid": SessionId::generate(tag).to_string(),
        "fam": FamilyId::generate(tag).to_string(), "client_id": "app", "roles": ["admin"], "permissions": [],
        "scope": "read write", "ver": 3, "tenant": "t1",
    })
}

fn good_header(key: &SigningKeyPair) -> Value {
    json!({"alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": key.kid()})
}

/// Three parts, signed by this key whatever they say.
fn signed(key: &SigningKeyPair, header: &str, payload: &str) -> String {
    let text = format!("{}.{}", B64.encode(header), B64.encode(payload));
    let signature = B64.encode(key.sign(text.as_bytes()));
    format!("{text}.{signature}")
}

fn good() -> String {
    signed(&KEYS.ed, &good_header(&KEYS.ed).to_string(), &good_claims().to_string())
}

/// A good token but for its header.
fn header(change: impl FnOnce(&mut Map<String, Value>)) -> String {
    header_of(&KEYS.ed, change)
}

fn header_of(key: &SigningKeyPair, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut header = good_header(key);
    change(header.as_object_mut().expect("an object"));
    signed(key, &header.to_string(), &good_claims().to_string())
}

fn with(name: &str, value: impl Into<Value>) -> String {
    header(|header| drop(header.insert(name.to_owned(), value.into())))
}

fn raw_header(text: &str) -> String {
    signed(&KEYS.ed, text, &good_claims().to_string())
}

/// A good token but for one claim.
fn claim(name: &str, value: impl Into<Value>) -> String {
    let mut claims = good_claims();
    claims[name] = value.into();
    raw_claims(&claims.to_string())
}

fn without(name: &str) -> String {
    let mut claims = good_claims();
    claims.as_object_mut().expect("an object").remove(name);
    raw_claims(&claims.to_string())
}

fn raw_claims(text: &str) -> String {
    signed(&KEYS.ed, &good_header(&KEYS.ed).to_string(), text)
}

/// A header that asks for a MAC, and the MAC under something that everybody knows.
fn hmac(kid: &str, secret: &[u8]) -> String {
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid});
    let text = format!("{}.{}", B64.encode(header.to_string()), B64.encode(good_claims().to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(text.as_bytes());
    format!("{text}.{}", B64.encode(mac.finalize().into_bytes()))
}

/// The parts of a good token, put together otherwise.
fn parts(change: impl FnOnce(&str, &str, &str) -> String) -> String {
    let token = good();
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { unreachable!("three parts") };
    change(header, payload, signature)
}

fn with_signature(key: &SigningKeyPair, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let token = signed(key, &good_header(key).to_string(), &good_claims().to_string());
    let (text, signature) = token.rsplit_once('.').expect("three parts");
    format!("{text}.{}", B64.encode(change(B64.decode(signature).expect("base64url"))))
}

/// The other signature of the same message: s replaced by n - s.
fn other_s(mut signature: Vec<u8>) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
        0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut borrow = 0;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(signature[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + place] = (difference & 0xff) as u8;
    }
    signature
}

#[test]
fn good_tokens_of_every_algorithm_are_accepted() {
    for key in [&KEYS.ed, &KEYS.ec, &KEYS.rsa] {
        let token = jwt::sign(key, jwt::ACCESS, good_claims().as_object().expect("an object"));
        let claims = accept(&token).expect("a good token");
        assert_eq!((claims.subject.as_str(), &*claims.audience[1], claims.epoch), ("ada", "files", 3));
        assert_eq!(claims.extra, json!({"tenant": "t1"}).as_object().expect("an object").clone());
        let again = jwt::sign(key, jwt::ACCESS, &claims.to_map());
        assert_eq!(accept(&again), Ok(claims), "what is read is what was written");
    }
    assert!(accept(&with("typ", "application/at+jwt")).is_ok(), "RFC 9068 4");
    assert!(accept(&without("sid")).is_ok() && accept(&without("nbf")).is_ok() && accept(&claim("aud", "api")).is_ok());
}

// S51 S52 S53 S54
#[test]
fn published_attacks_are_refused() {
    let rows = rows::all();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let accepted: Vec<_> = rows.iter().filter(|(_, token)| accept(token).is_ok()).map(|(name, _)| *name).collect();
    assert!(accepted.is_empty(), "accepted: {accepted:?}");
    let mut names: Vec<_> = rows.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len(), "a row is there twice");
}

/// An ECDSA signature has a twin that is as good (RFC 6979 does not forbid it). Both say the same of the same bytes, and nothing here is
/// told apart by the signature: a token that is revoked is so by its `jti`.
#[test]
fn the_twin_of_a_signature_names_the_same_token() {
    let token = signed(&KEYS.ec, &good_header(&KEYS.ec).to_string(), &good_claims().to_string());
    let (text, signature) = token.rsplit_once('.').expect("three parts");
    let twin = format!("{text}.{}", B64.encode(other_s(B64.decode(signature).expect("base64url"))));
    assert_ne!(token, twin);
    assert_eq!(accept(&token).map(|claims| claims.id), accept(&twin).map(|claims| claims.id));
}

proptest! {
    #[test]
    fn arbitrary_texts_are_refused_and_never_panic(text in "\\PC{0,200}") {
        prop_assert!(accept(&text).is_err());
    }

    #[test]
    fn arbitrary_parts_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..3_usize) {
        let token = good();
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        parts[at] = B64.encode(&bytes);
        prop_assert!(accept(&parts.join(".")).is_err());
    }

    #[test]
    fn well_signed_nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<bool>()) {
        let payload = String::from_utf8_lossy(&bytes).into_owned();
        let _ = accept(&if at { raw_header(&payload) } else { raw_claims(&payload) });
    }
}
