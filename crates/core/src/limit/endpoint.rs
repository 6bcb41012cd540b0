//! One key for all spellings of a path.

use std::borrow::Cow;

/// A path without a query as RFC 3986 6.2.2 normalises it: letters, digits and `-._~` are not escaped, escapes are in capitals, `.` and `..`
/// are resolved. Besides, slashes that follow another or end a path are dropped, since most servers serve the same there: who spells a path
/// in another way gets no other count.
#[must_use]
pub fn normalised_path(path: &str) -> Cow<'_, str> {
    let is_plain = !path.contains('%') && !path.contains("//") && !path.contains("/.");
    if is_plain && path.starts_with('/') && (path.len() == 1 || !path.ends_with('/')) {
        return Cow::Borrowed(path);
    }
    let unescaped = unescaped(path);
    let mut segments = Vec::new();
    for segment in unescaped.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// Without escapes that are not needed.
fn unescaped(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => text.push(char::from(byte)),
            Some(byte) => text.push_str(&format!("%{byte:02X}")),
            None => text.push('%'),
        }
        text.push_str(if code.is_some() { &part[2..] } else { part });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_path_are_one() {
        for spelling in ["/a/b", "//a///b", "/%61/b", "/./a/b", "/x/../a/b", "/a/b/", "/%2e/a/%2E%2e/a/b/.", "/../a/b", "a/b"] {
            assert_eq!(normalised_path(spelling), "/a/b", "{spelling}");
        }
        assert_eq!(normalised_path("/a%2fb%C3%a9"), "/a%2Fb%C3%A9", "an escaped slash separates nothing");
        for same in ["/", "/a", "/{id}", "/a%2Fb", "/A"] {
            assert_eq!(normalised_path(same), same);
        }
        for (odd, path) in [("", "/"), ("/%", "/%"), ("/%zz", "/%zz"), ("/%4", "/%4"), ("/%é", "/%é"), ("/..", "/")] {
            assert_eq!(normalised_path(odd), path, "{odd}");
        }
    }
}
