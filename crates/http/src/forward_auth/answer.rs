//! The answer that lets a request pass: empty, with five identity headers that are always there.
//!
//! They are always there so that a proxy which copies them overwrites whatever a client sent under these names.

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use vestibule_core::bounds::REQUEST_ID_BYTES;
use vestibule_core::session::service::validate::ValidSession;
use vestibule_core::token::AccessClaims;

use super::judge::Identity;
use crate::headers::{ACTOR, EMPTY, MFA, NO_STORE, REQUEST_ID, ROLES, SESSION, Single, USER, single};
use crate::request_id;

static TRUE: HeaderValue = HeaderValue::from_static("true");
static FALSE: HeaderValue = HeaderValue::from_static("false");

/// Names the request: the proxy's own word where it is usable, else a fresh name.
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let is_usable =
            |text: &str| (1..=REQUEST_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        match (single(headers, &REQUEST_ID), headers.get(&REQUEST_ID)) {
            // A clone shares the bytes.
            (Single::One(text), Some(value)) if is_usable(text) => Self(value.clone()),
            _ => Self(fresh()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

fn fresh() -> HeaderValue {
    HeaderValue::from_bytes(&request_id::fresh()).unwrap_or_else(|_| EMPTY.clone())
}

/// 200 with the identity.
pub(super) fn allowed(identity: &Identity, request_id: &RequestId) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(8);
    match identity {
        Identity::Session(valid) => put_session(headers, valid),
        Identity::Token(claims) => put_claims(headers, claims),
    }
    headers.insert(CACHE_CONTROL, NO_STORE.clone());
    headers.insert(&REQUEST_ID, request_id.0.clone());
    response
}

fn put_session(headers: &mut HeaderMap, valid: &ValidSession) {
    let packed = valid.packed();
    headers.insert(&USER, valid.user_id().map_or_else(|| EMPTY.clone(), |user| listed([user].into_iter())));
    headers.insert(&SESSION, HeaderValue::from_str(valid.id().to_text().as_str()).unwrap_or_else(|_| EMPTY.clone()));
    headers.insert(&ROLES, listed(packed.roles()));
    headers.insert(&MFA, if valid.mfa() { TRUE.clone() } else { FALSE.clone() });
    let actor = if packed.has_actor() { packed.unpack().actor } else { None };
    let actor = actor.map_or_else(|| EMPTY.clone(), |actor| listed([actor.user_id.as_str()].into_iter()));
    headers.insert(&ACTOR, actor);
}

fn put_claims(headers: &mut HeaderMap, claims: &AccessClaims) {
    headers.insert(&USER, listed([claims.subject.as_str()].into_iter()));
    let session = claims.session.and_then(|id| HeaderValue::from_str(id.to_text().as_str()).ok());
    headers.insert(&SESSION, session.unwrap_or_else(|| EMPTY.clone()));
    headers.insert(&ROLES, listed(claims.roles.iter().map(|role| &**role)));
    headers.insert(&MFA, FALSE.clone());
    headers.insert(&ACTOR, EMPTY.clone());
}

/// Texts as one header value, comma separated. Bytes outside visible ASCII, `%` and the comma are percent-encoded, so that
/// no text can end a header, hide in it, or look like two.
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> HeaderValue {
    let mut line = BytesMut::new();
    for (at, text) in texts.enumerate() {
        if at > 0 {
            line.put_u8(b',');
        }
        if text.bytes().all(is_plain) {
            line.extend_from_slice(text.as_bytes());
        } else {
            text.bytes().for_each(|byte| put_encoded(&mut line, byte));
        }
    }
    header_value(line.freeze())
}

fn header_value(line: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(line).unwrap_or_else(|_| EMPTY.clone())
}

fn put_encoded(line: &mut BytesMut, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_plain(byte) {
        line.put_u8(byte);
    } else {
        line.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'%' | b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    // S96
    #[test]
    fn no_text_can_leave_its_place_in_a_header() {
        let value = |texts: &[&str]| listed(texts.iter().copied());
        assert_eq!(value(&["staff", "admin"]), "staff,admin");
        assert_eq!(value(&["a,b", "50%", "night shift"]), "a%2Cb,50%25,night%20shift");
        assert_eq!(value(&["zoë\r\nx: y"]), "zo%C3%AB%0D%0Ax:%20y");
        assert_eq!(value(&[]), "");
    }

    #[test]
    fn only_a_plain_request_id_is_kept() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(&REQUEST_ID, HeaderValue::from_static(value));
            RequestId::of(&headers).as_str().to_owned()
        };
        assert_eq!(read("4bf9-2f"), "4bf9-2f");
        assert_eq!(read("a b").len(), 32);
        assert_ne!(read(""), read(""));
    }
}
