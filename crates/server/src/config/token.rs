//! `[tokens]`: access and refresh tokens.

use super::{
    bounds,
    reader::Reader,
    value::{Grace, Value, words},
};
use std::{fs, path::Path, sync::Arc, time::Duration};
use vestibule::{
    TokenOptions,
    token::{
        service::ClaimTemplate,
        signing::{Algorithm, SigningKeyPair},
    },
};

/// `iss` where none is given. A name and not an address: all nodes need the same, whatever addresses they have.
const ISSUER: &str = "urn:vestibule";
/// What is said instead of an issuer to have no tokens.
const OFF: &str = "off";

words!(Algorithm, "EdDSA, ES256 or RS256", "EdDSA" => EdDsa, "ES256" => Es256, "RS256" => Rs256);

/// Access and refresh tokens.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// `iss` of access tokens; none where they are off. Default `urn:vestibule`.
    pub(crate) issuer: Option<String>,
    /// `aud` where a request names none. Default none: the issuer.
    pub(crate) audience: Option<String>,
    /// How they are signed. Default `EdDSA`.
    pub(crate) algorithm: Algorithm,
    /// Life of an access token, 1 s to 24 h and at most `refresh_lifetime`. Default 10 min.
    pub(crate) access_ttl: Duration,
    /// How long a used refresh token still gives the same successor; `0s` is never. Default 10 s.
    pub(crate) refresh_grace: Duration,
    /// Longest rest of a family. Default 14 days.
    pub(crate) refresh_idle_timeout: Duration,
    /// Longest life of a family. Default 30 days.
    pub(crate) refresh_lifetime: Duration,
    /// Difference of clocks that is forgiven, at most 5 min; `0s` is none. Default 30 s.
    pub(crate) clock_skew: Duration,
    /// The signing key in the PEM file that `signing_key_file` names. Default none: keys of our own, in the record.
    pub(crate) signing_key: Option<Arc<SigningKeyPair>>,
    /// How long a new key is published before it signs. Default 1 h.
    pub(crate) key_publish_before: Duration,
    /// Claims that are added to access tokens, from `[tokens.claims]`. Default none.
    pub(crate) claims: Vec<ClaimTemplate>,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const HOUR: u64 = 3_600;
        const DAY: u64 = 24 * HOUR;
        reader.section("tokens");
        let tokens = Self {
            issuer: issuer(reader),
            audience: name(reader, "tokens.audience"),
            algorithm: reader.value("tokens.algorithm", Algorithm::EdDsa),
            access_ttl: reader.value("tokens.access_ttl", Duration::from_secs(600)),
            refresh_grace: reader.value("tokens.refresh_grace", Grace(Duration::from_secs(10))).0,
            refresh_idle_timeout: reader.value("tokens.refresh_idle_timeout", Duration::from_secs(14 * DAY)),
            refresh_lifetime: reader.value("tokens.refresh_lifetime", Duration::from_secs(30 * DAY)),
            clock_skew: reader.value("tokens.clock_skew", Grace(Duration::from_secs(30))).0,
            signing_key: signing_key(reader),
            key_publish_before: reader.value("tokens.key_publish_before", Duration::from_secs(HOUR)),
            claims: claims(reader),
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
        const ALGORITHM: &str = "tokens.algorithm";
        let other = self.signing_key.as_ref().map(|key| key.algorithm()).filter(|signs| *signs != self.algorithm);
        if let Some(signs) = other.filter(|_| reader.is_given(ALGORITHM)) {
            reader.problem(
                ALGORITHM,
                format!("is {}, but the key in tokens.signing_key_file is for {}", self.algorithm.show(), signs.show()),
            );
        }
        self.settle_access_ttl(reader);
        self.settle_clock_skew(reader);
        self.settle_grace(reader);
        self
    }
}

impl Tokens {
    /// An access token lives for whole seconds, not for days, and not longer than its family.
    fn settle_access_ttl(&mut self, reader: &mut Reader) {
        const TTL: &str = "tokens.access_ttl";
        const LIFETIME: &str = "tokens.refresh_lifetime";
        const SECOND: Duration = Duration::from_secs(1);
        let (ttl, lifetime) = (self.access_ttl.show(), self.refresh_lifetime.show());
        if self.access_ttl < SECOND {
            reader.problem(TTL, "is below 1s; the times in a token are whole seconds");
        } else if self.access_ttl > bounds::ACCESS_TTL {
            let limit = bounds::ACCESS_TTL.show();
            reader.problem(
                TTL,
                format!("{ttl} is longer than {limit}; let clients refresh their tokens, for as long as {LIFETIME} says"),
            );
        } else if self.access_ttl > self.refresh_lifetime && reader.is_given(TTL) {
            reader.problem(TTL, format!("{ttl} is longer than {LIFETIME} ({lifetime})"));
        } else if self.access_ttl > self.refresh_lifetime {
            self.access_ttl = self.refresh_lifetime.max(SECOND);
            reader.adapt(TTL, &self.access_ttl, LIFETIME);
        }
    }

    fn settle_clock_skew(&self, reader: &mut Reader) {
        if self.clock_skew > bounds::CLOCK_SKEW {
            let (skew, limit) = (self.clock_skew.show(), bounds::CLOCK_SKEW.show());
            reader.problem("tokens.clock_skew", format!("{skew} is longer than {limit}; set the clocks of the nodes by NTP"));
        }
    }

    /// The grace has to end before the family does.
    fn settle_grace(&mut self, reader: &mut Reader) {
        const GRACE: &str = "tokens.refresh_grace";
        const LIFETIME: &str = "tokens.refresh_lifetime";
        if self.refresh_grace < self.refresh_lifetime {
            return;
        }
        if reader.is_given(GRACE) {
            reader.problem(GRACE, format!("is not shorter than {LIFETIME}"));
            return;
        }
        self.refresh_grace = self.refresh_lifetime / 2;
        reader.adapt(GRACE, &Grace(self.refresh_grace), LIFETIME);
    }

    /// As the library takes it; `None` where no tokens are issued.
    pub(crate) fn options(&self) -> Option<TokenOptions> {
        let issuer = self.issuer.as_deref()?;
        Some(TokenOptions {
            audience: self.audience.clone().unwrap_or_else(|| issuer.to_owned()),
            algorithm: self.algorithm,
            access_ttl: self.access_ttl,
            refresh_grace: self.refresh_grace,
            refresh_idle_timeout: self.refresh_idle_timeout,
            refresh_lifetime: self.refresh_lifetime,
            clock_skew: self.clock_skew,
            signing_key: self.signing_key.clone(),
            key_publish_before: self.key_publish_before,
            claims: self.claims.clone(),
            ..TokenOptions::new(issuer)
        })
    }
}

fn issuer(reader: &mut Reader) -> Option<String> {
    const PATH: &str = "tokens.issuer";
    let issuer = reader.value(PATH, ISSUER.to_owned());
    check_name(reader, PATH, &issuer);
    (issuer != OFF).then_some(issuer)
}

/// The name of an application, where there is one.
fn name(reader: &mut Reader, path: &str) -> Option<String> {
    let name: String = reader.optional(path)?;
    check_name(reader, path, &name);
    Some(name)
}

fn check_name(reader: &mut Reader, path: &str, name: &str) {
    if name.len() > vestibule::bounds::NAME_BYTES || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        reader.problem(path, "expected 1 to 128 bytes without blanks, such as https://auth.example.com");
    }
}

fn signing_key(reader: &mut Reader) -> Option<Arc<SigningKeyPair>> {
    const PATH: &str = "tokens.signing_key_file";
    let file: String = reader.optional(PATH)?;
    let pem = match fs::metadata(Path::new(&file)) {
        Ok(found) if found.len() > bounds::PEM_BYTES => Err(format!("{file} has more than {} bytes", bounds::PEM_BYTES)),
        Ok(_) => fs::read(&file).map_err(|error| format!("cannot read {file}: {error}")),
        Err(error) => Err(format!("cannot read {file}: {error}")),
    };
    let key = pem.and_then(|pem| SigningKeyPair::from_pem(&pem).map_err(|error| format!("{file}: {error}")));
    key.map_err(|error| reader.problem(PATH, error)).ok().map(Arc::new)
}

fn claims(reader: &mut Reader) -> Vec<ClaimTemplate> {
    let mut claims = Vec::new();
    for name in reader.names("tokens.claims") {
        let path = format!("tokens.claims.{name}");
        let template: String = reader.value(&path, String::new());
        match ClaimTemplate::parse(&name, &template) {
            Ok(claim) => claims.push(claim),
            Err(error) => reader.problem(&path, error),
        }
    }
    claims
}
