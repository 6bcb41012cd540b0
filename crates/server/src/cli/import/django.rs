//! Sessions as Django writes them: the signed form of the database, or plain JSON of a cache.
//!
//! Signatures are not checked: whoever reads the store reads what Django itself believes. What is pickled is refused by its
//! name, since reading it would mean to run it.

use super::{bounds, map::Reason};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::URL_SAFE_NO_PAD},
};
use serde_json::Value;
use std::io::Read as _;

/// The first byte of a pickle since protocol 2.
const PICKLE: u8 = 0x80;
/// Django before 3.1 wrote base64 with or without its padding.
const OLD_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The members of a session.
pub(super) fn decode(stored: &[u8]) -> Result<Value, Reason> {
    if matches!(stored.first(), Some(b'{' | &PICKLE)) {
        return json(stored);
    }
    let text = std::str::from_utf8(stored).map_err(|_| "unreadable")?;
    match text.split_once(':') {
        // `payload:time:signature`, a dot before a compressed payload.
        Some((payload, _)) => match payload.strip_prefix('.') {
            Some(payload) => json(&inflated(&unarmoured(payload)?)?),
            None => json(&unarmoured(payload)?),
        },
        None => before_3_1(text),
    }
}

/// Base64 of `digest:payload`.
fn before_3_1(text: &str) -> Result<Value, Reason> {
    let bytes = OLD_BASE64.decode(text.trim()).map_err(|_| "unreadable")?;
    let place = bytes.iter().position(|byte| *byte == b':').ok_or("unreadable")?;
    json(&bytes[place + 1..])
}

fn unarmoured(payload: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(payload).map_err(|_| "unreadable")
}

fn inflated(bytes: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut plain = Vec::new();
    let bound = bounds::VALUE_BYTES as u64 + 1;
    flate2::read::ZlibDecoder::new(bytes).take(bound).read_to_end(&mut plain).map_err(|_| "unreadable")?;
    if plain.len() > bounds::VALUE_BYTES { Err("too_large") } else { Ok(plain) }
}

fn json(bytes: &[u8]) -> Result<Value, Reason> {
    if bytes.first() == Some(&PICKLE) {
        return Err("pickle");
    }
    serde_json::from_slice(bytes).map_err(|_| "unreadable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_json_is_read() {
        let session = json!({"_auth_user_id": "7", "_auth_user_backend": "django.contrib.auth.backends.ModelBackend"});
        for stored in [SIGNED, COMPRESSED, OLD, PLAIN] {
            assert_eq!(decode(stored.as_bytes()), Ok(session.clone()), "{stored}");
        }
    }

    #[test]
    fn a_pickle_is_refused_by_its_name() {
        let old = OLD_BASE64.encode(b"0123abcd:\x80\x04}q\x00.");
        let new = format!("{}:1rXyZz:signature", URL_SAFE_NO_PAD.encode(b"\x80\x04}q\x00."));
        for stored in [&b"\x80\x04}q\x00."[..], old.as_bytes(), new.as_bytes()] {
            assert_eq!(decode(stored), Err("pickle"));
        }
        assert_eq!(decode(b"not a session"), Err("unreadable"));
    }

    const PLAIN: &str = r#"{"_auth_user_id":"7","_auth_user_backend":"django.contrib.auth.backends.ModelBackend"}"#;
    const SIGNED: &str = "eyJfYXV0aF91c2VyX2lkIjoiNyIsIl9hdXRoX3VzZXJfYmFja2VuZCI6ImRqYW5nby5jb250cmliLmF1dGguYmFja2VuZHMuTW9k\
        ZWxCYWNrZW5kIn0:1rXyZz:abcDEF-signature_0";
    const COMPRESSED: &str = ".eJyrVopPLC3JiC8tTi2Kz0xRslIyV9JBFktKTM5OzQNJpGQl5qXn6yXn55UUZSbpgZToQWWL9XzzU1JznKBqawE8hh8z:1rXyZz\
        :abcDEF-signature_0";
    const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjp7Il9hdXRoX3VzZXJfaWQiOiI3IiwiX2F1dGhfdXNlcl9iYWNrZW5kIjoiZGphbmdvLmNvbnRyaWIu\
        YXV0aC5iYWNrZW5kcy5Nb2RlbEJhY2tlbmQifQ==";
}
