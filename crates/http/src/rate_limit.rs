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
//! A rule counts what its level says: the client's address, the user of a [`crate::session_layer::SessionLayer`] or
//! [`crate::bearer_layer::BearerLayer`] around this one, the route, everything. [`RateLimitLayer::rule_by`] counts what a closure finds:
//!
//! ```
//! # use std::sync::Arc;
//! # use axum::Router;
//! # use vestibule_core::limit::Limiter;
//! # use vestibule_http::{rate_limit::RateLimitLayer, session_layer::SessionLayer};
//! fn bounded(routes: Router, limiter: Arc<Limiter>, sessions: SessionLayer) -> Router {
//!     let limits = RateLimitLayer::new(limiter)
//!         .rule_at("search", "/search")
//!         .rule_by("api-key", |request| Some(request.headers.get("x-api-key")?.to_str().ok()?.to_owned()))
//!         .costing(|request| if request.uri.path() == "/export" { 10 } else { 1 });
//!     // The last layer is the outermost: it finds the session that the limits count.
//!     routes.layer(limits).layer(sessions)
//! }
//! ```
//!
//! Where the address of a client is not known, rules that count addresses do not apply: there is no bucket of the unknown. Serve the
//! application with `into_make_service_with_connect_info::<SocketAddr>()`.

pub(crate) mod challenge;
mod fields;
mod finishing;
mod guard;
mod held;

pub use fields::{ChosenFields, LimitFields, put};
pub(crate) use held::Held;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;
use tower::{Layer, Service};
use vestibule_core::bounds::{REQUEST_ID_BYTES, USER_AGENT_BYTES};
use vestibule_core::event::Origin;
use vestibule_core::limit::{Ask, Checked, Limiter, Outcome};
use vestibule_core::session::{Sessions, model::cut};

use crate::client_address::TrustedProxies;
use crate::cookie::SessionCookie;
use crate::credential::{client, text};
use crate::headers::{REQUEST_ID, single};
use crate::problem::{Problem, ProblemCode};
use guard::{Guard, Guards};

/// Bounds requests by limit rules. Cheap to clone.
#[derive(Clone)]
pub struct RateLimitLayer(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    limiter: Arc<Limiter>,
    guards: Guards,
    trusted: TrustedProxies,
    fields: ChosenFields,
}

impl std::fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules: Vec<&str> = self.0.guards.named.iter().map(|guard| &*guard.rule).collect();
        f.debug_struct("RateLimitLayer").field("rules", &rules).finish_non_exhaustive()
    }
}

impl RateLimitLayer {
    /// A layer without rules. No proxy is trusted, and both kinds of fields are sent, unless said below.
    #[must_use]
    pub fn new(limiter: Arc<Limiter>) -> Self {
        let (guards, trusted, fields) = (Guards::default(), TrustedProxies::default(), ChosenFields::default());
        Self(Arc::new(Shared { limiter, guards, trusted, fields }))
    }

    /// Bounds every request by a rule. A rule of level `user` counts the session or access token that a layer around this one found.
    #[must_use]
    pub fn rule(self, name: &str) -> Self {
        self.guard(Guard { rule: name.into(), path: None, key_of: None })
    }

    /// Bounds the requests of one path by a rule; of all below it where it ends with `/*`.
    #[must_use]
    pub fn rule_at(self, name: &str, path: &str) -> Self {
        self.guard(Guard { rule: name.into(), path: Some(path.into()), key_of: None })
    }

    /// Bounds every request by a rule and a key that is found in it: an address or a user id where the level of the rule is that, else any
    /// text. A request without a key is not bounded.
    #[must_use]
    pub fn rule_by(self, name: &str, key_of: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.guard(Guard { rule: name.into(), path: None, key_of: Some(Arc::new(key_of)) })
    }

    /// Bounds each path by the rules that guard it by themselves ([`vestibule_core::limit::Ruled::guarding`]), also when they are replaced.
    #[must_use]
    pub fn configured(self) -> Self {
        self.with(|shared| shared.guards.configured = true)
    }

    /// Counts users also where no layer around this one has found a session: by the token of this cookie or of the bearer, which says whose it
    /// is. That costs no round trip, and nobody asks whether its session still lives.
    #[must_use]
    pub fn counting_users(self, sessions: Arc<Sessions>, cookie: SessionCookie) -> Self {
        self.with(|shared| shared.guards.readers = Some((sessions, cookie)))
    }

    /// Asks this what a request costs, for all rules. Default 1; 0 is free.
    #[must_use]
    pub fn costing(self, cost_of: impl Fn(&Parts) -> u64 + Send + Sync + 'static) -> Self {
        self.with(|shared| shared.guards.cost_of = Some(Arc::new(cost_of)))
    }

    /// Takes these proxies' word on the client's address.
    #[must_use]
    pub fn trusting(self, trusted: TrustedProxies) -> Self {
        self.with(|shared| shared.trusted = trusted)
    }

    /// Sends these fields.
    #[must_use]
    pub fn telling(self, fields: impl Into<ChosenFields>) -> Self {
        self.with(|shared| shared.fields = fields.into())
    }

    fn guard(self, guard: Guard) -> Self {
        self.with(|shared| shared.guards.named.push(guard))
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

impl<S, B> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Error: Send,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let ip = client(&self.shared.trusted, &parts.headers, &parts.extensions).ip;
        let asks = match self.shared.guards.asks(&self.shared.limiter, &parts, ip) {
            Ok(asks) => asks,
            Err(problem) => return Box::pin(async { Ok(problem.into_response()) }),
        };
        let shared = self.shared.clone();
        // The one that was polled ready serves, its clone waits for the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            if asks.is_empty() {
                return Ok(inner.call(Request::from_parts(parts, body)).await?.into_response());
            }
            match shared.admitted(asks, &parts).await {
                Ok(held) => shared.serve(held, inner.call(Request::from_parts(parts, body))).await,
                Err(refused) => Ok(*refused),
            }
        })
    }
}

impl Shared {
    /// What the request took, or the answer to one that may not go on.
    async fn admitted(&self, asks: Vec<Ask>, parts: &Parts) -> Result<Held, Box<Response>> {
        let origin = origin(&self.trusted, parts);
        // Whoever guesses gains nothing by not waiting for the answer.
        let left = |checked: &mut Checked| checked.settle(true);
        let Ok(held) = Held::check(&self.limiter, asks, &parts.headers, origin.ip, left).await else {
            tracing::error!("a RateLimitLayer bounds one request by more rules than are decided at once");
            return Err(Box::new(Problem::new(ProblemCode::Internal).into_response()));
        };
        let Some(problem) = refusal(held.checked.outcome) else { return Ok(held) };
        self.limiter.note_denial(&held.checked, &origin);
        let mut response = problem.into_response();
        put(self.fields.get(), &held.checked, response.headers_mut());
        challenge::put_challenge(&self.limiter, &held.checked, response.headers_mut());
        Err(Box::new(response))
    }

    async fn serve<R: IntoResponse, E>(
        &self,
        mut held: Held,
        answer: impl Future<Output = Result<R, E>>,
    ) -> Result<Response, E> {
        let mut answer = answer.await.map(IntoResponse::into_response);
        // An error is the service's own fault, as a 5xx is.
        let failed = answer.as_ref().is_ok_and(|response| response.status().is_client_error());
        held.settle(|checked| checked.settle(failed)).await;
        if let Ok(response) = &mut answer {
            put(self.fields.get(), &held.checked, response.headers_mut());
        }
        answer
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
        Outcome::Refused => Some(Problem::new(ProblemCode::AddressRefused)),
        Outcome::Unsatisfiable => Some(Problem::new(ProblemCode::RateLimited)),
        Outcome::StoreUnavailable => Some(Problem::new(ProblemCode::ReducedCapacity)),
    }
}

fn origin(trusted: &TrustedProxies, parts: &Parts) -> Origin {
    let client = client(trusted, &parts.headers, &parts.extensions);
    let request_id = text(single(&parts.headers, &REQUEST_ID));
    Origin {
        ip: client.ip,
        user_agent: client.user_agent.map(|agent| cut(agent, USER_AGENT_BYTES).into()),
        request_id: request_id.map(|id| cut(id, REQUEST_ID_BYTES).into()),
        ..Origin::default()
    }
}
