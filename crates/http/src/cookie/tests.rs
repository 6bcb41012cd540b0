//! Cookies as browsers send and keep them.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn cookie(config: CookieConfig) -> SessionCookie {
    SessionCookie::new(config, Exposure::Network).expect("a valid configuration").0
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().expect("our cookies are ASCII")
}

fn request(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_str(line).expect("test lines are header values");
        headers.append(COOKIE, value);
    }
    headers
}

// S27
#[test]
fn the_default_cookie_is_bound_to_its_host() {
    let (cookie, warnings) = SessionCookie::new(CookieConfig::default(), Exposure::Network).expect("the default is valid");
    assert!(warnings.is_empty());
    let line = cookie.set_header("vs_abc", DAY).expect("a token fits");
    assert_eq!(text(&line), "__Host-vestibule=vs_abc; Path=/; HttpOnly; Secure; SameSite=Lax");
}

// S27
#[test]
fn a_domain_changes_the_prefix_and_warns() {
    let config =
        CookieConfig { domain: Some(".Example.com".to_owned()), same_site: SameSite::Strict, ..CookieConfig::default() };
    let (cookie, warnings) = SessionCookie::new(config, Exposure::Network).expect("a domain is allowed");
    assert_eq!(warnings, [CookieWarning::DomainSharesSession]);
    let line = cookie.set_header("t", DAY).expect("a token fits");
    assert_eq!(text(&line), "__Secure-vestibule=t; Path=/; HttpOnly; Secure; SameSite=Strict; Domain=example.com");
}

#[test]
fn development_is_for_loopback_only() {
    let (cookie, _) = SessionCookie::new(CookieConfig::development(), Exposure::Loopback).expect("development on loopback");
    let line = cookie.set_header("t", DAY).expect("a token fits");
    assert_eq!(text(&line), "vestibule_dev=t; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(
        SessionCookie::new(CookieConfig::development(), Exposure::Network).err(),
        Some(CookieConfigError::InsecureOnNetwork)
    );
}

#[test]
fn bad_configurations_are_refused_by_reason() {
    let named = |name: &str, secure| CookieConfig { name: name.to_owned(), secure, ..CookieConfig::default() };
    let cases = [
        (named("", true), CookieConfigError::InvalidName),
        (named("__Host-a b", true), CookieConfigError::InvalidName),
        (named(&format!("__Host-{}", "a".repeat(64)), true), CookieConfigError::InvalidName),
        (named("sid", true), CookieConfigError::MissingPrefix),
        (named("__Host-", true), CookieConfigError::MissingPrefix),
        // S28: a prefix in another case protects nothing.
        (named("__hOsT-vestibule", true), CookieConfigError::MissingPrefix),
        (named("__Secure-a", false), CookieConfigError::PrefixWithoutSecure),
    ];
    for (config, error) in cases {
        let name = config.name.clone();
        assert_eq!(SessionCookie::new(config, Exposure::Loopback).err(), Some(error), "{name}");
    }
    for domain in ["", "com", "localhost", "127.0.0.1", "a..b", "-a.com", "a.com/x", "a.com:80", "a.com; Path=/x"] {
        let config = CookieConfig { domain: Some(domain.to_owned()), ..CookieConfig::default() };
        let error = SessionCookie::new(config, Exposure::Network).err();
        assert_eq!(error, Some(CookieConfigError::InvalidDomain), "{domain}");
    }
}

// S29
#[test]
fn max_age_is_at_most_400_days_and_only_when_persistent() {
    let config = CookieConfig { persistent: true, ..CookieConfig::default() };
    let persistent = cookie(config);
    let line = persistent.set_header("t", DAY * 1_000).expect("a token fits");
    assert!(text(&line).contains("; Max-Age=34560000;"));
    let line = persistent.set_header("t", DAY).expect("a token fits");
    assert!(text(&line).contains("; Max-Age=86400;"));
    let line = persistent.set_header("t", Duration::from_millis(5)).expect("a token fits");
    assert!(text(&line).contains("; Max-Age=1;"), "0 would delete the cookie");
    let line = cookie(CookieConfig::default()).set_header("t", DAY).expect("a token fits");
    assert!(!text(&line).contains("Max-Age") && !text(&line).contains("Expires"));
}

// S29
#[test]
fn a_cookie_is_at_most_4096_bytes() {
    let cookie = cookie(CookieConfig::default());
    assert_eq!(cookie.set_header(&"a".repeat(4_096), DAY), Err(UnfitCookieValue));
    let longest =
        (3_900..4_096).rev().find_map(|bytes| cookie.set_header(&"a".repeat(bytes), DAY).ok()).expect("some length fits");
    assert!(longest.len() <= 4_096);
}

#[test]
fn a_value_that_would_add_attributes_is_refused() {
    let cookie = cookie(CookieConfig::default());
    for token in ["", "a;b", "a b", "a,b", "\"a\"", "a\r\nSet-Cookie: x=y", "ä"] {
        assert_eq!(cookie.set_header(token, DAY), Err(UnfitCookieValue), "{token:?}");
    }
}

// S30
#[test]
fn clearing_repeats_every_attribute() {
    let config = CookieConfig { domain: Some("example.com".to_owned()), persistent: true, ..CookieConfig::default() };
    assert_eq!(
        text(&cookie(config).clear_header()),
        "__Secure-vestibule=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax; Domain=example.com"
    );
}

// S91
#[test]
fn debug_shows_no_token() {
    let line = cookie(CookieConfig::default()).set_header("vs_secret", DAY);
    assert!(!format!("{line:?}").contains("secret"));
    let headers = request(&["a=vs_secret"]);
    assert!(!format!("{:?}", read(&headers, "a")).contains("secret"));
}

// S28
#[test]
fn only_the_exact_case_is_read() {
    let headers = request(&["__hOsT-vestibule=evil; __Host-vestibule=good"]);
    assert_eq!(read(&headers, PRODUCTION_NAME), CookieRead::One("good"));
    let headers = request(&["__hOsT-vestibule=evil"]);
    assert_eq!(read(&headers, PRODUCTION_NAME), CookieRead::None);
}

#[test]
fn the_name_must_match_as_a_whole() {
    let headers = request(&["xsid=1; sidx=2; a=sid=3; sid =4; sid"]);
    assert_eq!(read(&headers, "sid"), CookieRead::None);
    let headers = request(&["a=1;\tsid=v ; b=2"]);
    assert_eq!(read(&headers, "sid"), CookieRead::One("v"));
}

#[test]
fn a_name_given_twice_is_ambiguous() {
    let lines: [&[&str]; 4] = [&["sid=1; sid=2"], &["sid=1", "sid=1"], &["sid=1; sid="], &["sid=\"x\"; sid=1"]];
    for lines in lines {
        let read = read(&request(lines), "sid").value().map(str::to_owned);
        assert_eq!(read, None, "{lines:?}");
        assert_eq!(super::read(&request(lines), "sid"), CookieRead::Ambiguous, "{lines:?}");
    }
}

#[test]
fn several_headers_are_one_list() {
    let headers = request(&["a=1", "b=2; sid=3"]);
    assert_eq!(read(&headers, "sid"), CookieRead::One("3"));
}

#[test]
fn quoted_and_empty_values_are_none() {
    for line in ["sid=\"abc\"", "sid=", "sid=a,b", "sid=a b", "sid=a\\b"] {
        assert_eq!(read(&request(&[line]), "sid"), CookieRead::None, "{line}");
    }
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"sid=caf\xc3\xa9").expect("obs-text is legal");
    headers.insert(COOKIE, value);
    assert_eq!(read(&headers, "sid"), CookieRead::None);
}

proptest! {
    #[test]
    fn a_set_cookie_reads_back(token in "[A-Za-z0-9_-]{1,200}", before in "[a-z]{1,8}=[a-z0-9]{0,9}") {
        let cookie = cookie(CookieConfig::default());
        let line = cookie.set_header(&token, DAY).expect("a token fits");
        let pair = text(&line).split(';').next().unwrap_or_default();
        let headers = request(&[&format!("{before}; {pair}")]);
        prop_assert_eq!(cookie.read(&headers), CookieRead::One(token.as_str()));
    }

    #[test]
    fn no_bytes_make_reading_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.insert(COOKIE, value);
        }
        if let CookieRead::One(value) = read(&headers, "a") {
            prop_assert!(!value.is_empty() && value.bytes().all(is_cookie_octet));
        }
    }
}
