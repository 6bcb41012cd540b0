//! The token service: what applications call to give out, exchange, judge and revoke tokens.
//!
//! [`issue`] begins a family and [`refresh`] continues it; [`verify`] judges an access token from memory alone; [`revoke`] ends what
//! was given; [`deny_list`] tells outside verifiers what they must not believe any more.

pub mod deny_list;
pub mod issue;
mod mint;
pub mod refresh;
mod remembered;
pub mod revoke;
mod template;
pub mod verify;

pub use mint::IssuedTokens;
pub use template::{ClaimTemplate, TemplateError};

use super::{
    DenyList, TokenStore,
    signing::{RotateKeysOutcome, SigningKeys},
};
use crate::{
    bounds,
    event::{Event, EventType, Origin},
    fault::Fault,
    session::{Sessions, service::Invalid},
    time::Timestamp,
    user::Context,
};
use remembered::Remembered;
use std::{fmt, sync::Arc};

/// How tokens are made and judged. Durations in milliseconds.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// `iss`.
    pub issuer: Box<str>,
    /// `aud` where nobody names one.
    pub audience: Box<str>,
    /// Longest life of an access token. Each gets up to a twentieth less, so that the clients of one moment do not come back in one.
    pub access_ttl_ms: u64,
    /// How long a used refresh token still gives the same successor.
    pub refresh_grace_ms: u64,
    /// Longest rest of a family.
    pub refresh_idle_timeout_ms: u64,
    /// Longest life of a family.
    pub refresh_lifetime_ms: u64,
    /// How far a token's `iat` and `nbf` may lie ahead; see [`super::claims::Expectation`].
    pub clock_skew_ms: u64,
    /// Claims that are added to every access token.
    pub claims: Vec<ClaimTemplate>,
}

/// What a token service is made of.
pub struct TokenParts {
    /// The sessions that tokens may belong to.
    pub sessions: Arc<Sessions>,
    /// Where families are kept.
    pub store: Arc<dyn TokenStore>,
    /// What must not be believed any more.
    pub deny_list: Arc<DenyList>,
    /// The keys that sign.
    pub keys: Arc<SigningKeys>,
    /// The policy.
    pub policy: TokenPolicy,
}

/// Gives out, exchanges, judges and revokes tokens. Cheap to share behind an [`Arc`].
pub struct Tokens {
    sessions: Arc<Sessions>,
    store: Arc<dyn TokenStore>,
    deny_list: Arc<DenyList>,
    keys: Arc<SigningKeys>,
    policy: TokenPolicy,
    remembered: Remembered,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Tokens {
    /// A service.
    #[must_use]
    pub fn new(parts: TokenParts) -> Self {
        let TokenParts { sessions, store, deny_list, keys, policy } = parts;
        Self { sessions, store, deny_list, keys, policy, remembered: Remembered::default() }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// The keys that sign.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    /// Publishes a new signing key; see [`SigningKeys::rotate`].
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn rotate_keys(&self, origin: &Origin) -> Result<RotateKeysOutcome, Fault> {
        let outcome = self.keys.rotate().await?;
        if let RotateKeysOutcome::Published { kid, is_new: true, .. } = &outcome {
            let event = Event::new(EventType::AdminSigningKeyPublished, self.now(), origin).because(kid);
            self.sessions.observer().note(event);
        }
        Ok(outcome)
    }

    fn now(&self) -> Timestamp {
        self.sessions.clock().now()
    }

    fn cx(&self, now: Timestamp, origin: Origin) -> Context {
        Context { now, origin }
    }
}

/// Checks a list of names: how many, how long, and that each can stand in a token.
fn check_names(field: &'static str, names: &[Box<str>]) -> Result<(), Invalid> {
    if names.len() > bounds::LIST_ITEMS {
        return Err(Invalid::new(field, "has more than 64 entries"));
    }
    names.iter().try_for_each(|name| check_name(field, name))
}

fn check_name(field: &'static str, name: &str) -> Result<(), Invalid> {
    if name.is_empty() || name.len() > bounds::NAME_BYTES || name.chars().any(char::is_control) {
        return Err(Invalid::new(field, "expected 1 to 128 bytes without control characters"));
    }
    Ok(())
}

/// Checks words of a scope: RFC 6749 3.3 allows visible ASCII but for `"` and `\`.
fn check_scope(scope: &[Box<str>]) -> Result<(), Invalid> {
    check_names("scope", scope)?;
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if scope.iter().all(|word| word.bytes().all(fits)) {
        Ok(())
    } else {
        Err(Invalid::new("scope", "expected words of visible ASCII without quotes and backslashes, separated by one blank"))
    }
}
