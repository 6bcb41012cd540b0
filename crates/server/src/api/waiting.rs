//! What is answered while the stores are not there yet: life, health and figures. Everything else is told to come again, in
//! time and without a guess.

use super::{
    health::{self, Health},
    metrics::{self, Exporter},
    stamp,
};
use axum::{
    Router,
    extract::{FromRef, Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use vestibule::{
    http::{
        problem::{Problem, ProblemCode},
        token_header::{BearerRead, read_bearer},
    },
    key::BootstrapKey,
};

/// What can be told without a store.
#[derive(Clone)]
pub(crate) struct Waiting {
    pub(crate) health: Health,
    pub(crate) metrics: Exporter,
    pub(crate) bootstrap: Option<BootstrapKey>,
}

impl FromRef<Waiting> for Health {
    fn from_ref(waiting: &Waiting) -> Self {
        waiting.health.clone()
    }
}

impl FromRef<Waiting> for Exporter {
    fn from_ref(waiting: &Waiting) -> Self {
        waiting.metrics.clone()
    }
}

/// Of the public listener.
pub(crate) fn public(waiting: Waiting) -> Router {
    finish(health::probes(), waiting)
}

/// Of the management listener.
pub(crate) fn management(waiting: Waiting, metrics_are_public: bool) -> Router {
    let (open, guarded) = match metrics_are_public {
        true => (metrics::routes(), health::routes()),
        false => (Router::new(), health::routes().merge(metrics::routes())),
    };
    let guarded = guarded.route_layer(middleware::from_fn_with_state(waiting.clone(), authenticate));
    finish(guarded.merge(open).merge(health::probes()), waiting)
}

fn finish(router: Router<Waiting>, waiting: Waiting) -> Router {
    router
        .fallback(|| async { Problem::new(ProblemCode::StoreUnavailable) })
        .layer(middleware::from_fn(metrics::observe))
        .layer(middleware::from_fn(stamp))
        .with_state(waiting)
}

/// The configured key is known without a store. Whether another one is good nobody can tell now.
async fn authenticate(State(waiting): State<Waiting>, request: Request, next: Next) -> Response {
    let BearerRead::One(text) = read_bearer(request.headers()) else {
        return Problem::new(ProblemCode::KeyInvalid).into_response();
    };
    match waiting.bootstrap.is_some_and(|key| key.verify(text).is_some()) {
        true => next.run(request).await,
        false => Problem::new(ProblemCode::StoreUnavailable).into_response(),
    }
}
