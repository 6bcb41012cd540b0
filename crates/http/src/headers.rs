//! Names and values of the headers that this crate reads and writes, and the rule for headers that may occur once.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Identity header of the proxy answers: the user id, empty where nobody is logged in.
pub static USER: HeaderName = HeaderName::from_static("x-vestibule-user");
/// Identity header of the proxy answers: the public session id.
pub static SESSION: HeaderName = HeaderName::from_static("x-vestibule-session");
/// Identity header of the proxy answers: roles, comma separated.
pub static ROLES: HeaderName = HeaderName::from_static("x-vestibule-roles");
/// Identity header of the proxy answers: `true` after a second factor, else `false`.
pub static MFA: HeaderName = HeaderName::from_static("x-vestibule-mfa");
/// Identity header of the proxy answers: who acts in the user's name, empty without impersonation.
pub static ACTOR: HeaderName = HeaderName::from_static("x-vestibule-actor");
/// Carries the CSRF token on unsafe requests.
pub static CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
/// Names the request in answers, events and logs.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Tells a browser what to forget (W3C Clear Site Data).
pub static CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// The browser's own word on where a request comes from (W3C Fetch Metadata).
pub static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Addresses of the hops before the peer, client first.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Method of the original request, as Traefik and Caddy send it.
pub static X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
/// Scheme of the original request.
pub static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Host of the original request.
pub static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Path and query of the original request, as Traefik and Caddy send it.
pub static X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
/// Method of the original request, as the nginx snippet sets it.
pub static X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
/// Scheme of the original request, as the nginx snippet sets it.
pub static X_ORIGINAL_PROTO: HeaderName = HeaderName::from_static("x-original-proto");
/// Host of the original request, as the nginx snippet sets it.
pub static X_ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-original-host");
/// Path and query of the original request, as the nginx snippet sets it.
pub static X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// `Cache-Control` of every answer that sets or shows session data.
pub static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// `Clear-Site-Data` of a logout, where it is switched on.
pub static CLEAR_SITE_DATA_ALL: HeaderValue = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
/// Value of a boolean or list header that has nothing to say.
pub static EMPTY: HeaderValue = HeaderValue::from_static("");

/// What a request says in a header that may occur once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Single<'a> {
    /// The header is not there.
    Absent,
    /// The one value, in visible ASCII. It may be empty.
    One(&'a str),
    /// Several header lines, or bytes outside visible ASCII. Two readers would see two requests, so nobody reads it.
    Invalid,
}

/// Reads a header that may occur once, without allocating.
#[must_use]
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Single<'a> {
    let mut lines = headers.get_all(name).iter();
    let Some(first) = lines.next() else {
        return Single::Absent;
    };
    if lines.next().is_some() {
        return Single::Invalid;
    }
    first.to_str().map_or(Single::Invalid, Single::One)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_given_twice_is_not_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, &CSRF_TOKEN), Single::Absent);
        headers.append(&CSRF_TOKEN, HeaderValue::from_static("a"));
        assert_eq!(single(&headers, &CSRF_TOKEN), Single::One("a"));
        headers.append(&CSRF_TOKEN, HeaderValue::from_static("a"));
        assert_eq!(single(&headers, &CSRF_TOKEN), Single::Invalid);
    }

    #[test]
    fn bytes_outside_ascii_are_not_read() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"caf\xe9").expect("obs-text is a legal header value");
        headers.insert(&CSRF_TOKEN, value);
        assert_eq!(single(&headers, &CSRF_TOKEN), Single::Invalid);
    }
}
