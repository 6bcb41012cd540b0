//! How tokens are made, in the terms of an application.

use std::{sync::Arc, time::Duration};
use vestibule_core::{
    fault::Fault,
    secret::KeyRing,
    time::{Clock, millis},
    token::{
        service::{ClaimTemplate, TokenPolicy},
        signing::{Algorithm, SigningConfig, SigningKeyPair, SigningKeyStore, SigningKeys},
    },
};

/// How access and refresh tokens are made. Without it there are none.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// `iss` of access tokens: the name by which verifiers know this deployment, the same on all of its nodes.
    pub issuer: String,
    /// `aud` where a request names none. Default: the issuer.
    pub audience: String,
    /// How access tokens are signed. Default EdDSA. Another one takes its turn as a rotated key does.
    pub algorithm: Algorithm,
    /// Longest life of an access token. Default 10 min.
    pub access_ttl: Duration,
    /// How long a used refresh token still gives the same successor. Default 10 s; zero is never.
    pub refresh_grace: Duration,
    /// Longest rest of a family of refresh tokens. Default 14 days.
    pub refresh_idle_timeout: Duration,
    /// Longest life of a family. Default 30 days.
    pub refresh_lifetime: Duration,
    /// How far the times in a token may lie ahead. Default 30 s.
    pub clock_skew: Duration,
    /// A signing key from outside, in place of generated ones. Default none.
    pub signing_key: Option<Arc<SigningKeyPair>>,
    /// How long a new key is published before it signs. Default 1 h.
    pub key_publish_before: Duration,
    /// Claims that are added to every access token. Default none.
    pub claims: Vec<ClaimTemplate>,
}

impl TokenOptions {
    /// Options with the defaults named at each field.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            issuer: issuer.to_owned(),
            audience: issuer.to_owned(),
            algorithm: Algorithm::EdDsa,
            access_ttl: Duration::from_secs(600),
            refresh_grace: Duration::from_secs(10),
            refresh_idle_timeout: 14 * DAY,
            refresh_lifetime: 30 * DAY,
            clock_skew: Duration::from_secs(30),
            signing_key: None,
            key_publish_before: Duration::from_secs(3_600),
            claims: Vec::new(),
        }
    }

    pub(crate) fn policy(&self) -> TokenPolicy {
        TokenPolicy {
            issuer: self.issuer.as_str().into(),
            audience: self.audience.as_str().into(),
            access_ttl_ms: millis(self.access_ttl),
            refresh_grace_ms: millis(self.refresh_grace),
            refresh_idle_timeout_ms: millis(self.refresh_idle_timeout),
            refresh_lifetime_ms: millis(self.refresh_lifetime),
            clock_skew_ms: millis(self.clock_skew),
            claims: self.claims.clone(),
        }
    }

    /// Opens the signing keys and keeps up with other nodes.
    pub(crate) async fn keys(
        &self,
        store: Arc<dyn SigningKeyStore>,
        ring: Arc<KeyRing>,
        clock: Clock,
    ) -> Result<Arc<SigningKeys>, Fault> {
        let config = SigningConfig {
            algorithm: self.algorithm,
            publish_before_ms: millis(self.key_publish_before),
            token_life_ms: millis(self.access_ttl),
            imported: self.signing_key.clone(),
        };
        let keys = Arc::new(SigningKeys::open(store, ring, config, clock).await?);
        keys.follow();
        Ok(keys)
    }
}
