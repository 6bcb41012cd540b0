//! Whether the server lives, is ready, and is well.
//!
//! The stores are looked at by one task, about once a second; every answer here is from memory. So a thousand probes a second
//! cost the stores nothing, and a store that hangs hangs no probe.

use super::{Server, query::TextPath};
use crate::{
    config::{Config, Record},
    serve::{Phase, Stop},
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
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
    bus::Bus,
    fault::Fault,
    http::problem::{Problem, ProblemCode},
    stats::Stats,
};

/// A look older than this says nothing any more: the task that looks hangs, most likely in the store.
const STALE: Duration = Duration::from_secs(3);

/// For everybody, without detail.
pub(super) fn probes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Health: FromRef<S>,
{
    Router::new().route("/livez", get(ok)).route("/readyz", get(ready)).route("/startupz", get(started))
}

/// For operators, in detail.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Health: FromRef<S>,
{
    Router::new().route("/health", get(overview)).route("/health/{component}", get(component))
}

/// How well something is. Later is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// Something is missing, requests are answered.
    Degraded,
    /// Requests are not answered yet: a store has not been there since the start.
    Starting,
    /// Requests are not answered.
    Unavailable,
}

/// What is known of the stores.
#[derive(Debug, Clone)]
enum Known {
    /// They are not open yet, because of this.
    Opening(Option<Missing>),
    /// What the last look found.
    Looked(Look),
}

/// A store that was not there at the start.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    /// `store` or `record`.
    pub(crate) component: &'static str,
    /// What it did.
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone)]
struct Look {
    at: Instant,
    stats: Result<Stats, Fault>,
    record_faults: u64,
    state_faults: u64,
    /// Asked at each report, so that a task that hangs is no excuse.
    bus: Arc<dyn Bus>,
}

/// What is known of the server's health. A handle.
#[derive(Clone)]
pub(crate) struct Health {
    started: Instant,
    /// `None` without a record.
    record_kind: Option<&'static str>,
    store_kind: &'static str,
    stop: Stop,
    known: Arc<watch::Sender<Known>>,
}

impl FromRef<Arc<Server>> for Health {
    fn from_ref(server: &Arc<Server>) -> Self {
        server.health.clone()
    }
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
        let known = Arc::new(watch::Sender::new(Known::Opening(None)));
        Self { started: Instant::now(), record_kind, store_kind, stop, known }
    }

    /// Notes that a store is not there yet.
    pub(crate) fn miss(&self, missing: Missing) {
        self.known.send_replace(Known::Opening(Some(missing)));
        metrics::gauge!("vestibule_up").set(0.0);
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
            stats,
            record_faults: vestibule.durable.as_ref().map_or(0, vestibule::durable::Durable::record_faults),
            state_faults: vestibule.durable.as_ref().map_or(0, vestibule::durable::Durable::state_faults),
            bus: vestibule.bus.clone(),
        };
        self.known.send_replace(Known::Looked(look));
        let report = self.report();
        metrics::gauge!("vestibule_up").set(if report.status == Status::Ok { 1.0 } else { 0.0 });
        metrics::gauge!("vestibule_bus_connected").set(if report.bus == Status::Ok { 1.0 } else { 0.0 });
    }

    fn report(&self) -> Report {
        match self.known.borrow().clone() {
            Known::Opening(missing) => Report::opening(missing),
            Known::Looked(look) if look.at.elapsed() < STALE => self.report_of(&look),
            Known::Looked(look) => self.report_of(&Look { stats: Err(Fault::Timeout), ..look }),
        }
    }

    fn report_of(&self, look: &Look) -> Report {
        let fault = look.stats.as_ref().err().cloned();
        let stats = look.stats.as_ref().ok().copied();
        let counted = if fault.is_none() { Status::Ok } else { Status::Unavailable };
        let has_record = self.record_kind.is_some();
        let record = match has_record {
            true if fault.is_none() && look.record_faults > 0 => Status::Degraded,
            true => counted,
            false => Status::Ok,
        };
        // With a record the state is memory of this process, which cannot be away, or Redis, in whose place the record answers.
        let store = match has_record {
            true if look.state_faults > 0 => Status::Degraded,
            true => Status::Ok,
            false => counted,
        };
        let sessions = if fault.is_none() { Status::Ok } else { Status::Degraded };
        // Ends are heard of late or in doubt; no answer depends on it.
        let bus = if look.bus.is_connected() { Status::Ok } else { Status::Degraded };
        // Without the record validations are answered from the state: that is less, not nothing.
        let status = store.max(record.min(Status::Degraded)).max(sessions).max(bus);
        let (store_fault, record_fault) = if has_record { (None, fault) } else { (fault, None) };
        Report {
            status,
            store: Part { status: store, fault: store_fault },
            record: Part { status: record, fault: record_fault },
            sessions,
            bus,
            faults: look.record_faults,
            stats,
        }
    }

    fn is_ready(&self) -> bool {
        self.stop.phase() == Phase::Serving && self.report().store.status < Status::Starting
    }

    fn components(&self, report: &Report) -> Vec<(&'static str, Status, Value)> {
        let stats = report.stats;
        let mut record = report.record.detail(self.record_kind.unwrap_or("none"));
        record["faults"] = report.faults.into();
        vec![
            ("store", report.store.status, report.store.detail(self.store_kind)),
            ("record", report.record.status, record),
            (
                "sessions",
                report.sessions,
                json!({"sessions": stats.map(|stats| stats.sessions), "users": stats.map(|stats| stats.users)}),
            ),
            ("bus", report.bus, json!({"kind": self.store_kind})),
            ("system", Status::Ok, self.system()),
        ]
    }

    fn system(&self) -> Value {
        let system = super::metrics::process();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": self.started.elapsed().as_secs(),
            "is_stopping": self.stop.phase() != Phase::Serving,
            "memory_bytes": system.resident_bytes,
            "open_files": system.open_files,
        })
    }
}

struct Report {
    status: Status,
    store: Part,
    record: Part,
    sessions: Status,
    bus: Status,
    faults: u64,
    stats: Option<Stats>,
}

impl Report {
    /// Before the stores were there for the first time.
    fn opening(missing: Option<Missing>) -> Self {
        let part = |name: &str| match &missing {
            Some(missing) if missing.component == name => {
                Part { status: Status::Unavailable, fault: Some(missing.fault.clone()) }
            }
            _ => Part { status: Status::Starting, fault: None },
        };
        let (store, record) = (part("store"), part("record"));
        let (status, sessions, bus) = (Status::Starting, Status::Starting, Status::Starting);
        Self { status, store, record, sessions, bus, faults: 0, stats: None }
    }
}

/// One side of the stores.
struct Part {
    status: Status,
    fault: Option<Fault>,
}

impl Part {
    /// What operators read: the class of the fault for programs, its text with the remedy for people.
    fn detail(&self, kind: &str) -> Value {
        let fault = self.fault.as_ref();
        json!({"kind": kind, "fault": fault.map(Fault::class), "detail": fault.map(Fault::to_string)})
    }
}

async fn ok() -> Response {
    plain(StatusCode::OK, "ok\n")
}

async fn ready(State(health): State<Health>) -> Response {
    if health.is_ready() { ok().await } else { not_yet("not ready\n") }
}

async fn started(State(health): State<Health>) -> Response {
    let has_started = matches!(*health.known.borrow(), Known::Looked(_));
    if has_started { ok().await } else { not_yet("starting\n") }
}

fn not_yet(text: &'static str) -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(vestibule::http::bounds::RETRY_AFTER_S));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn overview(State(health): State<Health>) -> Response {
    let report = health.report();
    let components: serde_json::Map<String, Value> = health
        .components(&report)
        .into_iter()
        .map(|(name, status, detail)| (name.to_owned(), with_status(status, detail)))
        .collect();
    answer(report.status, json!({"status": report.status, "components": components}))
}

async fn component(State(health): State<Health>, TextPath(name): TextPath) -> Response {
    let report = health.report();
    let found = health.components(&report).into_iter().find(|(known, ..)| *known == name);
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
        Status::Starting | Status::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ok | Status::Degraded => StatusCode::OK,
    };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
