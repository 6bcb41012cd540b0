//! Where a browser goes after a login: a path of this host, and nothing that some browser or proxy would take for another.
//!
//! An open redirect lends our name to whoever phishes (RFC 9700 4.11.2). So a target is taken by a narrow rule and what does not
//! fit is dropped without a word; nothing is repaired, since a repaired text is one that nobody has checked.

use std::borrow::Cow;

use http::HeaderValue;

use crate::bounds::RETURN_TO_BYTES;
use crate::urlencoded;

/// Name of the query parameter.
const NAME: &str = "return_to=";
/// How often a path may be percent-encoded over itself; a text that still hides something then is refused.
const LAYERS: usize = 3;

/// A local path with its query: `/orders?page=2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl Default for ReturnTo {
    /// The root of the host.
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ReturnTo {
    /// Takes a path of visible ASCII that begins with one slash. Refused are a second slash or a backslash anywhere in the
    /// path, control characters, and all of these under percent-encoding.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let path = text.split(['?', '#']).next()?;
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (text.len() <= RETURN_TO_BYTES && is_visible && is_local(path)).then(|| Self(text.to_owned()))
    }

    /// Reads the query of a login page's address. `return_to` is its last parameter: as the address stands, which is what nginx
    /// can write, or percent-encoded as a whole.
    #[must_use]
    pub fn from_query(query: &str) -> Option<Self> {
        let start = match query.strip_prefix(NAME) {
            Some(_) => NAME.len(),
            None => query.find(&format!("&{NAME}"))? + 1 + NAME.len(),
        };
        let value = &query[start..];
        if value.starts_with('/') {
            return Self::new(value);
        }
        // The first parameter after an encoded value is not part of it.
        let encoded = value.split('&').next()?;
        Self::new(&urlencoded::decode(encoded)?)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of a `Location` header.
    #[must_use]
    pub fn location(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("visible ASCII makes a header")
    }
}

/// Whether a path stays on this host, however often whoever reads it decodes it first.
fn is_local(path: &str) -> bool {
    let mut path = Cow::Borrowed(path);
    for _ in 0..LAYERS {
        let hides = path.contains("//") || path.contains(|c: char| c == '\\' || c.is_control());
        if !path.starts_with('/') || hides {
            return false;
        }
        match urlencoded::decode(&path) {
            Some(once_more) if once_more == path => return true,
            Some(once_more) => path = Cow::Owned(once_more.into_owned()),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Option<String> {
        ReturnTo::from_query(query).map(|target| target.0)
    }

    // S39
    #[test]
    fn only_a_path_of_this_host_is_taken() {
        for good in ["/", "/orders", "/a/b?page=2&sort=up", "/caf%C3%A9", "/a%20b#part", "/x?next=//elsewhere", "/a+b"] {
            assert_eq!(ReturnTo::new(good).map(|target| target.0).as_deref(), Some(good));
        }
        let long = format!("/{}", "a".repeat(RETURN_TO_BYTES));
        for bad in [
            "",
            "orders",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "https:evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "evil.example/x",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%252fevil.example",
            "/%25252fevil.example",
            "/%2525252fevil.example",
            "/a//evil.example",
            "/.//evil.example",
            "/a\\..\\b",
            "/\t/evil.example",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:a=b",
            "/a\r\nSet-Cookie: a=b",
            "/\u{0}",
            "/%00",
            "/100%",
            "/%ff",
            " /a",
            "/a b",
            "/é",
            "/x?a=\\",
            "?a=b",
            "#a",
            long.as_str(),
        ] {
            assert_eq!(ReturnTo::new(bad), None, "{bad:?}");
        }
    }

    proptest! {
        // S39
        #[test]
        fn whatever_is_taken_begins_with_one_slash_and_fits_a_header(
            text in "(/|%2f|%2F|%5c|%25|\\\\|\\?|&|#|:|\\.|[a-c]|[\\x00-\\x20]|\\PC|return_to=){0,12}",
        ) {
            for target in [ReturnTo::new(&text), ReturnTo::from_query(&text)].into_iter().flatten() {
                let mut bytes = target.as_str().bytes();
                prop_assert_eq!(bytes.next(), Some(b'/'));
                prop_assert!(!matches!(bytes.next(), Some(b'/' | b'\\')), "{:?}", target);
                prop_assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", target);
                let location = target.location();
                prop_assert_eq!(location.as_bytes(), target.as_str().as_bytes());
            }
        }
    }

    // S39
    #[test]
    fn a_query_gives_it_as_it_stands_or_encoded_as_a_whole() {
        for (query, target) in [
            ("return_to=/orders", Some("/orders")),
            ("return_to=/a?b=1&c=2", Some("/a?b=1&c=2")),
            ("return_to=/a%20b", Some("/a%20b")),
            ("return_to=%2Fa%3Fb%3D1%26c%3D2", Some("/a?b=1&c=2")),
            ("return_to=%2Fa&theme=dark", Some("/a")),
            ("theme=dark&return_to=/orders", Some("/orders")),
            ("not_return_to=/orders", None),
            ("", None),
            ("return_to", None),
            ("return_to=", None),
            ("return_to=%2F%2Fevil.example", None),
            ("return_to=//evil.example", None),
            ("return_to=https%3Aevil.example", None),
            ("return_to=%5C%5Cevil.example", None),
            ("return_to=%2F%0d%0aevil", None),
            ("return_to=%2F%ff", None),
        ] {
            assert_eq!(read(query).as_deref(), target, "{query}");
        }
    }
}
