//! Access and refresh tokens over HTTP.

mod key;
mod oauth;
mod refresh;
mod revoke;

pub(super) use refresh::{RefreshBody, answer_refresh};
pub(super) use revoke::revoke_all;

use super::{
    Server, Shared,
    access::{By, TokensIntrospect, TokensRead, TokensWrite},
    answer::{invalid, ok, reply, unavailable},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use vestibule::{
    http::{
        bearer_layer::judge,
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::{SessionId, UserId},
    token::service::{
        IssuedTokens, Tokens,
        issue::{Issuance, NewTokens},
    },
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/tokens", post(issue))
        .route("/tokens/refresh", post(refresh::refresh))
        .route("/tokens/verify", post(verify))
        .route("/tokens/revoke", post(revoke::revoke))
        .route("/tokens/deny-list", get(deny_list))
        .route("/tokens/keys", get(key::list))
        .route("/tokens/keys/rotate", post(key::rotate))
}

/// What is asked without a management key in `/v1`: the key set, and the endpoints of OAuth.
pub(super) fn public_routes(server: &Arc<Server>) -> Router<Arc<Server>> {
    key::public_routes().merge(oauth::routes(server))
}

/// The service, where this server has one.
pub(super) fn service(server: &Server) -> Result<&Arc<Tokens>, Problem> {
    server.vestibule.tokens.as_ref().ok_or_else(|| Problem::new(ProblemCode::TokensOff))
}

/// One name or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Names {
    One(Box<str>),
    Several(Vec<Box<str>>),
}

impl From<Names> for Vec<Box<str>> {
    fn from(names: Names) -> Self {
        match names {
            Names::One(name) => vec![name],
            Names::Several(names) => names,
        }
    }
}

/// The words of a scope, which are separated by blanks (RFC 6749 3.3).
fn words(scope: &str) -> Vec<Box<str>> {
    if scope.is_empty() { Vec::new() } else { scope.split(' ').map(Into::into).collect() }
}

/// `POST /v1/tokens`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueBody {
    session_id: Option<String>,
    user_id: Option<UserId>,
    #[serde(default)]
    roles: Vec<Box<str>>,
    #[serde(default)]
    permissions: Vec<Box<str>>,
    audience: Option<Names>,
    scope: Option<String>,
    client_id: Option<Box<str>>,
    device_id: Option<Box<str>>,
}

impl IssueBody {
    /// `None` for a session whose id is none: there is no such session.
    fn request(self) -> Option<NewTokens> {
        let session_id: Option<SessionId> = match &self.session_id {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        Some(NewTokens {
            session_id,
            user_id: self.user_id,
            roles: self.roles,
            permissions: self.permissions,
            audience: self.audience.map(Into::into).unwrap_or_default(),
            scope: self.scope.as_deref().map(words).unwrap_or_default(),
            client_id: self.client_id,
            device_id: self.device_id,
        })
    }
}

async fn issue(
    by: By<TokensWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<IssueBody>,
) -> Result<Response, Problem> {
    let tokens = service(&server)?;
    if body.session_id.is_some() && body.user_id.is_some() {
        return Err(Problem::invalid_field("user_id", "cannot be given together with session_id"));
    }
    let Some(request) = body.request() else { return Err(super::answer::missing()) };
    match tokens.issue(request, by.origin()).await.map_err(unavailable)? {
        Issuance::Issued(issued) => Ok(reply(StatusCode::CREATED, issued_body(&issued)).into()),
        Issuance::SessionMissing => Err(super::answer::missing()),
        Issuance::SessionUnfit => Err(Problem::invalid_field(
            "session_id",
            "is anonymous, a share or an impersonation, for which there are no tokens",
        )),
        Issuance::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
        Issuance::Invalid(refused) => Err(invalid(&refused)),
    }
}

/// Both tokens (RFC 6749 5.1), with their names for a later revoke.
fn issued_body(issued: &IssuedTokens) -> Value {
    let mut body = json!({
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "refresh_token": issued.refresh_token.expose(),
        "family_id": issued.family,
        "jti": issued.claims.id,
    });
    if !issued.claims.scope.is_empty() {
        body["scope"] = issued.claims.scope.join(" ").into();
    }
    body
}

/// `POST /v1/tokens/verify`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    token: String,
    audience: Option<String>,
}

async fn verify(
    _: By<TokensIntrospect>,
    State(server): Shared,
    StrictJson(body): StrictJson<VerifyBody>,
) -> Result<Response, Problem> {
    let claims = judge(service(&server)?, &body.token, body.audience.as_deref())?;
    Ok(ok(json!({"active": true, "claims": claims.to_map()})).into())
}

async fn deny_list(_: By<TokensRead>, State(server): Shared) -> Result<Response, Problem> {
    let signed = service(&server)?.signed_deny_list().map_err(unavailable)?;
    Ok(ok(json!({"deny_list": signed})).into())
}
