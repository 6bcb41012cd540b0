//! The original request behind a call from a reverse proxy.
//!
//! A proxy asks us about a request that it holds back. The verdict depends on that request (CSRF by its method, step-up by
//! where it goes), so its method, scheme, host and URI must be told; nothing is guessed, and what is missing is refused.
//!
//! Each endpoint reads the headers that its proxy overwrites on every call. The other family is read only where the
//! endpoint's own is absent as a whole: a client can send those headers through a proxy that does not know them.

use http::header::{HOST, HeaderMap, HeaderName};

use crate::bounds::{METHOD_BYTES, URI_BYTES};
use crate::cookie::is_token_byte;
use crate::headers::{
    Single, X_FORWARDED_HOST, X_FORWARDED_METHOD, X_FORWARDED_PROTO, X_FORWARDED_URI, X_ORIGINAL_HOST, X_ORIGINAL_METHOD,
    X_ORIGINAL_PROTO, X_ORIGINAL_URI, single,
};
use crate::origin::{Authority, Scheme};
use crate::problem::{Problem, ProblemCode};

/// The request that the proxy holds back, borrowed from the headers of its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalRequest<'a> {
    /// Method, as the client sent it.
    pub method: &'a str,
    /// How the client speaks to the proxy.
    pub scheme: Scheme,
    /// The host that the client asked for, with its port where one was given.
    pub host: &'a str,
    /// Path and query.
    pub uri: &'a str,
}

/// The proxy did not tell enough about the original request. Both are a 400: the proxy's configuration is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataError {
    /// This header is not there.
    Missing(&'static str),
    /// This header is empty, repeated, too long, or not what its name promises.
    Malformed(&'static str),
}

impl From<MetadataError> for Problem {
    fn from(error: MetadataError) -> Self {
        let (code, name, what) = match error {
            MetadataError::Missing(name) => (ProblemCode::ProxyHeadersMissing, name, "is missing"),
            MetadataError::Malformed(name) => (ProblemCode::ProxyHeadersInvalid, name, "is empty or malformed"),
        };
        Self::new(code).with_detail(format!("{name} of the original request {what}")).with_field(name)
    }
}

/// Which headers carry the original request, each with the name that an operator reads.
struct Family {
    method: (&'static HeaderName, &'static str),
    proto: (&'static HeaderName, &'static str),
    host: (&'static HeaderName, &'static str),
    uri: (&'static HeaderName, &'static str),
}

static FORWARDED_FAMILY: Family = Family {
    method: (&X_FORWARDED_METHOD, "X-Forwarded-Method"),
    proto: (&X_FORWARDED_PROTO, "X-Forwarded-Proto"),
    host: (&X_FORWARDED_HOST, "X-Forwarded-Host"),
    uri: (&X_FORWARDED_URI, "X-Forwarded-Uri"),
};

static ORIGINAL_FAMILY: Family = Family {
    method: (&X_ORIGINAL_METHOD, "X-Original-Method"),
    proto: (&X_ORIGINAL_PROTO, "X-Original-Proto"),
    host: (&X_ORIGINAL_HOST, "X-Original-Host"),
    uri: (&X_ORIGINAL_URI, "X-Original-Uri"),
};

impl<'a> OriginalRequest<'a> {
    /// The original request behind `/forward-auth`: `X-Forwarded-*` as Traefik and Caddy send them.
    ///
    /// `X-Original-*` are read where neither `X-Forwarded-Method` nor `X-Forwarded-Uri` is there.
    ///
    /// # Errors
    /// [`MetadataError`] names the first header at fault.
    pub fn of_forward_auth(headers: &'a HeaderMap) -> Result<Self, MetadataError> {
        Self::of_families(headers, &FORWARDED_FAMILY, &ORIGINAL_FAMILY)
    }

    /// The original request behind `/auth-request`: `X-Original-*` as the nginx snippet sets them.
    ///
    /// `X-Forwarded-*` are read where neither `X-Original-Method` nor `X-Original-Uri` is there.
    ///
    /// # Errors
    /// [`MetadataError`] names the first header at fault.
    pub fn of_auth_request(headers: &'a HeaderMap) -> Result<Self, MetadataError> {
        Self::of_families(headers, &ORIGINAL_FAMILY, &FORWARDED_FAMILY)
    }

    /// The original request behind `/ext-authz/*`: Envoy keeps method and `Host`, puts the prefix before the path, and tells
    /// the scheme in `X-Forwarded-Proto`. Path and query of the call are the client's, so it has no query of our own.
    ///
    /// # Errors
    /// [`MetadataError`] names what is at fault.
    pub fn of_ext_authz(
        method: &'a str,
        path_and_query: &'a str,
        prefix: &str,
        headers: &'a HeaderMap,
    ) -> Result<Self, MetadataError> {
        let uri = path_and_query.strip_prefix(prefix).filter(|uri| uri.starts_with('/'));
        Ok(Self {
            method: method_of(method).ok_or(MetadataError::Malformed("method"))?,
            scheme: read(headers, FORWARDED_FAMILY.proto, Scheme::parse)?,
            host: read(headers, (&HOST, "Host"), host_of)?,
            uri: uri_of(uri.ok_or(MetadataError::Missing("path"))?).ok_or(MetadataError::Malformed("path"))?,
        })
    }

    fn of_families(headers: &'a HeaderMap, own: &Family, other: &Family) -> Result<Self, MetadataError> {
        // Proto and host do not tell the families apart: many proxies add X-Forwarded-Proto to whatever they pass on.
        let is_there = |family: &Family| headers.contains_key(family.method.0) || headers.contains_key(family.uri.0);
        let family = if !is_there(own) && is_there(other) { other } else { own };
        Ok(Self {
            method: read(headers, family.method, method_of)?,
            scheme: read(headers, family.proto, Scheme::parse)?,
            host: read(headers, family.host, host_of)?,
            uri: read(headers, family.uri, uri_of)?,
        })
    }
}

fn read<'a, T>(
    headers: &'a HeaderMap,
    (header, name): (&HeaderName, &'static str),
    parse: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, MetadataError> {
    match single(headers, header) {
        Single::Absent => Err(MetadataError::Missing(name)),
        Single::Invalid => Err(MetadataError::Malformed(name)),
        Single::One(text) => parse(text).ok_or(MetadataError::Malformed(name)),
    }
}

fn method_of(text: &str) -> Option<&str> {
    let fits = (1..=METHOD_BYTES).contains(&text.len());
    (fits && text.bytes().all(is_token_byte)).then_some(text)
}

fn host_of(text: &str) -> Option<&str> {
    Authority::parse(text).map(|_| text)
}

fn uri_of(text: &str) -> Option<&str> {
    let fits = (1..=URI_BYTES).contains(&text.len());
    let is_local = text.starts_with('/') || text == "*";
    (fits && is_local && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FORWARDED: [(&str, &str); 4] = [
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example:8443"),
        ("x-forwarded-uri", "/orders?token=theirs"),
    ];
    const ORIGINAL: [(&str, &str); 4] = [
        ("x-original-method", "GET"),
        ("x-original-proto", "http"),
        ("x-original-host", "nginx.example"),
        ("x-original-uri", "/"),
    ];

    fn request(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().expect("a header name");
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }

    fn method<'a>(read: Result<OriginalRequest<'a>, MetadataError>) -> Result<&'a str, MetadataError> {
        read.map(|original| original.method)
    }

    #[test]
    fn each_endpoint_reads_its_proxys_headers() {
        let headers = request(&FORWARDED);
        let original = OriginalRequest::of_forward_auth(&headers).expect("complete metadata");
        assert_eq!((original.method, original.scheme), ("POST", Scheme::Https));
        assert_eq!((original.host, original.uri), ("app.example:8443", "/orders?token=theirs"));
        let headers = request(&ORIGINAL);
        let original = OriginalRequest::of_auth_request(&headers).expect("complete metadata");
        assert_eq!((original.method, original.scheme), ("GET", Scheme::Http));
        assert_eq!((original.host, original.uri), ("nginx.example", "/"));
    }

    #[test]
    fn the_other_family_is_read_only_where_the_own_is_absent() {
        assert_eq!(method(OriginalRequest::of_forward_auth(&request(&ORIGINAL))), Ok("GET"));
        assert_eq!(method(OriginalRequest::of_auth_request(&request(&FORWARDED))), Ok("POST"));
        // A client of Traefik that sends X-Original-Method: GET does not get its POST judged as a GET.
        let both = request(&[FORWARDED, ORIGINAL].concat());
        assert_eq!(method(OriginalRequest::of_forward_auth(&both)), Ok("POST"));
        assert_eq!(method(OriginalRequest::of_auth_request(&both)), Ok("GET"));
        let mixed = request(&[&FORWARDED[..1], &ORIGINAL[..]].concat());
        assert_eq!(method(OriginalRequest::of_forward_auth(&mixed)), Err(MetadataError::Missing("X-Forwarded-Proto")));
        // nginx setups often add X-Forwarded-Proto and -Host by themselves.
        let added = request(&[&FORWARDED[1..3], &ORIGINAL[..]].concat());
        assert_eq!(method(OriginalRequest::of_forward_auth(&added)), Ok("GET"));
    }

    // S97
    #[test]
    fn every_missing_header_is_refused() {
        for missing in 0..4 {
            let without = |family: [(&'static str, &'static str); 4]| {
                let lines: Vec<_> = (0..4).filter(|at| *at != missing).map(|at| family[at]).collect();
                request(&lines)
            };
            let headers = without(FORWARDED);
            let read = OriginalRequest::of_forward_auth(&headers);
            assert!(matches!(read, Err(MetadataError::Missing(_))), "{:?}", FORWARDED[missing]);
            let headers = without(ORIGINAL);
            let read = OriginalRequest::of_auth_request(&headers);
            assert!(matches!(read, Err(MetadataError::Missing(_))), "{:?}", ORIGINAL[missing]);
        }
        let nothing = HeaderMap::new();
        let read = OriginalRequest::of_forward_auth(&nothing);
        assert!(matches!(read, Err(MetadataError::Missing(_))));
    }

    // S97
    #[test]
    fn empty_or_malformed_headers_are_refused() {
        let bad: [&[&str]; 4] = [
            &["", "PO ST", "GET,POST", &"A".repeat(33)],
            &["", "ftp", "https, http"],
            &["", "a b", "a.example, b.example", "user@a.example", "a.example:x", "a.example/"],
            &["", "relative", "http://a.example/", "/a b", "/a\tb"],
        ];
        for (at, values) in bad.iter().enumerate() {
            for value in *values {
                let mut lines = FORWARDED;
                lines[at].1 = value;
                let headers = request(&lines);
                let read = OriginalRequest::of_forward_auth(&headers);
                assert!(matches!(read, Err(MetadataError::Malformed(_))), "{:?}", lines[at]);
            }
        }
        let twice = request(&[&FORWARDED[..], &[("x-forwarded-method", "GET")]].concat());
        assert_eq!(method(OriginalRequest::of_forward_auth(&twice)), Err(MetadataError::Malformed("X-Forwarded-Method")));
    }

    #[test]
    fn envoy_keeps_method_host_and_path() {
        let headers = request(&[("host", "app.example"), ("x-forwarded-proto", "https")]);
        let original =
            OriginalRequest::of_ext_authz("PUT", "/ext-authz/a?b=c", "/ext-authz", &headers).expect("complete metadata");
        assert_eq!((original.method, original.uri), ("PUT", "/a?b=c"));
        assert_eq!((original.host, original.scheme), ("app.example", Scheme::Https));
        for path in ["/ext-authz", "/ext-authz?x=1", "/ext-authzx/", "/other"] {
            let read = OriginalRequest::of_ext_authz("GET", path, "/ext-authz", &headers);
            assert_eq!(read, Err(MetadataError::Missing("path")), "{path}");
        }
    }

    // S97
    #[test]
    fn envoy_must_tell_the_scheme() {
        let headers = request(&[("host", "app.example")]);
        let read = OriginalRequest::of_ext_authz("GET", "/ext-authz/", "/ext-authz", &headers);
        assert_eq!(read, Err(MetadataError::Missing("X-Forwarded-Proto")));
    }

    #[test]
    fn the_problem_names_the_header() {
        let problem = Problem::from(MetadataError::Missing("X-Forwarded-Uri"));
        assert_eq!(problem.code(), ProblemCode::ProxyHeadersMissing);
        assert_eq!(problem.field(), Some("X-Forwarded-Uri"));
    }
}
