//! What an access token claims, and whether it may (RFC 9068 2.2 and 4).

use super::{FamilyId, TokenId};
use crate::{
    id::{SessionId, UserId},
    time::Timestamp,
};
use serde_json::{Map, Value};

/// Latest `exp` that is read: the year 9999, in seconds.
const LATEST: u64 = 253_402_300_799;

/// The claims of an access token.
///
/// `roles` and `permissions` are those of RFC 9068 2.2.3.1 in spirit: lists of names. `ver` is the user's token epoch: tokens of
/// an epoch before the user's are revoked, all at once and without a list.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessClaims {
    /// `iss`
    pub issuer: Box<str>,
    /// `sub`
    pub subject: UserId,
    /// `aud`, never empty.
    pub audience: Vec<Box<str>>,
    /// `exp`, a whole second.
    pub expires_at: Timestamp,
    /// `iat`, a whole second.
    pub issued_at: Timestamp,
    /// `nbf`
    pub not_before: Option<Timestamp>,
    /// `jti`
    pub id: TokenId,
    /// `sid`: the session behind it, if there is one.
    pub session: Option<SessionId>,
    /// `fam`: the family of its refresh token.
    pub family: FamilyId,
    /// `client_id`
    pub client_id: Box<str>,
    /// `roles`
    pub roles: Vec<Box<str>>,
    /// `permissions`
    pub permissions: Vec<Box<str>>,
    /// `scope`, its words; empty is no such claim.
    pub scope: Vec<Box<str>>,
    /// `ver`: the token epoch of the user.
    pub epoch: u32,
    /// Claims that configuration adds.
    pub extra: Map<String, Value>,
}

/// Names that configuration cannot add: those above, and those that verifiers give a meaning of their own.
pub const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "sid",
    "fam",
    "client_id",
    "roles",
    "permissions",
    "scope",
    "ver",
    "act",
    "cnf",
    "acr",
    "amr",
    "auth_time",
    "typ",
    "alg",
    "kid",
];

/// What a token is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The issuer it must name.
    pub issuer: &'a str,
    /// An audience that it must be for; `None` takes any.
    pub audience: Option<&'a str>,
    /// How far `iat` and `nbf` may lie ahead of `now`, in milliseconds: the difference of clocks that is forgiven. `exp` forgives
    /// nothing: all nodes of a deployment follow one clock, and a token that lives longer than it says would outlive its denial.
    pub clock_skew_ms: u64,
}

/// Why well-signed claims are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimFlaw {
    /// A claim is missing or of another type or form; its name.
    Claim(&'static str),
    /// Another issuer's.
    Issuer,
    /// For another audience.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
}

impl AccessClaims {
    /// Reads claims; what they say is judged by [`Self::judge`].
    ///
    /// # Errors
    /// [`ClaimFlaw::Claim`] with the first one that is missing or wrong.
    pub fn read(mut claims: Map<String, Value>) -> Result<Self, ClaimFlaw> {
        Ok(Self {
            issuer: text(&mut claims, "iss")?,
            subject: UserId::new(text(&mut claims, "sub")?).map_err(|_| ClaimFlaw::Claim("sub"))?,
            audience: audience(&mut claims)?,
            expires_at: required(seconds(&mut claims, "exp")?, "exp")?,
            issued_at: required(seconds(&mut claims, "iat")?, "iat")?,
            not_before: seconds(&mut claims, "nbf")?,
            id: text(&mut claims, "jti")?.parse().map_err(|_| ClaimFlaw::Claim("jti"))?,
            session: session(&mut claims)?,
            family: text(&mut claims, "fam")?.parse().map_err(|_| ClaimFlaw::Claim("fam"))?,
            client_id: text(&mut claims, "client_id")?,
            roles: list(&mut claims, "roles")?,
            permissions: list(&mut claims, "permissions")?,
            scope: scope(&mut claims)?,
            epoch: epoch(&mut claims)?,
            extra: claims,
        })
    }

    /// As they are signed and shown.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        let mut claims = self.extra.clone();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.issuer.as_ref().into());
        put("sub", self.subject.as_str().into());
        match &self.audience[..] {
            [one] => put("aud", one.as_ref().into()),
            many => put("aud", names(many)),
        };
        put("exp", (self.expires_at.millis() / 1_000).into());
        put("iat", (self.issued_at.millis() / 1_000).into());
        if let Some(not_before) = self.not_before {
            put("nbf", (not_before.millis() / 1_000).into());
        }
        put("jti", self.id.to_string().into());
        if let Some(session) = self.session {
            put("sid", session.to_string().into());
        }
        put("fam", self.family.to_string().into());
        put("client_id", self.client_id.as_ref().into());
        put("roles", names(&self.roles));
        put("permissions", names(&self.permissions));
        if !self.scope.is_empty() {
            put("scope", self.scope.join(" ").into());
        }
        put("ver", self.epoch.into());
        claims
    }

    /// Whether they are for us, and now.
    ///
    /// # Errors
    /// The first [`ClaimFlaw`]; a token of another issuer or audience is told so before its time is looked at.
    pub fn judge(&self, expected: Expectation<'_>, now: Timestamp) -> Result<(), ClaimFlaw> {
        if *self.issuer != *expected.issuer {
            return Err(ClaimFlaw::Issuer);
        }
        if expected.audience.is_some_and(|wanted| !self.audience.iter().any(|audience| **audience == *wanted)) {
            return Err(ClaimFlaw::Audience);
        }
        if now >= self.expires_at {
            return Err(ClaimFlaw::Expired);
        }
        let latest = now.plus_ms(expected.clock_skew_ms);
        if self.issued_at > latest || self.not_before.is_some_and(|not_before| not_before > latest) {
            return Err(ClaimFlaw::NotYetValid);
        }
        Ok(())
    }
}

fn names(list: &[Box<str>]) -> Value {
    list.iter().map(|name| Value::from(name.as_ref())).collect()
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, ClaimFlaw> {
    value.ok_or(ClaimFlaw::Claim(name))
}

/// A text that is not empty.
fn text(claims: &mut Map<String, Value>, name: &'static str) -> Result<Box<str>, ClaimFlaw> {
    match claims.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.into()),
        _ => Err(ClaimFlaw::Claim(name)),
    }
}

/// A whole number of seconds since the epoch. RFC 7519 allows fractions; we sign none, so none is ours.
fn seconds(claims: &mut Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, ClaimFlaw> {
    let Some(value) = claims.remove(name) else { return Ok(None) };
    let seconds = value.as_u64().filter(|seconds| *seconds <= LATEST).ok_or(ClaimFlaw::Claim(name))?;
    Ok(Some(Timestamp::from_millis(seconds * 1_000)))
}

/// Names, each a text that is not empty.
fn list(claims: &mut Map<String, Value>, name: &'static str) -> Result<Vec<Box<str>>, ClaimFlaw> {
    let Some(Value::Array(items)) = claims.remove(name) else { return Err(ClaimFlaw::Claim(name)) };
    let read = |item| match item {
        Value::String(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(ClaimFlaw::Claim(name)),
    };
    items.into_iter().map(read).collect()
}

/// One text, or several (RFC 7519 4.1.3).
fn audience(claims: &mut Map<String, Value>) -> Result<Vec<Box<str>>, ClaimFlaw> {
    if claims.get("aud").is_some_and(Value::is_string) {
        return Ok(vec![text(claims, "aud")?]);
    }
    list(claims, "aud").ok().filter(|audience| !audience.is_empty()).ok_or(ClaimFlaw::Claim("aud"))
}

fn session(claims: &mut Map<String, Value>) -> Result<Option<SessionId>, ClaimFlaw> {
    if !claims.contains_key("sid") {
        return Ok(None);
    }
    text(claims, "sid")?.parse().map(Some).map_err(|_| ClaimFlaw::Claim("sid"))
}

fn scope(claims: &mut Map<String, Value>) -> Result<Vec<Box<str>>, ClaimFlaw> {
    if !claims.contains_key("scope") {
        return Ok(Vec::new());
    }
    Ok(text(claims, "scope")?.split(' ').map(Into::into).collect())
}

fn epoch(claims: &mut Map<String, Value>) -> Result<u32, ClaimFlaw> {
    let epoch = claims.remove("ver").and_then(|epoch| epoch.as_u64());
    epoch.and_then(|epoch| u32::try_from(epoch).ok()).ok_or(ClaimFlaw::Claim("ver"))
}
