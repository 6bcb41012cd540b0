//! Access tokens inside an axum application: a tower layer that judges the bearer token of each request, and an extractor that asks
//! for it.
//!
//! ```text
//! Router ── .layer(BearerLayer) ──► reads Authorization: Bearer; from memory, nothing without a token
//!    handlers ── AccessToken, Option<AccessToken>     whose it is, and what it allows
//! ```
//!
//! The layer refuses nothing by itself; the extractor does, as RFC 6750 3 says. Without a token it is 401, with a bad one 401 and
//! `error="invalid_token"`, and a scope that the token lacks is 403 and `error="insufficient_scope"`. No cookie is looked at, so no
//! CSRF token is needed.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request};
use http::StatusCode;
use http::request::Parts;
use tower::{Layer, Service};
use vestibule_core::id::UserTag;
use vestibule_core::token::AccessClaims;
use vestibule_core::token::service::Tokens;
use vestibule_core::token::service::verify::{TokenRefusal, Verification};

use crate::problem::{Problem, ProblemCode};
use crate::token_header::{BearerRead, read_bearer};

/// Judges the access token of each request. Cheap to clone.
#[derive(Clone)]
pub struct BearerLayer {
    tokens: Arc<Tokens>,
    audience: Option<Arc<str>>,
}

impl std::fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BearerLayer").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl BearerLayer {
    /// A layer that accepts tokens for this audience alone: the name of the application (RFC 9068 4).
    #[must_use]
    pub fn new(tokens: Arc<Tokens>, audience: &str) -> Self {
        Self { tokens, audience: Some(audience.into()) }
    }

    /// A layer that accepts tokens for any audience of the issuer.
    #[must_use]
    pub fn for_any_audience(tokens: Arc<Tokens>) -> Self {
        Self { tokens, audience: None }
    }

    fn judge(&self, parts: &http::HeaderMap) -> Verdict {
        match read_bearer(parts) {
            BearerRead::None => Verdict::Absent,
            BearerRead::Invalid => Verdict::Refused(Problem::new(ProblemCode::TokenInvalid)),
            BearerRead::One(token) => match judge(&self.tokens, token, self.audience.as_deref()) {
                Ok(claims) => Verdict::Good(claims),
                Err(problem) => Verdict::Refused(problem),
            },
        }
    }
}

/// What an access token claims if it may be believed, else the problem to answer with.
///
/// # Errors
/// 401 for a bad token, 503 where this node cannot know whether it was revoked.
pub fn judge(tokens: &Tokens, token: &str, audience: Option<&str>) -> Result<Arc<AccessClaims>, Problem> {
    match tokens.verify(token, audience) {
        Ok(Verification::Active(claims)) => Ok(claims),
        Ok(Verification::Refused(refusal)) => Err(problem(refusal)),
        Err(fault) => {
            // Each request would say the same, and health says it, too.
            tracing::debug!(class = fault.class(), error = %fault, "access tokens cannot be judged");
            Err(Problem::new(ProblemCode::StoreUnavailable))
        }
    }
}

/// What whoever presents a bad token is told.
fn problem(refusal: TokenRefusal) -> Problem {
    let invalid = |detail: &'static str| Problem::new(ProblemCode::TokenInvalid).with_detail(detail);
    match refusal {
        TokenRefusal::TooLong => {
            Problem::new(ProblemCode::InvalidRequest).with_detail("no access token of this issuer is longer than 8 KiB")
        }
        TokenRefusal::Invalid => Problem::new(ProblemCode::TokenInvalid),
        TokenRefusal::Audience => invalid("The token is for another audience."),
        TokenRefusal::NotYetValid => invalid("The token is not valid yet."),
        TokenRefusal::Expired => Problem::new(ProblemCode::TokenExpired).with_status(StatusCode::UNAUTHORIZED),
        TokenRefusal::Revoked => Problem::new(ProblemCode::TokenRevoked).with_status(StatusCode::UNAUTHORIZED),
    }
}

/// What the layer leaves with a request.
#[derive(Clone)]
enum Verdict {
    Absent,
    Good(Arc<AccessClaims>),
    Refused(Problem),
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService { layer: self.clone(), inner }
    }
}

/// What [`BearerLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct BearerService<S> {
    layer: BearerLayer,
    inner: S,
}

impl<S: Service<Request>> Service<Request> for BearerService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        let verdict = self.layer.judge(request.headers());
        request.extensions_mut().insert(verdict);
        self.inner.call(request)
    }
}

/// The access token of a request. As `Option<AccessToken>` the absence of one is no error; a bad one still is.
#[derive(Debug, Clone)]
pub struct AccessToken(pub Arc<AccessClaims>);

impl std::ops::Deref for AccessToken {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl AccessToken {
    /// Goes on only with a scope.
    ///
    /// # Errors
    /// 403 `scope_missing`.
    pub fn require_scope(&self, scope: &str) -> Result<(), Problem> {
        if self.scope.iter().any(|word| **word == *scope) { Ok(()) } else { Err(Problem::new(ProblemCode::ScopeMissing)) }
    }

    /// Goes on only with a role.
    ///
    /// # Errors
    /// 403 `role_missing`.
    pub fn require_role(&self, role: &str) -> Result<(), Problem> {
        if self.roles.iter().any(|held| **held == *role) { Ok(()) } else { Err(Problem::new(ProblemCode::RoleMissing)) }
    }
}

/// The tag of whom the layer found a good token of.
pub(crate) fn tag_in(extensions: &http::Extensions) -> Option<UserTag> {
    match extensions.get::<Verdict>()? {
        Verdict::Good(claims) => Some(claims.id.tag()),
        Verdict::Absent | Verdict::Refused(_) => None,
    }
}

fn found(parts: &Parts) -> Result<Option<AccessToken>, Problem> {
    match parts.extensions.get::<Verdict>() {
        Some(Verdict::Good(claims)) => Ok(Some(AccessToken(claims.clone()))),
        Some(Verdict::Absent) => Ok(None),
        Some(Verdict::Refused(problem)) => Err(problem.clone()),
        None => {
            tracing::error!("a handler asks for the access token, but no BearerLayer is around its route");
            Err(Problem::new(ProblemCode::Internal))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        found(parts)?.ok_or_else(|| Problem::new(ProblemCode::Unauthenticated))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        found(parts)
    }
}
