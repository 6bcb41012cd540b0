//! Responses to challenges are judged by another service: a form with `secret`, `response` and `remoteip` is posted, and answered by JSON
//! with `success`. Turnstile, hCaptcha and reCAPTCHA all speak so.
//!
//! Whatever is not a clear yes is none: no answer in time, another status, another shape, another host name.

use crate::{
    config::SiteVerify,
    webhook::{Authorities, Poster},
};
use http_body_util::Full;
use hyper::{Request, body::Bytes, header};
use serde::Deserialize;
use std::{fmt, fmt::Write as _, net::IpAddr};
use tokio::{sync::Semaphore, time::timeout};
use vestibule::limit::{ChallengeVerifier, VerifierAnswer, VerifierFault};

/// Responses that are judged at a time; one more waits for nobody and is refused, so that a flood of responses costs no more than this.
const AT_ONCE: usize = 64;
/// Longest answer, in bytes.
const ANSWER_BYTES: usize = 16 << 10;

/// Asks the service of the configuration.
pub(crate) struct SiteVerifier {
    settings: SiteVerify,
    poster: Poster,
    under_way: Semaphore,
}

impl fmt::Debug for SiteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteVerifier").field("url", &self.settings.url).finish_non_exhaustive()
    }
}

/// What the service says.
#[derive(Deserialize)]
struct Judgement {
    success: bool,
    hostname: Option<String>,
    action: Option<String>,
    #[serde(rename = "error-codes", default)]
    error_codes: Vec<String>,
}

impl SiteVerifier {
    /// Asks nobody yet.
    pub(crate) fn new(settings: SiteVerify) -> Self {
        let poster = Poster::new(&settings.authorities.clone().unwrap_or_else(Authorities::of_machine));
        Self { settings, poster, under_way: Semaphore::new(AT_ONCE) }
    }

    async fn ask(&self, response: &str, client: Option<IpAddr>) -> Result<bool, VerifierFault> {
        let _permit = self.under_way.try_acquire().map_err(|_| VerifierFault::Busy)?;
        let SiteVerify { url, secret, allow_private, .. } = &self.settings;
        let request = Request::post(url.target())
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::from(form(secret.expose(), response, client)))
            .map_err(|error| VerifierFault::Unavailable(error.to_string()))?;
        let asked = self.poster.ask(url, *allow_private, request, ANSWER_BYTES);
        let answered = timeout(self.settings.timeout, asked).await;
        let answered = answered.map_err(|_| VerifierFault::Unavailable("no answer in time".to_owned()))?;
        let (status, body) = answered.map_err(|error| VerifierFault::Unavailable(error.to_string()))?;
        let judgement: Result<Judgement, _> = serde_json::from_slice(&body);
        match judgement {
            Ok(judgement) if says(status, judgement.success) => self.judge(&judgement),
            _ => Err(VerifierFault::Unavailable(format!("status {status} without a judgement"))),
        }
    }

    fn judge(&self, judgement: &Judgement) -> Result<bool, VerifierFault> {
        let is_told = |codes: &[&str]| judgement.error_codes.iter().any(|code| codes.contains(&code.as_str()));
        if is_told(&["missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch"]) {
            return Err(VerifierFault::Misconfigured("it does not know limits.siteverify.secret".to_owned()));
        }
        if is_told(&["internal-error"]) {
            return Err(VerifierFault::Unavailable("it has an error of its own".to_owned()));
        }
        let is_wanted = |wanted: &Option<String>, told: &Option<String>| wanted.is_none() || wanted == told;
        let SiteVerify { hostname, action, .. } = &self.settings;
        Ok(judgement.success && is_wanted(hostname, &judgement.hostname) && is_wanted(action, &judgement.action))
    }
}

/// Whether a status goes with a judgement. Some services say no as 400; one that is unwell or asked too often judges nothing.
fn says(status: u16, success: bool) -> bool {
    (200..300).contains(&status) || (!success && (400..500).contains(&status) && status != 429)
}

impl ChallengeVerifier for SiteVerifier {
    fn verify<'a>(&'a self, response: &'a str, client: Option<IpAddr>) -> VerifierAnswer<'a> {
        Box::pin(self.ask(response, client))
    }
}

fn form(secret: &str, response: &str, client: Option<IpAddr>) -> Bytes {
    let mut form = format!("secret={}&response={}", encoded(secret), encoded(response));
    if let Some(client) = client {
        form.push_str("&remoteip=");
        form.push_str(&encoded(&client.to_canonical().to_string()));
    }
    Bytes::from(form)
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_one_by_its_status_too() {
        assert_eq!([200, 204, 302, 400, 429, 500].map(|status| says(status, true)), [true, true, false, false, false, false]);
        assert_eq!(
            [200, 400, 401, 302, 429, 500, 503].map(|status| says(status, false)),
            [true, true, true, false, false, false, false]
        );
    }

    #[test]
    fn a_form_holds_any_text() {
        let form = form("a+b&c", "x=1 é", Some("::ffff:192.0.2.1".parse().expect("an address")));
        assert_eq!(form, "secret=a%2Bb%26c&response=x%3D1%20%C3%A9&remoteip=192.0.2.1");
    }
}
