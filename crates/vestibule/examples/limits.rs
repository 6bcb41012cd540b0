//! Rate limits in an axum application: `cargo run -p vestibule --example limits`.

use axum::{Router, routing::get};
use http::request::Parts;
use std::time::Duration;
use vestibule::{
    Vestibule,
    http::{cookie::SessionCookie, rate_limit::RateLimitLayer, session_layer::SessionLayer},
    limit::{Level, Rate, Rule, RuleError, RuleOptions, Rules},
};

/// Each user 60 requests a minute, each partner 1,000 an hour, and one search for every ten seconds of an address.
pub(crate) fn rules() -> Result<Rules, RuleError> {
    let rule = |name: &str, level, count, period_s| {
        Rule::new(RuleOptions::new(name, level, Rate { count, period: Duration::from_secs(period_s) }))
    };
    let people = rule("people", Level::User, 60, 60)?;
    let partners = rule("partners", Level::Key, 1_000, 3_600)?;
    Ok([people, partners, rule("search", Level::Ip, 1, 10)?].into_iter().collect())
}

fn partner(request: &Parts) -> Option<String> {
    Some(request.headers.get("x-api-key")?.to_str().ok()?.to_owned())
}

/// An export is as dear as fifty requests.
fn cost(request: &Parts) -> u64 {
    if request.uri.path() == "/export" { 50 } else { 1 }
}

pub(crate) fn app(vestibule: &Vestibule, cookie: SessionCookie) -> Router {
    let limits = RateLimitLayer::new(vestibule.limits.clone());
    let limits = limits.rule("people").rule_by("partners", partner).rule_at("search", "/search").costing(cost);
    let routes =
        Router::new().route("/", get(|| async {})).route("/export", get(|| async {})).route("/search", get(|| async {}));
    // The last layer is the outermost: it finds the session whose user is counted.
    routes.layer(limits).layer(SessionLayer::new(vestibule.sessions.clone(), cookie))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = vestibule::Options::new(vestibule::secret::KeyRing::ephemeral());
    options.limits = rules()?;
    let app = app(&Vestibule::open(options).await?, SessionCookie::development());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
