//! Which site started a request: the origin half of the CSRF defence.
//!
//! The other half is the CSRF token, and neither replaces the other: a foreign origin is refused even with a right token,
//! and a request without any metadata is not trusted but needs its token (OWASP CSRF cheat sheet).

use http::header::{HeaderMap, ORIGIN};

use crate::bounds::HOST_BYTES;
use crate::headers::{SEC_FETCH_SITE, Single, single};

/// How a client speaks to us, or to the proxy in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// Reads a scheme in any case. `ws` and `wss`, which Traefik sends for WebSocket upgrades, are `http` and `https`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_any = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        if is_any(["https", "wss"]) {
            Some(Self::Https)
        } else if is_any(["http", "ws"]) {
            Some(Self::Http)
        } else {
            None
        }
    }

    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A host and its port, as in a `Host` header. Equality ignores case; the port is not defaulted here.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    /// Host name or address, an IPv6 address in its brackets.
    pub host: &'a str,
    /// Port, where one is given.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:port` or `[address]:port`; user information, paths, white space and empty ports are refused.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let host_bytes = match text.strip_prefix('[') {
            Some(rest) => rest.find(']').filter(|end| is_ipv6(&rest[..*end]))? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(host_bytes);
        if host.is_empty() || host.len() > HOST_BYTES {
            return None;
        }
        if !host.starts_with('[') && !host.bytes().all(is_host_byte) {
            return None;
        }
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            None if port.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok()
}

/// An origin (RFC 6454): scheme, host, port. Borrowed, so that a request is compared without allocating.
#[derive(Debug, Clone, Copy)]
struct Origin<'a> {
    scheme: &'a str,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    /// `null`, a path, a query or user information make it no origin.
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let authority = Authority::parse(authority).filter(|_| is_scheme)?;
        Some(Self { scheme, authority })
    }

    fn port(&self) -> Option<u16> {
        self.authority.port.or(match self.scheme {
            scheme if scheme.eq_ignore_ascii_case("https") => Some(443),
            scheme if scheme.eq_ignore_ascii_case("http") => Some(80),
            _ => None,
        })
    }

    fn equals(&self, other: &Origin<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.authority.host.eq_ignore_ascii_case(other.authority.host)
            && self.port() == other.port()
    }
}

/// Origins beside our own that may send unsafe requests with a session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedOrigins(Vec<String>);

/// An entry of the allowed origins that is not an origin; `*` and `null` are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOrigin(pub String);

impl std::fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is not an origin such as https://app.example.com", self.0)
    }
}

impl std::error::Error for InvalidOrigin {}

/// Where a request comes from, as far as a browser tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginVerdict {
    /// Our own origin.
    SameOrigin,
    /// Another origin, which the operator allows.
    Allowed,
    /// Nothing is known. The CSRF token is then required, never skipped.
    Absent,
    /// Another site. Refused, whatever token comes with it.
    Foreign,
}

/// What the verdict is found from. For a proxy endpoint these are the facts of the original request.
#[derive(Debug, Clone, Copy)]
pub struct OriginFacts<'a> {
    /// The request's method, as sent.
    pub method: &'a str,
    /// The `Origin` header.
    pub origin: Single<'a>,
    /// The `Sec-Fetch-Site` header.
    pub sec_fetch_site: Single<'a>,
    /// How the client speaks to us.
    pub scheme: Scheme,
    /// The host the client asked for, with its port where it is not the scheme's own.
    pub host: &'a str,
}

impl<'a> OriginFacts<'a> {
    /// Takes `Origin` and `Sec-Fetch-Site` from the headers; the caller says what was asked for, and how.
    #[must_use]
    pub fn from_headers(headers: &'a HeaderMap, method: &'a str, scheme: Scheme, host: &'a str) -> Self {
        Self { method, origin: single(headers, &ORIGIN), sec_fetch_site: single(headers, &SEC_FETCH_SITE), scheme, host }
    }
}

impl AllowedOrigins {
    /// Parses origins as an operator writes them.
    ///
    /// # Errors
    /// [`InvalidOrigin`] with the first entry that is not one.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidOrigin> {
        let parse_one = |entry: &str| match Origin::parse(entry) {
            Some(_) => Ok(entry.to_owned()),
            None => Err(InvalidOrigin(entry.to_owned())),
        };
        entries.into_iter().map(parse_one).collect::<Result<_, _>>().map(Self)
    }

    /// Judges a request for CSRF: a safe method is never [`OriginVerdict::Foreign`], since links from other sites are what
    /// the web is made of. Every method that is not known to be safe counts as unsafe.
    #[must_use]
    pub fn verdict(&self, facts: &OriginFacts<'_>) -> OriginVerdict {
        match self.verdict_of_any_method(facts) {
            OriginVerdict::Foreign if is_safe_method(facts.method) => OriginVerdict::Absent,
            verdict => verdict,
        }
    }

    /// Judges a request whatever its method: for WebSocket upgrades, which are GET and open a channel all the same.
    ///
    /// An `Origin` that is malformed, repeated or `null` is foreign. `Sec-Fetch-Site` is the browser's word, which pages
    /// cannot forge: `cross-site` and `same-site` are foreign unless the `Origin` is allowed by name.
    #[must_use]
    pub fn verdict_of_any_method(&self, facts: &OriginFacts<'_>) -> OriginVerdict {
        let from_elsewhere = match facts.sec_fetch_site {
            Single::One(site) => ["cross-site", "same-site"].contains(&site),
            Single::Invalid => true,
            Single::Absent => false,
        };
        let text = match facts.origin {
            Single::Invalid => return OriginVerdict::Foreign,
            Single::Absent if from_elsewhere => return OriginVerdict::Foreign,
            Single::Absent if facts.sec_fetch_site == Single::One("same-origin") => {
                return OriginVerdict::SameOrigin;
            }
            Single::Absent => return OriginVerdict::Absent,
            Single::One(text) => text,
        };
        let Some(origin) = Origin::parse(text) else {
            return OriginVerdict::Foreign;
        };
        if self.contains(&origin) {
            OriginVerdict::Allowed
        } else if !from_elsewhere && is_own(&origin, facts) {
            OriginVerdict::SameOrigin
        } else {
            OriginVerdict::Foreign
        }
    }

    /// Whether an `Origin` header's value is allowed: for CORS answers.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.contains(&origin))
    }

    fn contains(&self, origin: &Origin<'_>) -> bool {
        let is_same = |entry: &String| Origin::parse(entry).is_some_and(|allowed| allowed.equals(origin));
        self.0.iter().any(is_same)
    }
}

fn is_own(origin: &Origin<'_>, facts: &OriginFacts<'_>) -> bool {
    Authority::parse(facts.host).is_some_and(|authority| {
        let own = Origin { scheme: facts.scheme.as_str(), authority };
        own.equals(origin)
    })
}

/// Whether a method promises to change nothing (RFC 9110 9.2.1). Methods are case-sensitive; unknown ones are unsafe.
#[must_use]
pub fn is_safe_method(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(origin: Option<&'a str>, site: Option<&'a str>) -> OriginFacts<'a> {
        OriginFacts {
            method: "POST",
            origin: origin.map_or(Single::Absent, Single::One),
            sec_fetch_site: site.map_or(Single::Absent, Single::One),
            scheme: Scheme::Https,
            host: "app.example",
        }
    }

    fn allowed() -> AllowedOrigins {
        AllowedOrigins::parse(["https://Spa.example", "http://localhost:3000", "capacitor://localhost"]).expect("valid origins")
    }

    #[test]
    fn our_own_origin_in_any_spelling() {
        for origin in ["https://app.example", "https://APP.example", "HTTPS://app.example:443"] {
            for site in [None, Some("same-origin"), Some("none"), Some("new-value")] {
                let verdict = allowed().verdict(&facts(Some(origin), site));
                assert_eq!(verdict, OriginVerdict::SameOrigin, "{origin} {site:?}");
            }
        }
        let with_port = OriginFacts { host: "App.example:443", ..facts(Some("https://app.example"), None) };
        assert_eq!(allowed().verdict(&with_port), OriginVerdict::SameOrigin);
        let ipv6 = OriginFacts { host: "[::1]:8378", scheme: Scheme::Http, ..facts(Some("http://[::1]:8378"), None) };
        assert_eq!(allowed().verdict(&ipv6), OriginVerdict::SameOrigin);
    }

    // S33 S38
    #[test]
    fn another_origin_is_foreign() {
        let origins = [
            "null",
            "",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.example",
            "https://evil.example",
            "https://user@app.example",
            "https://app.example/",
            "https://app.example https://evil.example",
            "app.example",
        ];
        for origin in origins {
            for site in [None, Some("same-origin"), Some("cross-site")] {
                let verdict = allowed().verdict(&facts(Some(origin), site));
                assert_eq!(verdict, OriginVerdict::Foreign, "{origin:?} {site:?}");
            }
        }
        let twice = OriginFacts { origin: Single::Invalid, ..facts(None, Some("same-origin")) };
        assert_eq!(allowed().verdict(&twice), OriginVerdict::Foreign);
    }

    // S35 S38
    #[test]
    fn fetch_metadata_from_elsewhere_is_foreign() {
        for site in ["cross-site", "same-site"] {
            for origin in [None, Some("https://app.example"), Some("null")] {
                let verdict = allowed().verdict(&facts(origin, Some(site)));
                assert_eq!(verdict, OriginVerdict::Foreign, "{site} {origin:?}");
            }
        }
        let twice = OriginFacts { sec_fetch_site: Single::Invalid, ..facts(None, None) };
        assert_eq!(allowed().verdict(&twice), OriginVerdict::Foreign);
    }

    #[test]
    fn an_allowed_origin_is_allowed_from_any_site() {
        for origin in ["https://spa.example", "https://spa.example:443", "http://localhost:3000", "capacitor://localhost"] {
            for site in [None, Some("same-site"), Some("cross-site")] {
                let verdict = allowed().verdict(&facts(Some(origin), site));
                assert_eq!(verdict, OriginVerdict::Allowed, "{origin} {site:?}");
            }
        }
        assert!(allowed().allows("https://spa.example") && !allowed().allows("https://app.example"));
    }

    // S35
    #[test]
    fn without_metadata_nothing_is_known() {
        for site in [None, Some("none"), Some("something-new"), Some("")] {
            assert_eq!(allowed().verdict(&facts(None, site)), OriginVerdict::Absent, "{site:?}");
        }
        assert_eq!(allowed().verdict(&facts(None, Some("same-origin"))), OriginVerdict::SameOrigin);
    }

    #[test]
    fn safe_methods_are_never_foreign_but_upgrades_are() {
        let evil = facts(Some("https://evil.example"), Some("cross-site"));
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            let evil = OriginFacts { method, ..evil };
            assert_eq!(allowed().verdict(&evil), OriginVerdict::Absent, "{method}");
            assert_eq!(allowed().verdict_of_any_method(&evil), OriginVerdict::Foreign, "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "get", ""] {
            let evil = OriginFacts { method, ..evil };
            assert_eq!(allowed().verdict(&evil), OriginVerdict::Foreign, "{method}");
        }
    }

    #[test]
    fn a_broken_host_is_nobodys_own() {
        for host in ["", "app.example:", "a b", "app.example/", "[::1", "app.example:99999"] {
            let facts = OriginFacts { host, ..facts(Some("https://app.example"), None) };
            assert_eq!(allowed().verdict(&facts), OriginVerdict::Foreign, "{host:?}");
        }
    }

    #[test]
    fn wildcards_and_paths_are_not_origins() {
        for entry in ["*", "null", "app.example", "https://", "https://a.example/", "https://*.example", "1a://b"] {
            assert_eq!(AllowedOrigins::parse([entry]), Err(InvalidOrigin(entry.to_owned())), "{entry}");
        }
    }
}
