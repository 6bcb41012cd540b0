//! Tokens in an application: the service, and the layer that judges requests by them.

use axum::{Router, routing::get};
use std::sync::Arc;
use vestibule::{
    Options, TokenOptions, Vestibule,
    event::Origin,
    http::{
        bearer_layer::{AccessToken, BearerLayer},
        cookie::SessionCookie,
        problem::Problem,
        session_layer::{CurrentUser, SessionLayer},
    },
    id::UserId,
    secret::KeyRing,
    token::service::{
        IssuedTokens, Tokens,
        issue::{Issuance, NewTokens},
        refresh::{RefreshRequest, Refreshed},
        revoke::Revocation,
        verify::{TokenRefusal, Verification},
    },
};
use vestibule_testkit::process::{Response, get as get_request};

async fn open() -> (Vestibule, Arc<Tokens>) {
    let options = Options { tokens: Some(TokenOptions::new("https://auth.example")), ..Options::new(KeyRing::ephemeral()) };
    let vestibule = Vestibule::open(options).await.expect("it opens in memory");
    let tokens = vestibule.tokens.clone().expect("tokens are on");
    (vestibule, tokens)
}

async fn issue(tokens: &Tokens) -> IssuedTokens {
    let new = NewTokens {
        user_id: UserId::new("ada").ok(),
        roles: vec!["clerk".into()],
        audience: vec!["orders".into(), "billing".into()],
        scope: vec!["read".into()],
        ..NewTokens::default()
    };
    match tokens.issue(new, Origin::default()).await.expect("the store answers") {
        Issuance::Issued(issued) => *issued,
        other => panic!("{other:?}"),
    }
}

async fn shown(token: AccessToken) -> Result<String, Problem> {
    token.require_scope("read")?;
    Ok(format!("{} {}", token.subject, token.roles.join(",")))
}

async fn written(token: AccessToken) -> Result<&'static str, Problem> {
    token.require_scope("write")?;
    Ok("written")
}

async fn closed(token: AccessToken) -> Result<&'static str, Problem> {
    token.require_role("admin")?;
    Ok("closed")
}

async fn greeted(token: Option<AccessToken>) -> &'static str {
    if token.is_some() { "known" } else { "stranger" }
}

async fn serve(layer: BearerLayer) -> String {
    let app = Router::new()
        .route("/orders", get(shown).post(written).delete(closed))
        .route("/hello", get(greeted))
        .layer(layer)
        .route("/bare", get(greeted));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn ask(address: &str, method: &'static str, target: &'static str, token: &str) -> Response {
    let (address, request) = (address.to_owned(), vestibule_testkit::process::Request::new(method, target).bearer(token));
    tokio::task::spawn_blocking(move || request.send(&address)).await.expect("the client does not panic")
}

fn challenge(answer: &Response) -> &str {
    answer.header("www-authenticate").unwrap_or_default()
}

/// RFC 6750 3.1: each refusal has its status and its word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_judges_and_an_extractor_refuses() {
    let (_vestibule, tokens) = open().await;
    let issued = issue(&tokens).await;
    let address = serve(BearerLayer::new(tokens.clone(), "orders")).await;
    let good = issued.access_token.as_str();
    assert_eq!(ask(&address, "GET", "/orders", good).await.expect(200).text(), "ada clerk");
    assert_eq!(ask(&address, "GET", "/hello", good).await.text(), "known");

    let missing_scope = ask(&address, "POST", "/orders", good).await.expect(403);
    assert!(challenge(&missing_scope).contains("insufficient_scope"), "{missing_scope:?}");
    assert_eq!(ask(&address, "DELETE", "/orders", good).await.expect(403).code(), "role_missing");

    let bad = ask(&address, "GET", "/hello", &format!("{good}x")).await.expect(401);
    assert!(challenge(&bad).contains("invalid_token") && bad.code() == "token_invalid", "{bad:?}");
    let request = get_request("/orders");
    let own = address.clone();
    let absent = tokio::task::spawn_blocking(move || request.send(&own)).await.expect("an answer").expect(401);
    assert!(challenge(&absent).starts_with("Bearer") && !challenge(&absent).contains("error"), "{absent:?}");
    let _ = ask(&address, "GET", "/bare", good).await.expect(500);

    let elsewhere = serve(BearerLayer::new(tokens.clone(), "shipping")).await;
    assert_eq!(ask(&elsewhere, "GET", "/orders", good).await.expect(401).code(), "token_invalid");
    let anywhere = serve(BearerLayer::for_any_audience(tokens.clone())).await;
    let _ = ask(&anywhere, "GET", "/orders", good).await.expect(200);

    let revoked = tokens.revoke(Revocation::Id(issued.claims.id), "stolen", Origin::default()).await;
    assert_eq!(revoked, Ok(1));
    for address in [&address, &anywhere] {
        assert_eq!(ask(address, "GET", "/orders", good).await.expect(401).code(), "token_revoked");
    }
}

/// Both layers may stand around one route: what is for the other one is neither refused nor taken for garbage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_is_none_to_the_layer_of_sessions() {
    let (vestibule, tokens) = open().await;
    let issued = issue(&tokens).await;
    let whose =
        async |session: Option<CurrentUser>, token: Option<AccessToken>| format!("{} {}", session.is_some(), token.is_some());
    let sessions = SessionLayer::new(vestibule.sessions.clone(), SessionCookie::development());
    let app = Router::new().route("/", get(whose)).layer(sessions).layer(BearerLayer::for_any_audience(tokens));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert_eq!(ask(&address, "GET", "/", &issued.access_token).await.expect(200).text(), "false true");
}

/// What this process denies is denied before the caller goes on, however the end came about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_holds_when_its_command_answers() {
    let (vestibule, tokens) = open().await;
    let refused = |text: &str| tokens.verify(text, None) == Ok(Verification::Refused(TokenRefusal::Revoked));
    for _ in 0..200 {
        let issued = issue(&tokens).await;
        let request = RefreshRequest { token: &issued.refresh_token.expose(), ..RefreshRequest::default() };
        let Ok(Refreshed::Issued(next)) = tokens.refresh(request, Origin::default()).await else { panic!("a successor") };
        assert!(matches!(tokens.verify(&next.access_token, Some("billing")), Ok(Verification::Active(_))));
        let user = UserId::new("ada").expect("an id");
        assert_eq!(tokens.revoke(Revocation::User(&user), "all", Origin::default()).await, Ok(1));
        assert!(refused(&issued.access_token) && refused(&next.access_token));
    }
    let _ = vestibule;
}
