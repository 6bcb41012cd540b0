//! Exchanging a refresh token: for a backend under `/v1`, for its holder under `/auth`.

use super::{Names, issued_body, service, words};
use crate::api::{
    Server, Shared,
    access::{By, TokensWrite},
    answer::{invalid, ok, unavailable},
};
use axum::{extract::State, response::Response};
use serde::Deserialize;
use vestibule::{
    event::Origin,
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    token::service::refresh::{RefreshRequest, Refreshed},
};

/// `POST /v1/tokens/refresh`, `POST /auth/refresh`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RefreshBody {
    refresh_token: String,
    scope: Option<String>,
    audience: Option<Names>,
    client_id: Option<Box<str>>,
    device_id: Option<Box<str>>,
}

pub(super) async fn refresh(
    by: By<TokensWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<RefreshBody>,
) -> Result<Response, Problem> {
    answer_refresh(&server, body, by.origin()).await
}

/// Exchanges, and answers as RFC 6749 5.1 and 5.2 say.
pub(in crate::api) async fn answer_refresh(server: &Server, body: RefreshBody, origin: Origin) -> Result<Response, Problem> {
    let request = RefreshRequest {
        token: &body.refresh_token,
        scope: body.scope.as_deref().map(words),
        audience: body.audience.map(Into::into),
        client_id: body.client_id,
        device_id: body.device_id,
    };
    let grant = |code| Err(Problem::new(code).with_error("invalid_grant"));
    let broader =
        |detail: &'static str| Err(Problem::new(ProblemCode::InvalidScope).with_error("invalid_scope").with_detail(detail));
    match service(server)?.refresh(request, origin).await.map_err(unavailable)? {
        Refreshed::Issued(issued) => Ok(ok(issued_body(&issued)).into()),
        Refreshed::Unknown => grant(ProblemCode::TokenUnknown),
        Refreshed::Expired => grant(ProblemCode::TokenExpired),
        Refreshed::Revoked => grant(ProblemCode::TokenRevoked),
        Refreshed::Reused => grant(ProblemCode::TokenReused),
        Refreshed::OtherClient | Refreshed::OtherDevice => grant(ProblemCode::TokenBound),
        Refreshed::BroaderScope => broader("The scope is broader than what was granted."),
        Refreshed::BroaderAudience => broader("The audience is broader than what was granted."),
        Refreshed::Invalid(refused) => Err(invalid(&refused)),
    }
}
