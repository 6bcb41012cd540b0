//! `RateLimitLayer` in front of an axum application and of a plain tower service.

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/limits.rs"]
mod example;

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::{Request, Response, StatusCode, request::Parts};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use vestibule::{
    Options, TokenOptions, Vestibule,
    event::Origin,
    http::{
        bearer_layer::BearerLayer,
        cookie::SessionCookie,
        rate_limit::{ChosenFields, LimitFields, RateLimitLayer},
        session_layer::SessionLayer,
    },
    id::UserId,
    limit::{Algorithm, Counted, Level, Limiter, Rate, Rule, RuleOptions},
    secret::KeyRing,
    session::service::create::{Creation, NewSession},
    token::service::issue::{Issuance, NewTokens},
};

/// A stuck test ends.
pub(super) const START: Duration = Duration::from_secs(20);

pub(super) fn options(name: &str, level: Level, count: u64) -> RuleOptions {
    RuleOptions::new(name, level, Rate { count, period: Duration::from_secs(3_600) })
}

async fn open(rules: impl IntoIterator<Item = RuleOptions>) -> Vestibule {
    let mut all = Options::new(KeyRing::ephemeral());
    all.limits = rules.into_iter().map(|rule| Rule::new(rule).expect("a rule")).collect();
    Vestibule::open(all).await.expect("it opens in memory")
}

fn request(path: &str, header: Option<(&str, &str)>) -> Request<Body> {
    let request = Request::builder().uri(path);
    let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(Body::empty()).expect("a request")
}

async fn status(app: &Router, request: Request<Body>) -> StatusCode {
    app.clone().oneshot(request).await.unwrap_or_else(|never| match never {}).status()
}

pub(super) async fn remaining(limits: &Arc<Limiter>, rule: &str, key: &str) -> u64 {
    let checked = limits.peek(vec![limits.ask(rule, key, 1).expect("a rule")]).await.expect("memory does not fail");
    checked.said[0].verdict.expect("it is counted").remaining
}

fn api_key(request: &Parts) -> Option<String> {
    Some(request.headers.get("x-api-key")?.to_str().ok()?.to_owned())
}

#[tokio::test]
async fn a_session_is_counted_as_its_user() {
    let vestibule = open([options("people", Level::User, 2)]).await;
    let login = async |user: &str| {
        let user_id = Some(UserId::new(user).expect("an id"));
        let created = vestibule.sessions.create(NewSession { user_id, ..NewSession::default() }, Origin::default()).await;
        let Ok(Creation::Created(issued)) = created else { panic!("no session began") };
        format!("Bearer {}", issued.token.expose())
    };
    let limits = RateLimitLayer::new(vestibule.limits.clone()).rule("people");
    let app = Router::new().route("/", get(|| async {})).layer(limits);
    let app = app.layer(SessionLayer::new(vestibule.sessions.clone(), SessionCookie::development()));
    let (one, two, bob) = (login("ada").await, login("ada").await, login("bob").await);
    for (token, expected) in [(&one, 200), (&two, 200), (&one, 429), (&bob, 200)] {
        assert_eq!(status(&app, request("/", Some(("authorization", token)))).await, expected);
    }
    assert_eq!(remaining(&vestibule.limits, "people", "ada").await, 0);
    for _ in 0..3 {
        assert_eq!(status(&app, request("/", None)).await, 200, "nobody is no user");
    }
}

/// The example bounds what it says.
#[tokio::test]
async fn the_example_is_bounded() {
    let mut options = Options::new(KeyRing::ephemeral());
    options.limits = example::rules().expect("rules");
    let vestibule = Vestibule::open(options).await.expect("it opens in memory");
    let app = example::app(&vestibule, SessionCookie::development());
    for (partner, expected) in [("one", 200), ("two", 200)] {
        assert_eq!(status(&app, request("/export", Some(("x-api-key", partner)))).await, expected);
    }
    assert_eq!(remaining(&vestibule.limits, "partners", "one").await, 950);
    let from = |address: &str| {
        let mut request = request("/search", None);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address.parse().expect("an address"), 4_711)));
        request
    };
    for (address, expected) in [("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)] {
        assert_eq!(status(&app, from(address)).await, expected, "{address}");
    }
    for _ in 0..3 {
        assert_eq!(status(&app, request("/search", None)).await, 200, "an address that is not known is no address");
    }
}

#[tokio::test]
async fn keys_and_costs_are_the_callers() {
    let vestibule = open([options("api", Level::Key, 10), options("routes", Level::Endpoint, 3)]).await;
    let cost = |request: &Parts| match request.uri.path() {
        "/free" => 0,
        "/export" => 4,
        _ => 1,
    };
    let limits = RateLimitLayer::new(vestibule.limits.clone()).rule_by("api", api_key).rule_at("routes", "/of/*").costing(cost);
    let routes =
        Router::new().route("/export", get(|| async {})).route("/free", get(|| async {})).route("/of/{id}", get(|| async {}));
    let app = routes.layer(limits);
    let with_key = |path: &str, key: &str| request(path, Some(("x-api-key", key)));
    for (path, key, expected) in [
        ("/export", "one", 200),
        ("/export", "one", 200),
        ("/export", "one", 429),
        ("/free", "one", 200),
        ("/export", "two", 200),
        ("/of/1", "three", 200),
        ("/of/2", "three", 200),
        ("/of/3", "four", 200),
        ("/of/4", "five", 429),
    ] {
        assert_eq!(status(&app, with_key(path, key)).await, expected, "{path} {key}");
    }
    assert_eq!(remaining(&vestibule.limits, "api", "one").await, 2);
    assert_eq!(remaining(&vestibule.limits, "api", "five").await, 10, "denied by the other rule");
    assert_eq!(remaining(&vestibule.limits, "routes", "/of/{id}").await, 0, "one count for a route");
    let long = "k".repeat(1_000);
    for expected in [200, 200, 429] {
        assert_eq!(status(&app, with_key("/export", &long)).await, expected, "nobody escapes by a long key");
    }
}

/// A user is the same to both kinds of tokens.
#[tokio::test]
async fn an_access_token_is_counted_as_its_user() {
    let mut options = Options::new(KeyRing::ephemeral());
    options.tokens = Some(TokenOptions::new("https://auth.example"));
    options.limits = [Rule::new(self::options("people", Level::User, 2)).expect("a rule")].into_iter().collect();
    let vestibule = Vestibule::open(options).await.expect("it opens in memory");
    let tokens = vestibule.tokens.clone().expect("tokens are on");
    let new = NewTokens { user_id: UserId::new("ada").ok(), ..NewTokens::default() };
    let Ok(Issuance::Issued(issued)) = tokens.issue(new, Origin::default()).await else { panic!("no token") };
    let limits = RateLimitLayer::new(vestibule.limits.clone()).rule("people");
    let app = Router::new().route("/", get(|| async {})).layer(limits).layer(BearerLayer::for_any_audience(tokens));
    let bearer = format!("Bearer {}", issued.access_token);
    for expected in [200, 200, 429] {
        assert_eq!(status(&app, request("/", Some(("authorization", &bearer)))).await, expected);
    }
    assert_eq!(remaining(&vestibule.limits, "people", "ada").await, 0);
}

/// L21, L24: any tower service; failures count, what succeeds does not, and an error of the service gives back what was in flight.
#[tokio::test]
async fn a_plain_service_is_bounded() {
    let failures = RuleOptions { counted: Counted::Failure, ..options("failures", Level::Global, 2) };
    let flying = RuleOptions { algorithm: Algorithm::Concurrent, ..options("flying", Level::Global, 1) };
    let vestibule = open([failures, flying]).await;
    let answer = Arc::new(AtomicU16::new(200));
    let inner = {
        let answer = answer.clone();
        service_fn(move |_: Request<()>| {
            let answer = answer.load(Ordering::SeqCst);
            async move {
                match answer {
                    0 => Err("it broke"),
                    status => Ok(Response::builder().status(status).body(String::new()).expect("a response")),
                }
            }
        })
    };
    let fields = ChosenFields::default();
    let layer = RateLimitLayer::new(vestibule.limits.clone()).rule("failures").rule("flying").telling(fields.clone());
    let mut service = layer.layer(inner);
    let mut ask = async |status: u16| {
        answer.store(status, Ordering::SeqCst);
        service.ready().await.expect("it is always ready").call(Request::new(())).await
    };
    for _ in 0..5 {
        let passed = ask(200).await.expect("an answer");
        let told = passed.headers().get("ratelimit").expect("a field").to_str().expect("text");
        assert!(told.contains("\"failures\";r=2;t=0") && told.contains("\"flying\";r=1"), "{told}");
        assert_eq!(passed.headers()["x-ratelimit-remaining"], "1", "of the rule that leaves least");
    }
    for _ in 0..3 {
        assert_eq!(ask(0).await.err(), Some("it broke"));
    }
    fields.set(LimitFields::Legacy);
    assert!(ask(200).await.expect("an answer").headers().get("ratelimit").is_none());
    for expected in [401, 401, 429, 429] {
        assert_eq!(ask(401).await.expect("an answer").status(), expected);
    }
}

/// A client who leaves is in flight no more.
#[tokio::test]
async fn a_request_that_is_dropped_is_not_in_flight() {
    let flying = RuleOptions { algorithm: Algorithm::Concurrent, ..options("flying", Level::Global, 1) };
    let vestibule = open([flying]).await;
    let never = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Infallible>>());
    let service = RateLimitLayer::new(vestibule.limits.clone()).rule("flying").layer(never);
    let waiting = tokio::spawn(service.oneshot(Request::new(())));
    let left = async |expected: u64| {
        while remaining(&vestibule.limits, "flying", "all").await != expected {
            tokio::task::yield_now().await;
        }
    };
    timeout(START, left(0)).await.expect("it is in flight");
    waiting.abort();
    timeout(START, left(1)).await.expect("it is in flight no more");
}

/// A guard that is not understood does not stand open.
#[tokio::test]
async fn a_rule_that_does_not_exist_is_an_error() {
    let vestibule = open([]).await;
    let app = Router::new().route("/", get(|| async {})).layer(RateLimitLayer::new(vestibule.limits.clone()).rule("serach"));
    assert_eq!(status(&app, request("/", None)).await, 500);
}
