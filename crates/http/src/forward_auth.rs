//! The endpoints that proxies ask before they pass a request on: `/forward-auth` (Traefik, Caddy), `/auth-request` (nginx)
//! and `/ext-authz/*` (Envoy).
//!
//! They are a tower service in front of the router, because every request of an application passes here: the path is looked
//! at, headers are borrowed, and the answer is made of prepared values. Any other path goes to the inner service untouched.
//!
//! The original request decides what is unsafe, where it came from and whose token it carries; the demands (`?mfa=required`,
//! `?role=`, `?limit=`) are the query of our own URL. Envoy's query is the client's, so `/ext-authz/*` has no demands.
//!
//! Deliberately absent: redirects to a login page.

mod answer;
mod judge;
mod limits;
mod log;

pub use limits::ProxyLimits;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use metrics::{Counter, Histogram};
use tower::Service;
use vestibule_core::session::Sessions;
use vestibule_core::token::service::Tokens;

use crate::client_address::TrustedProxies;
use crate::cookie::SessionCookie;
use crate::origin::AllowedOrigins;
use crate::problem::{self, Problem};

/// Path of the endpoint for Traefik and Caddy.
pub const FORWARD_AUTH: &str = "/forward-auth";
/// Path of the endpoint for nginx.
pub const AUTH_REQUEST: &str = "/auth-request";
/// What Envoy puts before the path of the original request.
pub const EXT_AUTHZ: &str = "/ext-authz";

/// What the endpoints need to know of the configuration.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// The cookie with the session token.
    pub cookie: SessionCookie,
    /// Proxies whose word on the client's address is taken.
    pub trusted: TrustedProxies,
    /// Origins beside the original request's own that may send unsafe requests.
    pub allowed: AllowedOrigins,
    /// Where access tokens are judged, which may come in place of a session's; `None` takes none.
    pub tokens: Option<Arc<Tokens>>,
    /// How often requests may pass; `None` bounds nothing.
    pub limits: Option<ProxyLimits>,
}

/// The endpoints, in front of an inner service that answers every other path.
#[derive(Clone)]
pub struct ProxyEndpoints<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> std::fmt::Debug for ProxyEndpoints<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProxyEndpoints")
    }
}

struct Shared {
    sessions: Arc<Sessions>,
    config: ProxyConfig,
    allowed: Counter,
    refused: Counter,
    failed: Counter,
    seconds: Histogram,
}

/// Which proxy asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    ForwardAuth,
    AuthRequest,
    ExtAuthz,
}

impl Endpoint {
    /// Its path as the log names it.
    fn route(self) -> &'static str {
        match self {
            Self::ForwardAuth => FORWARD_AUTH,
            Self::AuthRequest => AUTH_REQUEST,
            Self::ExtAuthz => "/ext-authz/{path}",
        }
    }

    fn of(path: &str) -> Option<Self> {
        match path {
            FORWARD_AUTH => Some(Self::ForwardAuth),
            AUTH_REQUEST => Some(Self::AuthRequest),
            other => other.strip_prefix(EXT_AUTHZ).filter(|rest| rest.starts_with('/')).map(|_| Self::ExtAuthz),
        }
    }
}

impl<S> ProxyEndpoints<S> {
    /// The endpoints in front of `inner`. The peer's address is taken from axum's `ConnectInfo<SocketAddr>` in the request.
    ///
    /// Metrics are held from here on, so the recorder has to be installed before.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, config: ProxyConfig, inner: S) -> Self {
        let outcome = |outcome: &'static str| metrics::counter!("vestibule_proxy_requests_total", "outcome" => outcome);
        let shared = Shared {
            sessions,
            config,
            allowed: outcome("allowed"),
            refused: outcome("refused"),
            failed: outcome("failed"),
            seconds: metrics::histogram!("vestibule_proxy_request_duration_seconds"),
        };
        Self { shared: Arc::new(shared), inner }
    }
}

impl<S> Service<Request> for ProxyEndpoints<S>
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
        match Endpoint::of(request.uri().path()) {
            None => Box::pin(self.inner.call(request)),
            Some(endpoint) => {
                let shared = self.shared.clone();
                // The body is not read, and without it the request can be borrowed across the store's answer.
                let request = request.map(|_| ());
                Box::pin(async move { Ok(shared.answer(endpoint, &request).await) })
            }
        }
    }
}

impl Shared {
    async fn answer(&self, endpoint: Endpoint, request: &http::Request<()>) -> Response {
        let started = Instant::now();
        let request_id = answer::RequestId::of(request.headers());
        let (verdict, held) = self.bounded(endpoint, request, request_id.as_str()).await;
        let passed = verdict.is_ok();
        let mut response = match verdict {
            Ok(identity) => {
                self.allowed.increment(1);
                answer::allowed(&identity, &request_id)
            }
            Err(problem) => {
                self.count(&problem);
                problem::stamp(problem.into_response(), request_id.as_str())
            }
        };
        if let Some(held) = held {
            self.settle(held, passed, &mut response).await;
        }
        let took = started.elapsed();
        self.seconds.record(took);
        if tracing::enabled!(tracing::Level::DEBUG) {
            log::line(endpoint, request, &response, took, request_id.as_str());
        }
        response
    }

    fn count(&self, problem: &Problem) {
        if problem.status().is_server_error() { self.failed.increment(1) } else { self.refused.increment(1) }
    }
}
