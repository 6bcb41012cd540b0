//! Rate limits in front of an application: a tower layer, and what clients are told.
//!
//! ```text
//! Router ── .layer(RateLimitLayer) ──► all rules of the request in one check; denied: 429 and the handler is not called
//! ```
//!
//! A rule that counts failures takes its unit before the handler runs and gives it back where the answer is not 4xx, so that many tries at
//! once get no further than one after the other. What is in flight is given back with the answer.
//!
//! A rule with a challenge answers 429 with `X-Vestibule-Challenge: PUZZLE;d=BITS`. The client that finds a text for which SHA-256 of
//! `PUZZLE:TEXT` begins with so many zero bits repeats its request with `X-Vestibule-Solution: PUZZLE:TEXT`, and need not wait. Where the
//! limiter has a verifier, the challenge is `response`, and the solution is what the verifier's widget gave.
//!
//! Where the address of a client is not known, rules that count addresses do not apply: there is no bucket of the unknown. Serve the
//! application with `into_make_service_with_connect_info::<SocketAddr>()`.

pub(crate) mod challenge;
mod fields;

pub use fields::{LimitFields, put};

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use tower::{Layer, Service};
use vestibule_core::bounds::{REQUEST_ID_BYTES, USER_AGENT_BYTES};
use vestibule_core::event::Origin;
use vestibule_core::limit::{Ask, Limiter, Outcome, Requester};
use vestibule_core::session::model::cut;

use crate::client_address::TrustedProxies;
use crate::credential::{client, text};
use crate::headers::{REQUEST_ID, single};
use crate::problem::{Problem, ProblemCode};

/// Bounds requests by limit rules. Cheap to clone.
#[derive(Clone)]
pub struct RateLimitLayer(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    limiter: Arc<Limiter>,
    /// Rules with the paths that they guard; without one all of them.
    rules: Vec<(Box<str>, Option<Box<str>>)>,
    trusted: TrustedProxies,
    fields: LimitFields,
    exempt: TrustedProxies,
    refused: TrustedProxies,
}

impl std::fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimitLayer").field("rules", &self.0.rules).finish_non_exhaustive()
    }
}

impl RateLimitLayer {
    /// A layer without rules. No proxy is trusted, and both kinds of fields are sent, unless said below.
    #[must_use]
    pub fn new(limiter: Arc<Limiter>) -> Self {
        let nobody = TrustedProxies::default;
        let fields = LimitFields::default();
        Self(Arc::new(Shared { limiter, rules: Vec::new(), trusted: nobody(), fields, exempt: nobody(), refused: nobody() }))
    }

    /// Bounds every request by a rule.
    #[must_use]
    pub fn rule(self, name: &str) -> Self {
        self.with(|shared| shared.rules.push((name.into(), None)))
    }

    /// Bounds the requests of one path by a rule; of all below it where it ends with `/*`.
    #[must_use]
    pub fn rule_at(self, name: &str, path: &str) -> Self {
        self.with(|shared| shared.rules.push((name.into(), Some(path.into()))))
    }

    /// Takes these proxies' word on the client's address.
    #[must_use]
    pub fn trusting(self, trusted: TrustedProxies) -> Self {
        self.with(|shared| shared.trusted = trusted)
    }

    /// Sends these fields.
    #[must_use]
    pub fn telling(self, fields: LimitFields) -> Self {
        self.with(|shared| shared.fields = fields)
    }

    /// Bounds nobody from these networks.
    #[must_use]
    pub fn exempting(self, networks: TrustedProxies) -> Self {
        self.with(|shared| shared.exempt = networks)
    }

    /// Lets nobody from these networks have what a rule guards.
    #[must_use]
    pub fn refusing(self, networks: TrustedProxies) -> Self {
        self.with(|shared| shared.refused = networks)
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        RateLimit { shared: self.0.clone(), inner }
    }
}

/// See [`RateLimitLayer`].
#[derive(Clone)]
pub struct RateLimit<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> std::fmt::Debug for RateLimit<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RateLimit")
    }
}

impl<S> Service<Request> for RateLimit<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ip = client(&self.shared.trusted, request.headers(), request.extensions()).ip;
        let asks = self.shared.asks(&request, ip);
        if !asks.is_empty() && ip.is_some_and(|ip| self.shared.refused.trusts(ip)) {
            return Box::pin(async { Ok(Problem::new(ProblemCode::AddressRefused).into_response()) });
        }
        if asks.is_empty() || ip.is_some_and(|ip| self.shared.exempt.trusts(ip)) {
            return Box::pin(self.inner.call(request));
        }
        let shared = self.shared.clone();
        // The one that was polled ready serves, its clone waits for the next.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move { Ok(shared.bound(asks, request, inner).await) })
    }
}

impl Shared {
    /// What the request is asked for. A browser's question whether it may ask is no request.
    fn asks(&self, request: &Request, ip: Option<IpAddr>) -> Vec<Ask> {
        let path = request.uri().path();
        if self.rules.is_empty() || request.method() == Method::OPTIONS {
            return Vec::new();
        }
        let rules = self.limiter.rules();
        let requester = Requester { ip, user: None, endpoint: Some(path) };
        let guards =
            |(_, guarded): &&(Box<str>, Option<Box<str>>)| guarded.as_deref().is_none_or(|guarded| is_at(path, guarded));
        let ask = |(name, _): &(Box<str>, Option<Box<str>>)| self.limiter.ask_for(rules.get(name)?, &requester);
        self.rules.iter().filter(guards).filter_map(ask).collect()
    }

    async fn bound<S>(&self, asks: Vec<Ask>, request: Request, mut inner: S) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible>,
    {
        let origin = origin(&self.trusted, &request);
        let mut checked = match challenge::check(&self.limiter, asks, request.headers(), origin.ip).await {
            Ok(checked) => checked,
            // More rules at one path than are decided at once: the configuration says so at its start.
            Err(_) => return Problem::new(ProblemCode::Internal).into_response(),
        };
        if let Some(problem) = refusal(checked.outcome) {
            self.limiter.note_denial(&checked, &origin);
            let mut response = problem.into_response();
            put(self.fields, &checked, response.headers_mut());
            challenge::put_challenge(&self.limiter, &checked, response.headers_mut());
            return response;
        }
        let mut response = match inner.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let taken = checked.settle(response.status().is_client_error());
        put(self.fields, &checked, response.headers_mut());
        self.limiter.give_back(taken).await;
        response
    }
}

/// Whether a path is guarded: the same, or below one that ends with `/*`.
fn is_at(path: &str, guarded: &str) -> bool {
    match guarded.strip_suffix("/*") {
        Some(above) => path.strip_prefix(above).is_some_and(|below| below.starts_with('/')),
        None => path == guarded,
    }
}

/// What a client is told whose request may not go on; `None` where it may.
#[must_use]
pub fn refusal(outcome: Outcome) -> Option<Problem> {
    match outcome {
        Outcome::Allowed => None,
        Outcome::Denied { retry_after_ms } | Outcome::Challenge { retry_after_ms, .. } => {
            Some(Problem::rate_limited(retry_after_ms.div_ceil(1_000).max(1)))
        }
        Outcome::Unsatisfiable => Some(Problem::new(ProblemCode::RateLimited)),
        Outcome::StoreUnavailable => Some(Problem::new(ProblemCode::ReducedCapacity)),
    }
}

fn origin(trusted: &TrustedProxies, request: &Request) -> Origin {
    let client = client(trusted, request.headers(), request.extensions());
    let request_id = text(single(request.headers(), &REQUEST_ID));
    Origin {
        ip: client.ip,
        user_agent: client.user_agent.map(|agent| cut(agent, USER_AGENT_BYTES).into()),
        request_id: request_id.map(|id| cut(id, REQUEST_ID_BYTES).into()),
        ..Origin::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_guards_what_is_below() {
        assert!(is_at("/auth/login", "/auth/login") && is_at("/auth/login", "/auth/*") && is_at("/a/b/c", "/a/*"));
        assert!(!is_at("/auth", "/auth/*") && !is_at("/authority", "/auth/*") && !is_at("/auth/login/", "/auth/login"));
    }
}
