//! The figures of the deployment.

use super::{
    Server, Shared,
    access::{By, StatsRead},
    answer::{ok, unavailable},
};
use axum::{Router, extract::State, response::Response, routing::get};
use std::sync::Arc;
use vestibule::http::problem::Problem;

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/stats", get(stats))
}

async fn stats(_: By<StatsRead>, State(server): Shared) -> Result<Response, Problem> {
    let stats = server.vestibule.sessions.stats().await.map_err(unavailable)?;
    Ok(ok(stats).into())
}
