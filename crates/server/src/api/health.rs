//! Whether the server lives, is ready, and is well.
//!
//! The stores are looked at by one task, about once a second; every answer here is from memory. So a thousand probes a second
//! cost the stores nothing, and a store that hangs hangs no probe.

use super::{Server, Shared, query::TextPath};
use crate::{
    config::{Config, Record},
    serve::{Phase, Stop},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use vestibule::{
    Vestibule,
    http::problem::{Problem, ProblemCode},
    stats::Stats,
};

/// A look older than this says nothing any more: the task that looks hangs, most likely in the store.
const STALE: Duration = Duration::from_secs(3);

/// For everybody, without detail.
pub(super) fn probes() -> Router<Arc<Server>> {
    Router::new().route("/livez", get(ok)).route("/readyz", get(ready)).route("/startupz", get(ok))
}

/// For operators, in detail.
pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/health", get(overview)).route("/health/{component}", get(component))
}

/// How well something is. Later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Something is missing, requests are answered.
    Degraded,
    /// Requests are not answered.
    Unavailable,
}

/// What the last look at the stores found.
#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    stats: Result<Stats, &'static str>,
    record_faults: u64,
    state_faults: u64,
}

/// What is known of the server's health.
pub(crate) struct Health {
    started: Instant,
    /// `None` without a record.
    record_kind: Option<&'static str>,
    store_kind: &'static str,
    stop: Stop,
    looks: watch::Sender<Option<Look>>,
}

impl Health {
    /// Nothing has been looked at yet: not ready.
    pub(crate) fn new(config: &Config, stop: Stop) -> Self {
        let store_kind = if config.store.sessions_on_redis().is_some() { "redis" } else { "memory" };
        let record_kind = match config.record {
            Record::Sqlite => Some("sqlite"),
            Record::Postgres(_) => Some("postgres"),
            Record::None => None,
        };
        Self { started: Instant::now(), record_kind, store_kind, stop, looks: watch::Sender::new(None) }
    }

    /// Looks at the stores, and keeps the figures for whoever asks.
    pub(crate) async fn look(&self, vestibule: &Vestibule) {
        let stats = vestibule.sessions.stats().await;
        if let Ok(stats) = &stats {
            metrics::gauge!("vestibule_sessions").set(stats.sessions as f64);
            metrics::gauge!("vestibule_users").set(stats.users as f64);
            metrics::counter!("vestibule_sessions_created_total").absolute(stats.created_total);
            metrics::counter!("vestibule_sessions_revoked_total").absolute(stats.revoked_total);
            metrics::counter!("vestibule_sessions_expired_total").absolute(stats.expired_total);
        }
        let look = Look {
            at: Instant::now(),
            stats: stats.map_err(|fault| fault.class()),
            record_faults: vestibule.durable.as_ref().map_or(0, vestibule::durable::Durable::record_faults),
            state_faults: vestibule.durable.as_ref().map_or(0, vestibule::durable::Durable::state_faults),
        };
        self.looks.send_replace(Some(look));
        let report = self.report();
        metrics::gauge!("vestibule_up").set(if report.status == Status::Ok { 1.0 } else { 0.0 });
    }

    /// The figures of the last look, if there are any.
    fn recent(&self) -> Option<Look> {
        self.looks.borrow().clone().filter(|look| look.at.elapsed() < STALE)
    }

    fn report(&self) -> Report {
        let look = self.recent();
        let fault = match &look {
            None => Some("timeout"),
            Some(look) => look.stats.err(),
        };
        let stats = look.as_ref().and_then(|look| look.stats.ok());
        let counted = if fault.is_none() { Status::Ok } else { Status::Unavailable };
        let faults = look.as_ref().map_or(0, |look| look.record_faults);
        let has_record = self.record_kind.is_some();
        let record = match has_record {
            true if fault.is_none() && faults > 0 => Status::Degraded,
            true => counted,
            false => Status::Ok,
        };
        // With a record the state is memory of this process, which cannot be away, or Redis, in whose place the record answers.
        let store = match has_record {
            true if look.as_ref().is_some_and(|look| look.state_faults > 0) => Status::Degraded,
            true => Status::Ok,
            false => counted,
        };
        let sessions = if fault.is_none() { Status::Ok } else { Status::Degraded };
        // Without the record validations are answered from the state: that is less, not nothing.
        let status = store.max(record.min(Status::Degraded)).max(sessions);
        Report { status, store, record, sessions, fault, faults, stats }
    }

    fn is_ready(&self) -> bool {
        self.stop.phase() == Phase::Serving && self.report().store != Status::Unavailable
    }

    fn components(&self, report: &Report) -> Vec<(&'static str, Status, Value)> {
        let kind = self.record_kind.unwrap_or("none");
        let stats = report.stats;
        let system = super::metrics::process();
        vec![
            ("store", report.store, json!({"kind": self.store_kind})),
            ("record", report.record, json!({"kind": kind, "fault": report.fault, "faults": report.faults})),
            (
                "sessions",
                report.sessions,
                json!({"sessions": stats.map(|stats| stats.sessions), "users": stats.map(|stats| stats.users)}),
            ),
            (
                "system",
                Status::Ok,
                json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "uptime_s": self.started.elapsed().as_secs(),
                    "is_stopping": self.stop.phase() != Phase::Serving,
                    "memory_bytes": system.resident_bytes,
                    "open_files": system.open_files,
                }),
            ),
        ]
    }
}

struct Report {
    status: Status,
    store: Status,
    record: Status,
    sessions: Status,
    fault: Option<&'static str>,
    faults: u64,
    stats: Option<Stats>,
}

async fn ok() -> Response {
    plain(StatusCode::OK, "ok\n")
}

async fn ready(State(server): Shared) -> Response {
    if server.health.is_ready() {
        return ok().await;
    }
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(vestibule::http::bounds::RETRY_AFTER_S));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn overview(State(server): Shared) -> Response {
    let report = server.health.report();
    let components: serde_json::Map<String, Value> = server
        .health
        .components(&report)
        .into_iter()
        .map(|(name, status, detail)| (name.to_owned(), with_status(status, detail)))
        .collect();
    answer(report.status, json!({"status": report.status, "components": components}))
}

async fn component(State(server): Shared, TextPath(name): TextPath) -> Response {
    let report = server.health.report();
    let found = server.health.components(&report).into_iter().find(|(known, ..)| *known == name);
    match found {
        Some((_, status, detail)) => answer(status, with_status(status, detail)),
        None => Problem::new(ProblemCode::NotFound).into_response(),
    }
}

fn with_status(status: Status, detail: Value) -> Value {
    let mut body = json!({"status": status});
    if let (Value::Object(body), Value::Object(detail)) = (&mut body, detail) {
        body.extend(detail);
    }
    body
}

fn answer(status: Status, body: Value) -> Response {
    let code = match status {
        Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ok | Status::Degraded => StatusCode::OK,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
