//! `[limits.siteverify]`: who judges responses to challenges, in place of puzzles.

use super::{SecretText, WebhookUrl, bounds, reader::Reader, value::Value as _, webhook::read_authorities};
use crate::webhook::Authorities;
use std::time::Duration;

/// A service that judges the responses of its own widget: Turnstile, hCaptcha, reCAPTCHA.
#[derive(Debug, Clone)]
pub(crate) struct SiteVerify {
    /// Where it is asked.
    pub(crate) url: WebhookUrl,
    /// What it knows us by.
    pub(crate) secret: SecretText,
    /// How long it may take, at most 10 s. Default 2 s.
    pub(crate) timeout: Duration,
    /// The host name that its widget must have stood on. Default: any.
    pub(crate) hostname: Option<String>,
    /// The action that its widget must have been shown for. Default: any.
    pub(crate) action: Option<String>,
    /// Whether the address may be in a private network, or of this machine, and without TLS. Default false.
    pub(crate) allow_private: bool,
    /// Who may vouch for its certificate. Default: the authorities of the machine.
    pub(crate) authorities: Option<Authorities>,
}

/// Reads the section; `None` where it names nobody.
pub(super) fn read(reader: &mut Reader) -> Option<SiteVerify> {
    const SECTION: &str = "limits.siteverify";
    reader.section(SECTION);
    let key = |name: &str| format!("{SECTION}.{name}");
    let url: Option<WebhookUrl> = reader.optional(&key("url"));
    let secret = reader.text_or_file(&key("secret"));
    reader.note(&key("secret"), if secret.is_some() { "(set)" } else { "(not set)" }.to_owned());
    let timeout = reader.value(&key("timeout"), Duration::from_secs(2));
    if timeout > bounds::SITEVERIFY_TIMEOUT {
        let limit = bounds::SITEVERIFY_TIMEOUT.show();
        reader.problem(
            &key("timeout"),
            format!("{} is longer than {limit}; whoever is judged waits for so long", timeout.show()),
        );
    }
    let hostname = reader.optional(&key("hostname"));
    let action = reader.optional(&key("action"));
    let allow_private = reader.value(&key("allow_private"), false);
    let authorities = read_authorities(reader, &key("tls_ca_file"));
    if url.as_ref().is_some_and(|url| !url.is_secure()) && !allow_private {
        reader.problem(
            &key("url"),
            "the secret would be readable on its way: take https, or allow_private = true in a network of your own",
        );
    }
    // A value that was refused was told already.
    let is_missing = |name: &str, is_there: bool| !is_there && !reader.is_given(&key(name));
    let missing =
        [("url", url.is_some()), ("secret", secret.is_some())].into_iter().find(|(name, there)| is_missing(name, *there));
    if let Some((name, _)) = missing.filter(|_| url.is_some() || secret.is_some()) {
        reader.problem(SECTION, format!("{name} is missing"));
    }
    Some(SiteVerify { url: url?, secret: secret?, timeout, hostname, action, allow_private, authorities })
}
