//! `[[webhooks]]`: to whom events are posted.

use super::{layers::is_bare, reader::Reader, secret::Strictness, value::Value};
use crate::webhook::{Authorities, SigningKey};
use http::Uri;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use vestibule::event::EventType;

/// One receiver of events.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// Its name; unique. How far it is, is stored under it.
    pub(crate) name: String,
    /// Where events are posted.
    pub(crate) url: WebhookUrl,
    /// Signs what is posted.
    pub(crate) key: SigningKey,
    /// Only these types of events. Default: all.
    pub(crate) types: Vec<EventType>,
    /// The pause behind the first try that failed; each further one is twice as long, up to sixty times this. Default 1 s.
    pub(crate) retry_pause: Duration,
    /// Whether the address may be in a private network, or of this machine, and without TLS. Default false.
    pub(crate) allow_private: bool,
    /// Who may vouch for the receiver's certificate. Default: the authorities of the machine.
    pub(crate) authorities: Option<Authorities>,
}

/// Where a webhook leads: `https://host:port/path?query`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookUrl(Uri);

impl std::fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookUrl({})", self.show())
    }
}

impl WebhookUrl {
    /// Whether it is `https`.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host, an IPv6 address without brackets.
    pub(crate) fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    /// Host and port as they are written.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// As it may be shown: a query may hold a secret of the receiver.
    pub(crate) fn shown(&self) -> String {
        self.show()
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        self.0.path_and_query().map_or("/", |target| target.as_str())
    }
}

impl Value for WebhookUrl {
    const EXPECTED: &'static str = "an address such as https://example.com/hooks, without a user";

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
        let host = uri.host().filter(|host| !host.is_empty())?;
        (is_known && !host.is_empty() && !uri.authority()?.as_str().contains('@')).then_some(Self(uri))
    }

    fn show(&self) -> String {
        format!("{}://{}{}", self.0.scheme_str().unwrap_or_default(), self.authority(), self.0.path())
    }
}

/// Reads all webhooks.
pub(super) fn read(reader: &mut Reader, strictness: Strictness) -> Vec<Webhook> {
    let mut names = BTreeSet::new();
    let mut webhooks = Vec::new();
    for path in reader.elements("webhooks") {
        let Some(webhook) = read_one(reader, &path, strictness) else { continue };
        if names.insert(webhook.name.clone()) {
            webhooks.push(webhook);
        } else {
            reader.problem(&format!("{path}.name"), format!("there is another webhook {}", webhook.name));
        }
    }
    webhooks
}

fn read_one(reader: &mut Reader, path: &str, strictness: Strictness) -> Option<Webhook> {
    let key = |name: &str| format!("{path}.{name}");
    let name: Option<String> = reader.optional(&key("name"));
    let url: Option<WebhookUrl> = reader.optional(&key("url"));
    let secret = reader.secret(&key("secret"), strictness);
    let types = read_types(reader, &key("types"));
    let retry_pause = reader.value(&key("retry_pause"), Duration::from_secs(1));
    let allow_private = reader.value(&key("allow_private"), false);
    let authorities = read_authorities(reader, &key("tls_ca_file"));
    for (name, is_there) in [("name", name.is_some()), ("url", url.is_some()), ("secret", secret.is_some())] {
        if !is_there && !reader.is_given(&key(name)) {
            reader.problem(path, format!("{name} is missing"));
        }
    }
    if name.as_ref().is_some_and(|name| !is_bare(name)) {
        reader.problem(&key("name"), "expected letters, digits, _ and -");
    }
    if url.as_ref().is_some_and(|url| !url.is_secure()) && !allow_private {
        reader.problem(
            &key("url"),
            "what is posted would be readable on its way: take https, or allow_private = true in a network of your own",
        );
    }
    let key = match SigningKey::new(secret?.expose()) {
        Ok(key) => key,
        Err(error) => {
            reader.problem(&key("secret"), error);
            return None;
        }
    };
    Some(Webhook { name: name?, url: url?, key, types, retry_pause, allow_private, authorities })
}

pub(super) fn read_authorities(reader: &mut Reader, path: &str) -> Option<Authorities> {
    let file: PathBuf = reader.optional(path)?;
    match Authorities::read(&file) {
        Ok(authorities) => Some(authorities),
        Err(error) => {
            reader.problem(path, format!("{} {error}", file.display()));
            None
        }
    }
}

fn read_types(reader: &mut Reader, path: &str) -> Vec<EventType> {
    let names = reader.list(path).unwrap_or_default();
    reader.note(path, format!("[{}]", names.join(", ")));
    let mut types = Vec::with_capacity(names.len());
    for name in names {
        match name.parse() {
            Ok(kind) => types.push(kind),
            Err(_) => reader.problem(path, format!("there is no event type {name}")),
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_as_it_is_used() {
        let url = WebhookUrl::parse("https://[2001:db8::1]:8443/a/b?token=1").expect("an address");
        assert_eq!((url.host(), url.port(), url.target()), ("2001:db8::1", 8443, "/a/b?token=1"));
        assert_eq!(url.show(), "https://[2001:db8::1]:8443/a/b", "a query may hold a secret");
        assert_eq!(WebhookUrl::parse("http://example.com").expect("an address").port(), 80);
        for bad in ["", "example.com/a", "ftp://example.com/", "https://", "https://user:pass@example.com/", "/path"] {
            assert!(WebhookUrl::parse(bad).is_none(), "{bad}");
        }
    }
}
