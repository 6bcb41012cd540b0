//! `[tokens]`: access and refresh tokens.

use super::{
    reader::Reader,
    value::{Grace, Value, words},
};
use std::{path::PathBuf, time::Duration};

/// How access tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256.
    Es256,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
}

words!(Algorithm, "EdDSA, ES256 or RS256", "EdDSA" => EdDsa, "ES256" => Es256, "RS256" => Rs256);

/// Access and refresh tokens.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "read by the token capability")]
pub(crate) struct Tokens {
    /// `iss` of access tokens. Default none: no tokens are issued.
    pub(crate) issuer: Option<String>,
    /// `aud` where a request names none. Default none: the issuer.
    pub(crate) audience: Option<String>,
    /// How they are signed. Default `EdDSA`.
    pub(crate) algorithm: Algorithm,
    /// Life of an access token. Default 10 min.
    pub(crate) access_ttl: Duration,
    /// How long a used refresh token still gives the same successor; `0s` is never. Default 10 s.
    pub(crate) refresh_grace: Duration,
    /// Longest rest of a family. Default 14 days.
    pub(crate) refresh_idle_timeout: Duration,
    /// Longest life of a family. Default 30 days.
    pub(crate) refresh_lifetime: Duration,
    /// Difference of clocks that is forgiven; `0s` is none. Default 30 s.
    pub(crate) clock_skew: Duration,
    /// A PEM file with the signing key. Default none: a key ring of our own, in the record.
    pub(crate) signing_key_file: Option<PathBuf>,
    /// How long a new key is published before it signs. Default 1 h.
    pub(crate) key_publish_before: Duration,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const HOUR: u64 = 3_600;
        const DAY: u64 = 24 * HOUR;
        reader.section("tokens");
        let tokens = Self {
            issuer: reader.optional("tokens.issuer"),
            audience: reader.optional("tokens.audience"),
            algorithm: reader.value("tokens.algorithm", Algorithm::EdDsa),
            access_ttl: reader.value("tokens.access_ttl", Duration::from_secs(600)),
            refresh_grace: reader.value("tokens.refresh_grace", Grace(Duration::from_secs(10))).0,
            refresh_idle_timeout: reader.value("tokens.refresh_idle_timeout", Duration::from_secs(14 * DAY)),
            refresh_lifetime: reader.value("tokens.refresh_lifetime", Duration::from_secs(30 * DAY)),
            clock_skew: reader.value("tokens.clock_skew", Grace(Duration::from_secs(30))).0,
            signing_key_file: reader.optional("tokens.signing_key_file"),
            key_publish_before: reader.value("tokens.key_publish_before", Duration::from_secs(HOUR)),
        };
        tokens.settle(reader)
    }

    /// A default yields, a contradiction is refused.
    fn settle(mut self, reader: &mut Reader) -> Self {
        const IDLE: &str = "tokens.refresh_idle_timeout";
        const LIFETIME: &str = "tokens.refresh_lifetime";
        let is_too_long = self.refresh_idle_timeout > self.refresh_lifetime;
        if is_too_long && reader.is_given(IDLE) {
            let limit = self.refresh_lifetime.show();
            reader.problem(IDLE, format!("{} is longer than {LIFETIME} ({limit})", self.refresh_idle_timeout.show()));
        } else if is_too_long {
            self.refresh_idle_timeout = self.refresh_lifetime;
            reader.adapt(IDLE, &self.refresh_idle_timeout, LIFETIME);
        }
        if self.refresh_grace >= self.refresh_lifetime {
            reader.problem("tokens.refresh_grace", format!("is not shorter than {LIFETIME}"));
        }
        self
    }
}
