//! The HTTP API: `/v1` and health on the management listener, probes on both.

mod auth;
pub(crate) mod health;
pub(crate) mod metrics;
mod session;

pub(crate) use auth::Browser;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use std::sync::Arc;
use vestibule::{
    Vestibule,
    event::Origin,
    fault::Fault,
    http::{
        problem::{self, Problem, ProblemCode},
        token_header::{BearerRead, read_bearer},
    },
    id,
    key::{Keys, Verified},
};

/// What every handler shares.
pub(crate) struct Server {
    pub(crate) vestibule: Vestibule,
    pub(crate) keys: Keys,
    pub(crate) browser: Browser,
    pub(crate) health: health::Health,
    pub(crate) metrics: metrics::Exporter,
}

type Shared = State<Arc<Server>>;

/// Who asks, and in which request: put into each management request once its key was verified.
#[derive(Clone)]
pub(crate) struct Caller {
    key: Verified,
    request_id: Box<str>,
}

impl Caller {
    /// Refuses a caller without this scope.
    fn needs(&self, scope: &'static str) -> Result<(), Problem> {
        if self.key.scopes.permits(scope) { Ok(()) } else { Err(Problem::new(ProblemCode::ScopeMissing)) }
    }

    fn origin(&self) -> Origin {
        Origin { actor: Some(self.key.actor.clone()), request_id: Some(self.request_id.clone()), ..Origin::default() }
    }
}

/// The public routes.
pub(crate) fn public(server: Arc<Server>) -> Router {
    auth::routes()
        .merge(health::probes())
        .fallback(not_found)
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(middleware::from_fn(metrics::observe))
        .layer(middleware::from_fn(stamp))
        .with_state(server)
}

/// The management routes. `metrics_are_public` opens `/metrics` to callers without a key.
pub(crate) fn management(server: Arc<Server>, metrics_are_public: bool) -> Router {
    let v1 = session::routes().route_layer(middleware::from_fn_with_state(server.clone(), authenticate));
    let (open, guarded) = match metrics_are_public {
        true => (metrics::routes(), health::routes()),
        false => (Router::new(), health::routes().merge(metrics::routes())),
    };
    let guarded = guarded.route_layer(middleware::from_fn_with_state(server.clone(), authenticate));
    Router::new()
        .nest("/v1", v1)
        .merge(guarded)
        .merge(open)
        .merge(health::probes())
        .fallback(not_found)
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .layer(middleware::from_fn(metrics::observe))
        .layer(middleware::from_fn(stamp))
        .with_state(server)
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound)
}

/// A store fault as the client may read it; the operator reads the log.
pub(crate) fn unavailable(fault: &Fault) -> Problem {
    tracing::error!(class = fault.class(), error = %fault, "the store failed");
    Problem::new(ProblemCode::StoreUnavailable)
}

#[derive(Clone)]
struct RequestId(Box<str>);

async fn stamp(mut request: Request, next: Next) -> Response {
    let request_id: Box<str> = format!("{:032x}", u128::from_be_bytes(id::random())).into();
    request.extensions_mut().insert(RequestId(request_id.clone()));
    problem::stamp(next.run(request).await, &request_id)
}

async fn authenticate(State(server): Shared, mut request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().map_or_else(|| "".into(), |id| id.0.clone());
    let BearerRead::One(text) = read_bearer(request.headers()) else {
        return Problem::new(ProblemCode::KeyInvalid).into_response();
    };
    let origin = Origin { request_id: Some(request_id.clone()), ..Origin::default() };
    match server.keys.verify(text, &origin).await {
        Ok(Some(key)) => {
            request.extensions_mut().insert(Caller { key, request_id });
            next.run(request).await
        }
        Ok(None) => Problem::new(ProblemCode::KeyInvalid).into_response(),
        Err(fault) => unavailable(&fault).into_response(),
    }
}
