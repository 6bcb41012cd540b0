//! The HTTP API: `/v1` and health on the management listener, probes on both.

mod access;
mod account;
mod answer;
mod auth;
mod device;
mod docs;
mod event;
pub(crate) mod health;
mod import;
mod key;
mod limit;
pub(crate) mod metrics;
pub(crate) mod openapi;
mod page;
mod password;
mod query;
mod session;
mod stats;
mod token;
mod user;
pub(crate) mod waiting;
mod webhook;

pub(crate) use auth::{Browser, LoginPage};
pub(crate) use event::Streams;

use crate::webhook::Webhooks;
use access::authenticate;
use answer::unavailable_to_browser;

use axum::{
    Router,
    extract::{Request, State},
    http::header,
    middleware::{self, Next},
    response::Response,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use vestibule::{
    Vestibule,
    bounds::REQUEST_ID_BYTES,
    http::{
        forward_auth::{ProxyConfig, ProxyEndpoints, ProxyLimits},
        headers::{NO_STORE, REQUEST_ID},
        problem::{self, Problem, ProblemCode},
        rate_limit::{ChosenFields, RateLimitLayer},
        request_id,
    },
    key::Keys,
};

/// What every handler shares.
pub(crate) struct Server {
    pub(crate) vestibule: Vestibule,
    pub(crate) keys: Keys,
    pub(crate) browser: Browser,
    /// What clients are told of limits.
    pub(crate) limit_fields: ChosenFields,
    /// How long events are told, however long they are kept.
    pub(crate) event_retention: Duration,
    pub(crate) streams: Streams,
    pub(crate) webhooks: Webhooks,
    /// The turn to verify the events.
    pub(crate) verification: Semaphore,
    pub(crate) health: health::Health,
    pub(crate) metrics: metrics::Exporter,
}

type Shared = State<Arc<Server>>;

/// The public routes, and in front of them the endpoints that proxies ask.
pub(crate) fn public(server: Arc<Server>) -> ProxyEndpoints<Router> {
    let Browser { cookie, trusted, allowed, .. } = &server.browser;
    let (tokens, limiter, fields) =
        (server.vestibule.tokens.clone(), server.vestibule.limits.clone(), server.limit_fields.clone());
    let sessions = server.vestibule.sessions.clone();
    let limits = RateLimitLayer::new(limiter.clone()).configured().counting_users(sessions.clone(), cookie.clone());
    let limits = limits.trusting(trusted.clone()).telling(fields.clone());
    let config = ProxyConfig {
        cookie: cookie.clone(),
        trusted: trusted.clone(),
        allowed: allowed.clone(),
        tokens,
        limits: Some(ProxyLimits { limiter, fields }),
    };
    let router = auth::routes()
        .merge(token::public_routes(&server))
        .merge(health::probes())
        .fallback(not_found)
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(limits)
        .layer(middleware::from_fn_with_state(server.clone(), auth::cors::answer))
        .layer(middleware::from_fn(metrics::observe))
        .layer(middleware::from_fn(stamp))
        .with_state(server);
    ProxyEndpoints::new(sessions, config, router)
}

/// The management routes. `metrics_are_public` opens `/metrics` to callers without a key.
pub(crate) fn management(server: Arc<Server>, metrics_are_public: bool) -> Router {
    let v1 = v1().route_layer(middleware::from_fn_with_state(server.clone(), authenticate));
    let (open, guarded) = match metrics_are_public {
        true => (metrics::routes(), health::routes()),
        false => (Router::new(), health::routes().merge(metrics::routes())),
    };
    let guarded = guarded.route_layer(middleware::from_fn_with_state(server.clone(), authenticate));
    Router::new()
        .nest("/v1", v1)
        .merge(guarded)
        .merge(open)
        .merge(openapi::routes())
        .merge(docs::routes())
        .merge(health::probes())
        .fallback(not_found)
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(middleware::from_fn(metrics::observe))
        .layer(middleware::from_fn(stamp))
        .with_state(server)
}

fn v1() -> Router<Arc<Server>> {
    Router::new()
        .merge(session::routes())
        .merge(user::routes())
        .merge(device::routes())
        .merge(key::routes())
        .merge(limit::routes())
        .merge(import::routes())
        .merge(password::routes())
        .merge(event::routes())
        .merge(stats::routes())
        .merge(token::routes())
        .merge(webhook::routes())
        .layer(middleware::from_fn(query::refuse_tokens_in_url))
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound)
}

#[derive(Clone)]
struct RequestId(Box<str>);

/// Gives a request its id, which the caller may choose, and its answer that id and the word that no cache may keep it.
async fn stamp(mut request: Request, next: Next) -> Response {
    let chosen = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| is_request_id(text));
    let fresh = || String::from_utf8_lossy(&request_id::fresh()).into();
    let request_id: Box<str> = chosen.map_or_else(fresh, Into::into);
    request.extensions_mut().insert(RequestId(request_id.clone()));
    let mut response = problem::stamp(next.run(request).await, &request_id);
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert_with(|| NO_STORE.clone());
    response
}

/// 1 to 64 visible ASCII characters: it goes into logs and events.
fn is_request_id(text: &str) -> bool {
    (1..=REQUEST_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
