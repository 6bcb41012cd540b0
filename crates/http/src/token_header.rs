//! Credentials in `Authorization: Bearer` (RFC 6750 2.1): management keys, and session tokens of clients without cookies.

use http::header::{AUTHORIZATION, HeaderMap};

use crate::headers::{Single, single};

/// What the `Authorization` header holds.
///
/// The credential is not checked here; its `Debug` form shows none of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BearerRead<'a> {
    /// No `Authorization` header, or one of another scheme.
    None,
    /// The one bearer credential.
    One(&'a str),
    /// Several headers, or a `Bearer` header that is not one credential: treat as a bad credential, never as none.
    Invalid,
}

impl std::fmt::Debug for BearerRead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::One(_) => "One(..)",
            Self::Invalid => "Invalid",
        })
    }
}

/// Reads the bearer credential without allocating. The scheme is case-insensitive (RFC 9110 11.1).
#[must_use]
pub fn read_bearer(headers: &HeaderMap) -> BearerRead<'_> {
    let value = match single(headers, &AUTHORIZATION) {
        Single::Absent => return BearerRead::None,
        Single::Invalid => return BearerRead::Invalid,
        Single::One(value) => value.trim(),
    };
    let (scheme, credential) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return BearerRead::None;
    }
    let credential = credential.trim_start();
    if credential.is_empty() || !credential.bytes().all(is_token68_byte) {
        return BearerRead::Invalid;
    }
    BearerRead::One(credential)
}

fn is_token68_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_scheme_is_case_insensitive() {
        for line in ["Bearer vk_abc", "bearer vk_abc", "BEARER  vk_abc"] {
            assert_eq!(read_bearer(&with(&[line])), BearerRead::One("vk_abc"), "{line}");
        }
    }

    #[test]
    fn other_schemes_are_none_and_bad_ones_invalid() {
        assert_eq!(read_bearer(&with(&[])), BearerRead::None);
        assert_eq!(read_bearer(&with(&["Basic dTpw"])), BearerRead::None);
        for lines in [&["Bearer"][..], &["Bearer a b"], &["Bearer a,b"], &["Bearer a", "Bearer a"]] {
            assert_eq!(read_bearer(&with(lines)), BearerRead::Invalid, "{lines:?}");
        }
    }

    // S91
    #[test]
    fn debug_shows_no_credential() {
        let headers = with(&["Bearer vk_secret"]);
        assert!(!format!("{:?}", read_bearer(&headers)).contains("secret"));
    }
}
