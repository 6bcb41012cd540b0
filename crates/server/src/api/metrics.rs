//! Figures for a scraper, and the log line of each request.
//!
//! Everything is local and in memory, so that a scrape is answered whatever the stores do. Labels come from closed sets (the
//! route as it is written in the router, not the path that was asked for): neither users nor paths make new series.

use super::{RequestId, Server};
use axum::{
    Router,
    extract::{ConnectInfo, FromRef, MatchedPath, Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
    routing::get,
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule::http::problem::Problem;

/// Upper bounds of the buckets of durations, in seconds: from an answer out of memory to a deadline and a hashed password.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
/// Upper bounds of the buckets of counts.
const CALLS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Bytes of a client's agent in the log.
const AGENT_BYTES: usize = 200;
/// Ticks of processor time in a second, as Linux tells them to programs (`USER_HZ`, the same on every architecture it runs on).
const TICKS_PER_S: f64 = 100.0;
/// Bytes of a page of memory; only the rare kernel built with larger ones is told wrong.
const PAGE_BYTES: u64 = 4_096;

/// `/metrics`.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Exporter: FromRef<S>,
{
    Router::new().route("/metrics", get(scrape))
}

/// Where the figures of this process are read. A handle.
#[derive(Clone)]
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    /// Starts counting for the whole process.
    ///
    /// # Errors
    /// Where the process counts already.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_calls".to_owned()), &CALLS)?;
        let handle = builder.install_recorder()?;
        describe();
        Ok(Self(handle))
    }

    /// Takes what was recorded since the last time into the histograms; called about once a second.
    pub(crate) fn tend(&self) {
        self.0.run_upkeep();
    }
}

fn describe() {
    metrics::describe_gauge!("vestibule_up", "1 where everything is well, else 0; see /health");
    metrics::describe_gauge!("vestibule_component_up", "1 where the store or the record is well, else 0");
    metrics::describe_gauge!("vestibule_store_finding", "1 for each kind of thing that is wrong with the server of the store");
    metrics::describe_gauge!("vestibule_clock_offset_seconds", "How far a server's clock is ahead of this machine's");
    metrics::describe_gauge!("vestibule_sessions", "Live sessions, about a second old, ten on Redis without a record");
    metrics::describe_gauge!("vestibule_users", "Users with a live session, as old");
    metrics::describe_counter!("vestibule_sessions_created_total", "Sessions that began");
    metrics::describe_counter!("vestibule_sessions_revoked_total", "Sessions that somebody ended");
    metrics::describe_counter!("vestibule_sessions_expired_total", "Sessions that time ended");
    metrics::describe_counter!("vestibule_http_requests_total", "Requests by route, method and status");
    metrics::describe_histogram!("vestibule_http_request_duration_seconds", "Time from a request's head to its answer");
    metrics::describe_counter!("vestibule_session_lookups_total", "Tokens that were looked up in the store; garbage never is");
    metrics::describe_counter!("vestibule_garbage_tokens_total", "Tokens that were refused by their form alone");
    metrics::describe_counter!("vestibule_logins_failed_total", "Logins with a wrong address or password");
    metrics::describe_counter!("vestibule_record_faults_total", "Faults of the record by class");
    metrics::describe_histogram!("vestibule_record_commit_seconds", "Time of one commit of the record");
    metrics::describe_histogram!("vestibule_record_batch_calls", "Commands decided in one commit");
    metrics::describe_gauge!("vestibule_bus_connected", "1 where this node hears itself on the bus, else 0");
    metrics::describe_gauge!("vestibule_bus_nodes", "Processes that this node hears on the bus, itself among them");
    metrics::describe_counter!("vestibule_bus_messages_total", "Messages on the bus, sent and heard, heartbeats too");
    metrics::describe_gauge!("vestibule_token_denials", "Access tokens and families that this node does not believe any more");
    metrics::describe_counter!("vestibule_bus_doubts_total", "Times that something on the bus may have been missed, and why");
    metrics::describe_counter!(
        "vestibule_event_streams_cut_total",
        "Streams of events that ended because their reader was too slow"
    );
    metrics::describe_counter!(
        "vestibule_webhook_posts_total",
        "Posts of webhooks: delivered, failed and to be tried again, or given up"
    );
    metrics::describe_counter!(
        "vestibule_webhook_events_lost_total",
        "Events given up that are not kept any more either, since too many were"
    );
    metrics::describe_counter!(
        "vestibule_config_reloads_total",
        "Times that the configuration file was read again: taken or refused"
    );
    metrics::describe_gauge!(
        "vestibule_config_last_reload_successful",
        "0 where the configuration file cannot be used as it is now, and what was in effect before stays"
    );
    metrics::describe_gauge!("process_resident_memory_bytes", "Resident memory");
    metrics::describe_gauge!("process_open_fds", "Open file descriptors");
    metrics::describe_gauge!("process_cpu_seconds_total", "Processor time, user and system");
}

/// What the operating system says of this process; zero where it says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Process {
    pub(super) resident_bytes: u64,
    pub(super) open_files: u64,
    cpu_s: f64,
}

/// Looks at `/proc`.
pub(super) fn process() -> Process {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold anything; user and system time are fields 14 and 15, the third comes after it.
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
    Process { resident_bytes: pages * PAGE_BYTES, open_files, cpu_s: ticks as f64 / TICKS_PER_S }
}

impl FromRef<Arc<Server>> for Exporter {
    fn from_ref(server: &Arc<Server>) -> Self {
        server.metrics.clone()
    }
}

async fn scrape(State(exporter): State<Exporter>) -> Response {
    let process = process();
    metrics::gauge!("process_resident_memory_bytes").set(process.resident_bytes as f64);
    metrics::gauge!("process_open_fds").set(process.open_files as f64);
    metrics::gauge!("process_cpu_seconds_total").set(process.cpu_s);
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (headers, exporter.0.render()).into_response()
}

/// Counts and logs a request. Stands inside the layer that gives it an id.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let seen = Seen::of(&request);
    let response = next.run(request).await;
    seen.tell(&response, start.elapsed());
    response
}

/// What of a request may be counted and logged: no path (which can hold anything), no query, no credentials.
struct Seen {
    method: &'static str,
    route: Option<MatchedPath>,
    /// Read only where it will be logged.
    line: Option<Line>,
}

struct Line {
    peer: Option<SocketAddr>,
    user_agent: Option<String>,
    request_id: Option<RequestId>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            method: method_name(request.method()),
            route: extensions.get::<MatchedPath>().cloned(),
            line: tracing::enabled!(tracing::Level::DEBUG).then(|| Line {
                peer: extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer),
                user_agent: agent(request.headers()),
                request_id: extensions.get::<RequestId>().cloned(),
            }),
        }
    }

    fn tell(self, response: &Response, took: Duration) {
        let route = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        let status = response.status();
        let labels = [
            ("route", metrics::SharedString::from(route.to_owned())),
            ("method", self.method.into()),
            ("status", status.as_str().to_owned().into()),
        ];
        metrics::counter!("vestibule_http_requests_total", &labels).increment(1);
        metrics::histogram!("vestibule_http_request_duration_seconds", "route" => route.to_owned()).record(took.as_secs_f64());
        let Some(line) = self.line else { return };
        tracing::debug!(
            method = self.method,
            route,
            status = status.as_u16(),
            code = response.extensions().get::<Problem>().map(|problem| problem.code().as_str()),
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            peer = line.peer.map(tracing::field::display),
            user_agent = line.user_agent,
            request_id = line.request_id.as_ref().map(|id| &*id.0),
            "request"
        );
    }
}

/// Cut, and read as text whatever its bytes are: the log quotes it.
fn agent(headers: &HeaderMap) -> Option<String> {
    let bytes = headers.get(header::USER_AGENT)?.as_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(AGENT_BYTES)]).into_owned())
}

/// Anybody can make up methods.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
