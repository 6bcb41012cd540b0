//! Clients who leave before the store of limits has answered: what they had taken comes back.

use axum::{body::Body, response::Response};
use http::Request;
use std::{convert::Infallible, net::SocketAddr, sync::Arc};
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tower::{Layer as _, ServiceExt as _, service_fn};
use vestibule::{
    Options, Vestibule,
    bus::{LocalBus, Repeats},
    deployment::Deployment,
    event::{Observer, Origin},
    http::{
        client_address::TrustedProxies,
        cookie::SessionCookie,
        forward_auth::{ProxyConfig, ProxyEndpoints, ProxyLimits},
        origin::AllowedOrigins,
        rate_limit::{ChosenFields, RateLimitLayer},
    },
    limit::{
        Algorithm, Decision, Demand, Level, LimitKey, LimitStore, Limiter, LimiterParts, Matched, Refund, ResetPattern, Rule,
        RuleOptions,
    },
    memory::MemoryLimits,
    secret::KeyRing,
    session::service::create::{Creation, NewSession},
    time::Timestamp,
};
use vestibule_core::Answer;

use super::limit::{START, options, remaining};

/// Lets nobody through until it is opened, and tells who stands before it.
#[derive(Debug)]
struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    fn shut() -> Self {
        Self { reached: Semaphore::new(0), open: Semaphore::new(0) }
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        let _through = self.open.acquire().await.expect("nobody closes it");
    }

    fn open(&self) {
        self.open.add_permits(1);
    }

    /// Waits until somebody has come, once for each.
    async fn reached(&self) {
        timeout(START, self.reached.acquire()).await.expect("somebody comes").expect("nobody closes it").forget();
    }
}

/// Counts at once, answers a check late and takes a refund late, as a server does.
#[derive(Debug)]
struct Late {
    counts: MemoryLimits,
    checks: Gate,
    refunds: Gate,
}

impl LimitStore for Late {
    fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(async move {
            let decided = self.counts.check(demands, now).await;
            self.checks.pass().await;
            decided
        })
    }

    fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        self.counts.peek(demands, now)
    }

    fn refund<'a>(&'a self, refunds: &'a [Refund], now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            self.refunds.pass().await;
            self.counts.refund(refunds, now).await
        })
    }

    fn reset<'a>(&'a self, rule: &'a str, key: &'a LimitKey) -> Answer<'a, bool> {
        self.counts.reset(rule, key)
    }

    fn pardon<'a>(&'a self, rule: &'a Rule, key: &'a LimitKey, now: Timestamp) -> Answer<'a, ()> {
        self.counts.pardon(rule, key, now)
    }

    fn reset_matching<'a>(&'a self, pattern: &'a ResetPattern) -> Answer<'a, Matched> {
        self.counts.reset_matching(pattern)
    }
}

struct Scene {
    vestibule: Vestibule,
    store: Arc<Late>,
    limits: Arc<Limiter>,
}

impl Scene {
    async fn of(rules: impl IntoIterator<Item = RuleOptions>) -> Self {
        let vestibule = Vestibule::open(Options::new(KeyRing::ephemeral())).await.expect("it opens in memory");
        let store = Arc::new(Late { counts: MemoryLimits::default(), checks: Gate::shut(), refunds: Gate::shut() });
        let limits = Limiter::start(LimiterParts {
            store: store.clone(),
            fallback: Arc::new(MemoryLimits::default()),
            bus: Arc::new(LocalBus::new(Repeats::Told)),
            deployment: Deployment::new(&[1; 32]),
            ring: Arc::new(KeyRing::ephemeral()),
            verifier: None,
            rules: rules.into_iter().map(|rule| Rule::new(rule).expect("a rule")).collect(),
            observer: Observer::new().0,
            clock: vestibule.sessions.clock().clone(),
        });
        Self { vestibule, store, limits }
    }

    /// A request to an application behind the layer, which answers at once.
    fn serve(&self) -> JoinHandle<Response> {
        let answer = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let service = RateLimitLayer::new(self.limits.clone()).rule("flying").layer(answer);
        tokio::spawn(async { service.oneshot(Request::new(())).await.unwrap_or_else(|never| match never {}) })
    }

    /// What a proxy asks about a request with this token, whose demands are these.
    fn forward(&self, token: Option<&str>, demands: &str) -> JoinHandle<Response> {
        let config = ProxyConfig {
            cookie: SessionCookie::development(),
            trusted: TrustedProxies::default(),
            allowed: AllowedOrigins::default(),
            tokens: None,
            limits: Some(ProxyLimits { limiter: self.limits.clone(), fields: ChosenFields::default() }),
        };
        let other = service_fn(async |_: axum::extract::Request| Ok::<_, Infallible>(Response::new(Body::empty())));
        let service = ProxyEndpoints::new(self.vestibule.sessions.clone(), config, other);
        let request = Request::builder()
            .uri(format!("/forward-auth{demands}"))
            .extension(axum::extract::ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4_000))))
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "app.example")
            .header("x-forwarded-uri", "/search?q=1");
        let request =
            token.into_iter().fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        let request = request.body(Body::empty()).expect("a request");
        tokio::spawn(async { service.oneshot(request).await.unwrap_or_else(|never| match never {}) })
    }

    async fn token(&self) -> String {
        let created = self.vestibule.sessions.create(NewSession::default(), Origin::default()).await;
        let Ok(Creation::Created(issued)) = created else { panic!("no session began") };
        issued.token.expose().to_owned()
    }

    async fn flying(&self) -> u64 {
        1 - remaining(&self.limits, "flying", "all").await
    }

    /// The client leaves while the check is on its way: what it has taken comes back.
    async fn leaves_during_the_check(&self, request: JoinHandle<Response>) {
        self.store.checks.reached().await;
        leave(request).await;
        assert_eq!(self.flying().await, 1);
        self.store.refunds.open();
        self.store.checks.open();
        self.lands().await;
    }

    /// The client leaves while the refund is on its way, which arrives all the same.
    async fn leaves_during_the_refund(&self, request: JoinHandle<Response>) {
        self.store.checks.open();
        self.store.refunds.reached().await;
        leave(request).await;
        assert_eq!(self.flying().await, 1);
        self.store.refunds.open();
        self.lands().await;
    }

    async fn lands(&self) {
        let landed = async {
            while self.flying().await > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(START, landed).await.expect("what was in flight comes back");
    }
}

async fn leave(request: JoinHandle<Response>) {
    request.abort();
    assert!(request.await.expect_err("it was not answered").is_cancelled());
}

fn one_flies() -> [RuleOptions; 1] {
    [RuleOptions { algorithm: Algorithm::Concurrent, ..options("flying", Level::Global, 1) }]
}

#[tokio::test]
async fn what_a_check_took_for_nobody_comes_back() {
    let scene = Scene::of(one_flies()).await;
    scene.leaves_during_the_check(scene.serve()).await;
}

#[tokio::test]
async fn a_refund_that_nobody_waits_for_arrives() {
    let scene = Scene::of(one_flies()).await;
    scene.leaves_during_the_refund(scene.serve()).await;
}

#[tokio::test]
async fn what_a_check_took_for_no_proxy_comes_back() {
    let scene = Scene::of(one_flies()).await;
    let token = scene.token().await;
    scene.leaves_during_the_check(scene.forward(Some(&token), "?limit=flying")).await;
}

#[tokio::test]
async fn a_refund_that_no_proxy_waits_for_arrives() {
    let scene = Scene::of(one_flies()).await;
    let token = scene.token().await;
    scene.leaves_during_the_refund(scene.forward(Some(&token), "?limit=flying")).await;
}

/// A proxy that leaves before a request has passed: nothing of what only those use up who pass stays taken.
#[tokio::test]
async fn a_request_that_never_passed_is_turned_away() {
    let scene = Scene::of([options("pages", Level::Endpoint, 3)]).await;
    let token = scene.token().await;
    let request = scene.forward(Some(&token), "?limit=pages");
    scene.store.checks.reached().await;
    leave(request).await;
    assert_eq!(remaining(&scene.limits, "pages", "/search").await, 2);
    scene.store.checks.open();
    scene.store.refunds.reached().await;
    scene.store.refunds.open();
    let back = async {
        while remaining(&scene.limits, "pages", "/search").await < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(START, back).await.expect("it comes back");
}

/// Nobody holds what others need: a request that cannot pass is counted by its address alone.
#[tokio::test]
async fn who_brings_no_token_takes_nothing_of_others() {
    let scene = Scene::of([options("pages", Level::Endpoint, 3), options("addresses", Level::Ip, 2)]).await;
    for token in [None, Some("garbage")] {
        let response = timeout(START, scene.forward(token, "?limit=pages")).await.expect("the store is not asked");
        assert_eq!(response.expect("an answer").status(), 401);
    }
    scene.store.checks.open();
    scene.store.refunds.open();
    for expected in [401, 401, 429] {
        let response = scene.forward(None, "?limit=pages&limit=addresses").await.expect("an answer");
        assert_eq!(response.status(), expected);
    }
    let token = scene.token().await;
    let passed = scene.forward(Some(&token), "?limit=pages").await.expect("an answer");
    assert_eq!((passed.status().as_u16(), remaining(&scene.limits, "pages", "/search").await), (200, 2));
    let unknown = scene.forward(None, "?limit=none").await.expect("an answer");
    assert_eq!(unknown.status(), 400, "a demand that is not understood is not skipped");
}
