//! The session cookie: which attributes it has, how it is read, set and cleared (RFC 6265bis).
//!
//! A configuration is checked once into a [`SessionCookie`], which holds every fixed part of a `Set-Cookie` line ready
//! made. Deliberately absent: `SameSite=None`, and cookies that scripts can read.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, BytesMut};
use http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::bounds::{COOKIE_BYTES, COOKIE_MAX_AGE_S, COOKIE_NAME_BYTES, HOST_BYTES};

/// Name of the cookie in production.
pub const PRODUCTION_NAME: &str = "__Host-vestibule";
/// Name of the cookie in development mode, which has no TLS and so cannot use a prefix.
pub const DEVELOPMENT_NAME: &str = "vestibule_dev";

const HOST_PREFIX: &str = "__Host-";
const SECURE_PREFIX: &str = "__Secure-";

/// When a browser sends the cookie with a request that another site started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// With top-level navigations by a safe method. The default.
    #[default]
    Lax,
    /// Never.
    Strict,
}

impl SameSite {
    fn attribute(self) -> &'static str {
        match self {
            Self::Lax => "; SameSite=Lax",
            Self::Strict => "; SameSite=Strict",
        }
    }
}

/// Who can reach the listener that sets the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Only processes of this machine.
    Loopback,
    /// Anyone, also through a proxy.
    Network,
}

/// The cookie as configured, before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieConfig {
    /// Name. Default `__Host-vestibule`; in development mode `vestibule_dev`.
    pub name: String,
    /// `Domain` attribute, which sends the cookie to every host below it. Default none: only the host that set it.
    pub domain: Option<String>,
    /// Whether the cookie survives the browser (`Max-Age`). Default false. The server's deadlines hold either way.
    pub persistent: bool,
    /// `SameSite` attribute. Default `Lax`.
    pub same_site: SameSite,
    /// `Secure` attribute. Default true; false only on loopback.
    pub secure: bool,
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self { name: PRODUCTION_NAME.to_owned(), domain: None, persistent: false, same_site: SameSite::Lax, secure: true }
    }
}

impl CookieConfig {
    /// The cookie of development mode: no TLS, loopback only.
    #[must_use]
    pub fn development() -> Self {
        Self { name: DEVELOPMENT_NAME.to_owned(), secure: false, ..Self::default() }
    }
}

/// A cookie configuration that is refused at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieConfigError {
    /// The name is empty, longer than [`COOKIE_NAME_BYTES`], or has bytes outside RFC 9110 tokens.
    InvalidName,
    /// The domain is not a host name of at least two labels.
    InvalidDomain,
    /// A secure cookie whose name has neither the prefix `__Host-` nor `__Secure-` in exactly this case.
    MissingPrefix,
    /// A prefixed name without `Secure`: browsers refuse such a cookie.
    PrefixWithoutSecure,
    /// No `Secure` on a listener that is not loopback.
    InsecureOnNetwork,
}

impl std::fmt::Display for CookieConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InvalidName => "the cookie name must be 1 to 64 letters, digits or !#$%&'*+-.^_`|~",
            Self::InvalidDomain => "the cookie domain must be a host name such as example.com",
            Self::MissingPrefix => "the cookie name must start with __Host- or __Secure-",
            Self::PrefixWithoutSecure => "a cookie name with __Host- or __Secure- needs Secure",
            Self::InsecureOnNetwork => "a cookie without Secure is for loopback only",
        })
    }
}

impl std::error::Error for CookieConfigError {}

/// A cookie configuration that is accepted, but that the operator should hear about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieWarning {
    /// A `Domain` hands the session to every host below it, and lets each of them overwrite it.
    DomainSharesSession,
}

impl std::fmt::Display for CookieWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DomainSharesSession => {
                "cookie.domain sends the session to every host below that domain; without it the cookie is bound to one host"
            }
        })
    }
}

/// A token that cannot stand in a cookie: bytes outside RFC 6265bis cookie-octets, or longer than [`COOKIE_BYTES`] in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfitCookieValue;

impl std::fmt::Display for UnfitCookieValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the token does not fit into a cookie")
    }
}

impl std::error::Error for UnfitCookieValue {}

/// A checked cookie: every fixed part of its `Set-Cookie` lines, ready made.
#[derive(Debug, Clone)]
pub struct SessionCookie {
    name: String,
    attributes: String,
    persistent: bool,
    cleared: HeaderValue,
    /// Names under which other systems kept their tokens; empty but for an import.
    legacy_names: Arc<[String]>,
}

impl Default for SessionCookie {
    /// `__Host-vestibule`: bound to its host, for HTTPS only, gone with the browser.
    fn default() -> Self {
        Self::of_known(CookieConfig::default(), Exposure::Network)
    }
}

impl SessionCookie {
    /// The cookie of development mode: `vestibule_dev`, without TLS, on loopback only.
    #[must_use]
    pub fn development() -> Self {
        Self::of_known(CookieConfig::development(), Exposure::Loopback)
    }

    fn of_known(config: CookieConfig, exposure: Exposure) -> Self {
        Self::new(config, exposure).expect("our own configurations are accepted; a test makes both").0
    }

    /// Checks a configuration. The warnings are for the log at start.
    ///
    /// With a `Domain`, a name with `__Host-` becomes one with `__Secure-`, since browsers refuse the pair.
    ///
    /// # Errors
    /// See [`CookieConfigError`].
    pub fn new(config: CookieConfig, exposure: Exposure) -> Result<(Self, Vec<CookieWarning>), CookieConfigError> {
        let domain = config.domain.as_deref().map(normal_domain).transpose()?;
        let name = match config.name.strip_prefix(HOST_PREFIX) {
            Some(rest) if domain.is_some() => format!("{SECURE_PREFIX}{rest}"),
            _ => config.name,
        };
        check_name(&name, config.secure, exposure)?;
        let attributes = attributes(config.secure, config.same_site, domain.as_deref());
        let cleared =
            HeaderValue::try_from(format!("{name}=; Max-Age=0{attributes}")).map_err(|_| CookieConfigError::InvalidName)?;
        let warnings = domain.iter().map(|_| CookieWarning::DomainSharesSession).collect();
        let cookie = Self { name, attributes, persistent: config.persistent, cleared, legacy_names: Arc::default() };
        Ok((cookie, warnings))
    }

    /// Reads tokens of other systems too, from cookies of these names: see [`Self::read_legacy`].
    #[must_use]
    pub fn accepting(mut self, legacy_names: impl IntoIterator<Item = String>) -> Self {
        self.legacy_names = legacy_names.into_iter().collect();
        self
    }

    /// The name under which browsers keep the cookie.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads this cookie from a request; see [`read`].
    #[must_use]
    pub fn read<'a>(&self, headers: &'a HeaderMap) -> CookieRead<'a> {
        read(headers, &self.name)
    }

    /// Reads the token that another system left with the browser: the first of its names with a usable value. For requests
    /// without a token of ours; nothing unless [`Self::accepting`] named cookies.
    #[must_use]
    pub fn read_legacy<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.legacy_names.iter().find_map(|name| read(headers, name).value())
    }

    /// The `Set-Cookie` value for a token that ends in `max_age`. One allocation; marked sensitive, so that it does not
    /// show in `Debug`.
    ///
    /// `Max-Age` is at least 1 s and at most 400 days, and absent from a cookie that is not persistent.
    ///
    /// # Errors
    /// [`UnfitCookieValue`], which a token of our own making never is.
    pub fn set_header(&self, token: &str, max_age: Duration) -> Result<HeaderValue, UnfitCookieValue> {
        const MAX_AGE_BYTES: usize = "; Max-Age=34560000".len();
        if token.is_empty() || !token.bytes().all(is_cookie_octet) {
            return Err(UnfitCookieValue);
        }
        let fixed_bytes = self.name.len() + 1 + self.attributes.len() + MAX_AGE_BYTES;
        if token.len() + fixed_bytes > COOKIE_BYTES {
            return Err(UnfitCookieValue);
        }
        let mut line = BytesMut::with_capacity(token.len() + fixed_bytes);
        line.put_slice(self.name.as_bytes());
        line.put_u8(b'=');
        line.put_slice(token.as_bytes());
        if self.persistent {
            line.put_slice(b"; Max-Age=");
            put_decimal(&mut line, max_age.as_secs().clamp(1, COOKIE_MAX_AGE_S));
        }
        line.put_slice(self.attributes.as_bytes());
        let mut value = HeaderValue::from_maybe_shared(line.freeze()).map_err(|_| UnfitCookieValue)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The `Set-Cookie` value that makes a browser forget the cookie: same name, path, domain and attributes.
    #[must_use]
    pub fn clear_header(&self) -> HeaderValue {
        self.cleared.clone()
    }
}

/// What a request's `Cookie` headers say about one name. `Debug` shows no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CookieRead<'a> {
    /// No cookie of this name with a usable value.
    None,
    /// The one value.
    One(&'a str),
    /// The name occurs more than once. A sibling host may have planted the other one, so neither is believed: the request
    /// counts as one without a session.
    Ambiguous,
}

impl<'a> CookieRead<'a> {
    /// The value, where there is exactly one.
    #[must_use]
    pub fn value(self) -> Option<&'a str> {
        match self {
            Self::One(value) => Some(value),
            Self::None | Self::Ambiguous => None,
        }
    }
}

impl std::fmt::Debug for CookieRead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::One(_) => "One(..)",
            Self::Ambiguous => "Ambiguous",
        })
    }
}

/// Reads one cookie by its exact-case name over all `Cookie` headers, without allocating.
///
/// Empty and quoted values, and values with bytes outside cookie-octets, are no value: no token looks like that.
#[must_use]
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> CookieRead<'a> {
    let mut found: Option<&[u8]> = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';') {
            let Some(value) = value_of(pair, name.as_bytes()) else {
                continue;
            };
            if found.replace(value).is_some() {
                return CookieRead::Ambiguous;
            }
        }
    }
    found.and_then(usable).map_or(CookieRead::None, CookieRead::One)
}

fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = pair.trim_ascii_start().strip_prefix(name)?.strip_prefix(b"=")?;
    Some(value.trim_ascii())
}

fn usable(value: &[u8]) -> Option<&str> {
    if value.is_empty() || !value.iter().copied().all(is_cookie_octet) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// RFC 6265bis 4.1.1: visible ASCII without quote, comma, semicolon and backslash.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// Whether browsers keep a cookie of this name: 1 to [`COOKIE_NAME_BYTES`] bytes of an RFC 9110 token.
#[must_use]
pub fn is_cookie_name(name: &str) -> bool {
    (1..=COOKIE_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_token_byte)
}

fn check_name(name: &str, secure: bool, exposure: Exposure) -> Result<(), CookieConfigError> {
    if !is_cookie_name(name) {
        return Err(CookieConfigError::InvalidName);
    }
    let prefixed = [HOST_PREFIX, SECURE_PREFIX].iter().any(|prefix| name.len() > prefix.len() && name.starts_with(prefix));
    match (secure, prefixed, exposure) {
        (true, false, _) => Err(CookieConfigError::MissingPrefix),
        (false, true, _) => Err(CookieConfigError::PrefixWithoutSecure),
        (false, _, Exposure::Network) => Err(CookieConfigError::InsecureOnNetwork),
        _ => Ok(()),
    }
}

/// RFC 9110 5.6.2 tchar.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Lower case, without the leading dot that old configurations carry. A single label is refused: it would be a top-level
/// domain, or `localhost`, and browsers drop such a cookie without a word.
fn normal_domain(domain: &str) -> Result<String, CookieConfigError> {
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = domain.len() <= HOST_BYTES
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && domain.parse::<std::net::IpAddr>().is_err();
    is_name.then_some(domain).ok_or(CookieConfigError::InvalidDomain)
}

fn attributes(secure: bool, same_site: SameSite, domain: Option<&str>) -> String {
    let mut text = String::from("; Path=/; HttpOnly");
    if secure {
        text.push_str("; Secure");
    }
    text.push_str(same_site.attribute());
    if let Some(domain) = domain {
        text.push_str("; Domain=");
        text.push_str(domain);
    }
    text
}

fn put_decimal(line: &mut BytesMut, number: u64) {
    use std::fmt::Write as _;
    // Writing to a growable buffer cannot fail.
    let _ = write!(line, "{number}");
}

#[cfg(test)]
mod tests;
