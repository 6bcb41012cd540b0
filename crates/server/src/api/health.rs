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
    durable::Durable,
    fault::Fault,
    http::problem::{Problem, ProblemCode},
    inspect::{Finding, FindingKind, Inspection, Watch},
    stats::Stats,
};

/// A look older than this says nothing any more: the task that looks hangs, most likely in the store.
const STALE: Duration = Duration::from_secs(3);

/// Time between two questions for the figures where they are many.
const FIGURES_ON_REDIS: Duration = Duration::from_secs(10);
/// The kind of a store on Redis.
const REDIS: &str = "redis";

/// What an operator can do about a bus that is not heard.
const BUS_REMEDY: &str = "this process does not hear itself on the channel vs:bus, so it hears late of sessions that end elsewhere: see whether \
     Redis answers, and whether its user has the rights &vs:bus* and +@pubsub";

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
    Looked(Box<Look>),
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
    figures: Figures,
    store: Side,
    record: Side,
    /// Asked at each report, so that a task that hangs is no excuse.
    bus: Arc<dyn Bus>,
}

/// How many sessions there are, or why nobody knows.
#[derive(Debug, Clone)]
struct Figures {
    at: Instant,
    stats: Result<Stats, Fault>,
}

/// What one side of the stores showed.
#[derive(Debug, Clone, Default)]
struct Side {
    /// Faults in a row of calls to it.
    faults: u64,
    fault: Option<Fault>,
    /// What its server says of itself, where it is on one.
    inspection: Option<Result<Inspection, Fault>>,
}

impl Side {
    fn findings(&self) -> &[Finding] {
        match &self.inspection {
            Some(Ok(inspection)) => &inspection.findings,
            _ => &[],
        }
    }

    /// Why it does not answer, though others may in its place.
    fn trouble(&self) -> Option<Fault> {
        let unanswered = self.inspection.as_ref().and_then(|answer| answer.as_ref().err());
        unanswered.or(self.fault.as_ref()).cloned()
    }
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
        let store_kind = if config.store.sessions_on_redis().is_some() { REDIS } else { "memory" };
        let record_kind = match config.record {
            Record::Sqlite => Some("sqlite"),
            Record::Postgres(_) => Some("postgres"),
            Record::None => None,
        };
        let known = Arc::new(watch::Sender::new(Known::Opening(None)));
        Self { started: Instant::now(), record_kind, store_kind, stop, known }
    }

    /// Redis sums the figures up over all homes, which is too much for every look.
    fn figures_every(&self) -> Duration {
        match self.record_kind {
            None if self.store_kind == REDIS => FIGURES_ON_REDIS,
            _ => Duration::ZERO,
        }
    }

    /// Notes that a store is not there yet.
    pub(crate) fn miss(&self, missing: Missing) {
        self.known.send_replace(Known::Opening(Some(missing)));
        self.report().flag();
    }

    /// Looks at the stores, and keeps what they show for whoever asks.
    pub(crate) async fn look(&self, vestibule: &Vestibule) {
        let figures = self.figures(vestibule).await;
        let durable = vestibule.durable.as_ref();
        let watched = |watch: &Option<Watch>| watch.as_ref().and_then(Watch::last);
        let store = Side {
            faults: durable.map_or(0, Durable::state_faults),
            fault: durable.and_then(Durable::state_fault),
            inspection: watched(&vestibule.watches.store),
        };
        let record = Side {
            faults: durable.map_or(0, Durable::record_faults),
            fault: durable.and_then(Durable::record_fault),
            inspection: watched(&vestibule.watches.record),
        };
        let look = Look { at: Instant::now(), figures, store, record, bus: vestibule.bus.clone() };
        self.known.send_replace(Known::Looked(Box::new(look)));
        self.report().flag();
    }

    /// The figures, from the store or from the last look.
    async fn figures(&self, vestibule: &Vestibule) -> Figures {
        if let Known::Looked(look) = &*self.known.borrow()
            && let figures = &look.figures
            && figures.stats.is_ok()
            && figures.at.elapsed() < self.figures_every()
        {
            return figures.clone();
        }
        let stats = vestibule.sessions.stats().await;
        if let Ok(stats) = &stats {
            metrics::gauge!("vestibule_sessions").set(stats.sessions as f64);
            metrics::gauge!("vestibule_users").set(stats.users as f64);
            metrics::counter!("vestibule_sessions_created_total").absolute(stats.created_total);
            metrics::counter!("vestibule_sessions_revoked_total").absolute(stats.revoked_total);
            metrics::counter!("vestibule_sessions_expired_total").absolute(stats.expired_total);
        }
        Figures { at: Instant::now(), stats }
    }

    fn report(&self) -> Report {
        match self.known.borrow().clone() {
            Known::Opening(missing) => Report::opening(missing),
            Known::Looked(look) if look.at.elapsed() < STALE => self.report_of(*look),
            Known::Looked(mut look) => {
                look.figures.stats = Err(Fault::Timeout);
                self.report_of(*look)
            }
        }
    }

    fn report_of(&self, look: Look) -> Report {
        let Look { figures, store, record, bus, .. } = look;
        let stats = figures.stats.as_ref().ok().copied();
        let uncounted = figures.stats.err();
        let sessions = if uncounted.is_none() { Status::Ok } else { Status::Degraded };
        let (store, record) = match self.record_kind {
            // With a record the state is memory of this process, which cannot be away, or Redis, in whose place it answers.
            Some(_) => (Part::of(store, None), Part::of(record, uncounted)),
            None => {
                let fault = uncounted.or_else(|| store.trouble());
                (Part::of(store, fault), Part::of(record, None))
            }
        };
        // Ends are heard of late or in doubt; no answer depends on it.
        let (nodes, bus) = (bus.nodes(), if bus.is_connected() { Status::Ok } else { Status::Degraded });
        // Without the record validations are answered from the state: that is less, but nothing only where the state is away too.
        let answers = record.status < Status::Starting || store.fault.is_none();
        let without_record = if answers { Status::Degraded } else { Status::Unavailable };
        let status = store.status.max(record.status.min(without_record)).max(sessions).max(bus);
        Report { status, store, record, sessions, bus, nodes, stats, answers }
    }

    fn is_ready(&self) -> bool {
        let report = self.report();
        self.stop.phase() == Phase::Serving && report.answers && report.store.status < Status::Starting
    }

    fn components(&self, report: &Report) -> Vec<(&'static str, Status, Value)> {
        let stats = report.stats;
        let record_kind = self.record_kind.unwrap_or("none");
        vec![
            ("store", report.store.status, report.store.detail(self.store_kind)),
            ("record", report.record.status, report.record.detail(record_kind)),
            (
                "sessions",
                report.sessions,
                json!({"sessions": stats.map(|stats| stats.sessions), "users": stats.map(|stats| stats.users)}),
            ),
            (
                "bus",
                report.bus,
                json!({"kind": self.store_kind, "nodes": report.nodes, "detail": (report.bus == Status::Degraded).then_some(BUS_REMEDY)}),
            ),
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
    /// Processes that are heard on the bus, this one among them; 0 before the stores are open.
    nodes: usize,
    stats: Option<Stats>,
    /// Whether anybody can tell whether a session is valid.
    answers: bool,
}

impl Report {
    /// Before the stores were there for the first time.
    fn opening(missing: Option<Missing>) -> Self {
        let part = |name: &str| match &missing {
            Some(missing) if missing.component == name => Part::of(Side::default(), Some(missing.fault.clone())),
            _ => Part { status: Status::Starting, fault: None, side: Side::default() },
        };
        let (store, record) = (part("store"), part("record"));
        let (status, sessions, bus) = (Status::Starting, Status::Starting, Status::Starting);
        Self { status, store, record, sessions, bus, nodes: 0, stats: None, answers: false }
    }

    /// Flags in the metrics what is not well.
    fn flag(&self) {
        let up = |status: Status| if status == Status::Ok { 1.0 } else { 0.0 };
        metrics::gauge!("vestibule_up").set(up(self.status));
        metrics::gauge!("vestibule_bus_connected").set(up(self.bus));
        metrics::gauge!("vestibule_bus_nodes").set(self.nodes as f64);
        for (name, part) in [("store", &self.store), ("record", &self.record)] {
            metrics::gauge!("vestibule_component_up", "component" => name).set(up(part.status));
            if let Some(Ok(inspection)) = &part.side.inspection {
                let ahead = inspection.clock.ahead_ms() as f64 / 1_000.0;
                metrics::gauge!("vestibule_clock_offset_seconds", "component" => name).set(ahead);
            }
        }
        if self.store.side.inspection.is_some() {
            for kind in FindingKind::ALL {
                let is_found = self.store.side.findings().iter().any(|finding| finding.kind == kind);
                let found = if is_found { 1.0 } else { 0.0 };
                metrics::gauge!("vestibule_store_finding", "kind" => kind.as_str()).set(found);
            }
        }
    }
}

/// One side of the stores, judged.
struct Part {
    status: Status,
    fault: Option<Fault>,
    side: Side,
}

impl Part {
    /// A fault that leaves requests unanswered makes it unavailable; what others make good for degrades it.
    fn of(side: Side, fault: Option<Fault>) -> Self {
        let status = match &fault {
            Some(_) => Status::Unavailable,
            None if side.trouble().is_some() || !side.findings().is_empty() => Status::Degraded,
            None => Status::Ok,
        };
        Self { status, fault: fault.or_else(|| side.trouble()), side }
    }

    /// What operators read: the class of a fault for programs, its text with the remedy for people.
    fn detail(&self, kind: &str) -> Value {
        let fault = self.fault.as_ref();
        let mut detail = json!({
            "kind": kind,
            "fault": fault.map(Fault::class),
            "detail": fault.map(Fault::to_string),
            "faults": self.side.faults,
        });
        if let Some(Ok(inspection)) = &self.side.inspection {
            detail["version"] = inspection.version.as_str().into();
            detail["clock_offset_ms"] = inspection.clock.ahead_ms().into();
            detail["findings"] = inspection.findings.iter().map(describe).collect();
        }
        detail
    }
}

fn describe(finding: &Finding) -> Value {
    let Finding { kind, what, why, remedy } = finding;
    json!({"kind": kind.as_str(), "what": what, "why": why, "remedy": remedy})
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
