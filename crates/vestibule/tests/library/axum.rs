//! The example of an axum application, driven over a socket, and the extractors that it does not use.

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/axum.rs"]
mod example;

use axum::{Json, Router, routing::get, routing::post};
use serde_json::{Value, json};
use std::net::SocketAddr;
use vestibule::{
    Options, Vestibule,
    http::{
        client_address::TrustedProxies,
        cookie::SessionCookie,
        origin::AllowedOrigins,
        problem::Problem,
        session_layer::{CurrentUser, Login, RequireMfa, Session, SessionLayer},
    },
    id::UserId,
    secret::KeyRing,
    session::service::create::NewSession,
};
use vestibule_testkit::process::{Request, Response, delete, get as get_request, post as post_request};

const COOKIE: &str = "vestibule_dev";
const CSRF: &str = "X-CSRF-Token";

async fn open() -> Vestibule {
    open_with(Options::new(KeyRing::ephemeral())).await
}

async fn open_with(options: Options) -> Vestibule {
    Vestibule::open(options).await.expect("it opens in memory")
}

/// Serves an application on a free port for as long as the test runs.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

async fn send(request: Request, address: &str) -> Response {
    let address = address.to_owned();
    tokio::task::spawn_blocking(move || request.send(&address)).await.expect("the client does not panic")
}

/// S4, S11, S30, S33: the README's application logs in, knows who it is, refuses a forged logout, and logs out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_is_an_application() {
    let vestibule = open().await;
    let address = serve(example::app(&vestibule, SessionCookie::development())).await;
    let refused = send(get_request("/hello"), &address).await;
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthenticated"));
    let login = send(post_request("/login").json(&json!("ada")), &address).await.expect(200);
    let (token, csrf) = (login.cookie(COOKIE).expect("a cookie").to_owned(), login.text());
    assert_eq!(login.header("cache-control"), Some("no-store"));
    assert!(!csrf.contains(&token));
    let hello = send(get_request("/hello").cookie(COOKIE, &token), &address).await;
    assert_eq!(hello.text(), "Hello, ada");
    for wrong in ["", "wrong"] {
        let forged = send(post_request("/logout").cookie(COOKIE, &token).header(CSRF, wrong), &address).await;
        assert_eq!((forged.status, forged.code().as_str()), (403, "csrf_failed"));
    }
    // A second login takes the place of the first session.
    let again = send(post_request("/login").json(&json!("ada")).cookie(COOKIE, &token).header(CSRF, &csrf), &address).await;
    let (second, csrf) = (again.cookie(COOKIE).expect("a cookie").to_owned(), again.text());
    assert_eq!(send(get_request("/hello").cookie(COOKIE, &token), &address).await.status, 401);
    let out = send(post_request("/logout").cookie(COOKIE, &second).header(CSRF, &csrf), &address).await;
    assert_eq!((out.status, out.cookie(COOKIE)), (200, Some("")));
    assert_eq!(send(get_request("/hello").cookie(COOKIE, &second), &address).await.status, 401);
}

/// What the README shows is the example, to the letter.
#[test]
fn the_readme_shows_the_example() {
    let between = |text: &'static str, begin: &str, end: &str| {
        text.split(begin).nth(1).and_then(|rest| rest.split(end).next()).expect("the markers are there").trim().to_owned()
    };
    let shown = between(include_str!("../../../../README.md"), "<!-- axum:begin -->", "<!-- axum:end -->");
    let shown = shown.trim_start_matches("```rust").trim_end_matches("```").trim();
    assert_eq!(shown, between(include_str!("../../examples/axum.rs"), "// axum:begin", "// axum:end"));
}

fn members_area(vestibule: &Vestibule, layer: impl FnOnce(SessionLayer) -> SessionLayer) -> Router {
    async fn maybe(user: Option<CurrentUser>) -> String {
        user.map_or_else(|| "nobody".to_owned(), |user| user.id.to_string())
    }
    async fn staff(user: CurrentUser) -> Result<&'static str, Problem> {
        user.require_role("staff").map(|()| "staff")
    }
    async fn vault(_: RequireMfa) -> &'static str {
        "gold"
    }
    async fn add(session: Session, Json(patch): Json<Value>) -> Result<Json<Value>, Problem> {
        Ok(Json(Value::Object(session.patch(patch.as_object().expect("an object")).await?)))
    }
    async fn read(session: Session) -> Result<Json<Value>, Problem> {
        Ok(Json(Value::Object(session.info()?.data)))
    }
    async fn rotate(session: Session) -> Result<String, Problem> {
        session.rotate().await
    }
    async fn log_in(login: Login, Json(body): Json<Value>) -> Result<String, Problem> {
        let new = NewSession {
            user_id: body["user"].as_str().and_then(|user| UserId::new(user).ok()),
            roles: body["roles"].as_str().into_iter().map(Into::into).collect(),
            mfa: body["mfa"] == true,
            ..NewSession::default()
        };
        Ok(login.start(new).await?.csrf_token)
    }
    let routes = Router::new()
        .route("/login", post(log_in))
        .route("/maybe", get(maybe).post(maybe))
        .route("/staff", get(staff))
        .route("/vault", get(vault))
        .route("/data", get(read).patch(add))
        .route("/rotate", post(rotate));
    routes.layer(layer(SessionLayer::new(vestibule.sessions.clone(), SessionCookie::development())))
}

async fn log_in(address: &str, body: Value) -> (String, String) {
    let login = send(post_request("/login").json(&body), address).await.expect(200);
    (login.cookie(COOKIE).expect("a cookie").to_owned(), login.text())
}

/// S24, S46: nobody is nobody without a lookup; a role or a second factor that lacks is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn extractors_ask_who_and_whether() {
    let vestibule = open().await;
    let address = serve(members_area(&vestibule, |layer| layer)).await;
    assert_eq!(send(get_request("/maybe"), &address).await.text(), "nobody");
    assert_eq!(send(get_request("/maybe").cookie(COOKIE, "rubbish"), &address).await.text(), "nobody");
    let (token, _) = log_in(&address, json!({"user": "ada"})).await;
    let ask = async |path: &str, token: &str| send(get_request(path).cookie(COOKIE, token), &address).await;
    assert_eq!(ask("/maybe", &token).await.text(), "ada");
    assert_eq!(ask("/staff", &token).await.code(), "role_missing");
    let refused = ask("/vault", &token).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "step_up_required"));
    assert!(refused.header("www-authenticate").is_some_and(|hint| hint.contains("insufficient_user_authentication")));
    let (strong, _) = log_in(&address, json!({"user": "bob", "roles": "staff", "mfa": true})).await;
    assert_eq!((ask("/staff", &strong).await.text(), ask("/vault", &strong).await.text()), ("staff".into(), "gold".into()));
    // A bearer token is never added by a browser, so it needs no CSRF token.
    let by_bearer = send(post_request("/maybe").bearer(&strong), &address).await;
    assert_eq!(by_bearer.text(), "bob");
    // A request that another site made is not taken for one of nobody.
    let forged = send(post_request("/maybe").cookie(COOKIE, &strong), &address).await;
    assert_eq!((forged.status, forged.code().as_str()), (403, "csrf_failed"));
}

/// An anonymous session carries its data into the login; a new token is in the cookie, and the old one works for the overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_survive_the_login_and_tokens_change() {
    let vestibule = open().await;
    let address = serve(members_area(&vestibule, |layer| layer)).await;
    let (anonymous, csrf) = log_in(&address, json!({})).await;
    let patch = Request::new("PATCH", "/data").json(&json!({"cart": 3})).cookie(COOKIE, &anonymous).header(CSRF, &csrf);
    assert_eq!(send(patch, &address).await.json(), json!({"cart": 3}));
    assert_eq!(send(get_request("/maybe").cookie(COOKIE, &anonymous), &address).await.text(), "nobody");
    let login = post_request("/login").json(&json!({"user": "ada"})).cookie(COOKIE, &anonymous).header(CSRF, &csrf);
    let login = send(login, &address).await;
    let (token, csrf) = (login.cookie(COOKIE).expect("a cookie").to_owned(), login.text());
    assert_eq!(send(get_request("/data").cookie(COOKIE, &token), &address).await.json(), json!({"cart": 3}));
    assert_eq!(send(get_request("/data").cookie(COOKIE, &anonymous), &address).await.status, 401);
    let rotated = send(post_request("/rotate").cookie(COOKIE, &token).header(CSRF, &csrf), &address).await;
    let fresh = rotated.cookie(COOKIE).expect("a cookie").to_owned();
    assert!(fresh != token && rotated.text() != csrf);
    for token in [&token, &fresh] {
        assert_eq!(send(get_request("/maybe").cookie(COOKIE, token), &address).await.text(), "ada");
    }
}

/// S35, S38: another site neither logs in nor acts, unless its origin is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_site_is_refused_unless_it_is_allowed() {
    let vestibule = open().await;
    let allowed = AllowedOrigins::parse(["https://app.example.com"]).expect("an origin");
    let address = serve(members_area(&vestibule, |layer| layer.allowing(allowed))).await;
    for (origin, status) in
        [("https://evil.example", 403), ("null", 403), ("https://app.example.com", 200), (address.as_str(), 200)]
    {
        let login = post_request("/login").json(&json!({"user": "ada"})).header("Origin", origin);
        assert_eq!(send(login, &address).await.status, status, "{origin}");
    }
}

/// S41, S43: sessions are bound to the address that the trusted proxy saw, not to what a client claims.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_is_the_one_that_the_proxy_saw() {
    use vestibule::session::BindingMode;
    let mut options = Options::new(KeyRing::ephemeral());
    options.policies.default.ip_binding = BindingMode::Strict;
    let vestibule = open_with(options).await;
    let address = serve(members_area(&vestibule, |layer| layer.trusting(TrustedProxies::loopback()))).await;
    let login = post_request("/login").json(&json!({"user": "ada"})).header("X-Forwarded-For", "203.0.113.9, 192.0.2.1");
    let login = send(login, &address).await;
    let token = login.cookie(COOKIE).expect("a cookie");
    let from = async |seen: &str| {
        let request = get_request("/maybe").cookie(COOKIE, token).header("X-Forwarded-For", seen);
        send(request, &address).await.text()
    };
    assert_eq!(from("192.0.2.77").await, "ada");
    assert_eq!(from("192.0.2.1, 198.51.100.1").await, "nobody");
}

/// A route without the layer says so to the operator, not to the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_without_the_layer_is_a_fault_of_ours() {
    async fn hello(user: CurrentUser) -> String {
        user.id.to_string()
    }
    let address = serve(Router::new().route("/", get(hello))).await;
    let answer = send(delete("/"), &address).await;
    assert_eq!(answer.status, 405);
    assert_eq!(send(get_request("/"), &address).await.code(), "internal");
}
