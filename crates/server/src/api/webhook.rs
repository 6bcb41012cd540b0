//! Webhooks over HTTP: how they do, and what was put aside once more.

use super::{
    Server, Shared,
    access::{By, EventsRead, EventsWrite},
    answer::{ok, unavailable},
    query::TextPath,
};
use crate::{
    config::Webhook,
    webhook::{Dead, Progress},
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use serde_json::{Value, json};
use std::sync::Arc;
use vestibule::http::problem::{Problem, ProblemCode};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/webhooks", get(list)).route("/webhooks/{name}/redeliver", post(redeliver))
}

async fn list(_: By<EventsRead>, State(server): Shared) -> Result<Response, Problem> {
    let mut webhooks = Vec::new();
    for hook in server.webhooks.all() {
        let (_, progress) = Progress::load(&*server.vestibule.deliveries, &hook.name).await.map_err(unavailable)?;
        webhooks.push(shown(hook, &progress));
    }
    Ok(ok(json!({"webhooks": webhooks})).into())
}

fn shown(hook: &Webhook, progress: &Progress) -> Value {
    let dead = |dead: &Dead| {
        let event = |name: &str| dead.event[name].clone();
        json!({"id": event("id"), "type": event("type"), "time": event("time"), "given_up_at": dead.at, "error": dead.error})
    };
    json!({
        "name": hook.name,
        "url": hook.url.shown(),
        "types": hook.types,
        "since": progress.since,
        "delivered": progress.delivered,
        "failing": progress.trouble.as_ref().map(|trouble| json!({"at": trouble.at, "tries": trouble.tries, "error": trouble.error})),
        "waiting_again": progress.again.len(),
        "dead": progress.dead.iter().map(dead).collect::<Vec<_>>(),
        "lost": progress.lost,
    })
}

async fn redeliver(_: By<EventsWrite>, State(server): Shared, TextPath(name): TextPath) -> Result<Response, Problem> {
    if !server.webhooks.all().iter().any(|hook| hook.name == name) {
        return Err(Problem::new(ProblemCode::NotFound).with_detail("there is no webhook of this name"));
    }
    let redelivered = server.webhooks.redeliver(&name, &server.vestibule).await.map_err(unavailable)?;
    Ok(ok(json!({"redelivered": redelivered})).into())
}
