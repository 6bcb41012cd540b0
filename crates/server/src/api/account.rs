//! What backends may do about accounts.

use super::{
    Server, Shared,
    access::{By, UsersWrite},
    answer::{reply, unavailable},
    query::{UserPath, duration},
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;
use vestibule::{
    account::{Accounts, reset::ResetOpened},
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
};

/// The account service, which needs a record.
pub(super) fn accounts(server: &Server) -> Result<&Accounts, Problem> {
    server.vestibule.accounts.as_deref().ok_or_else(|| Problem::new(ProblemCode::RecordRequired))
}

/// `POST /v1/users/{id}/reset`; the body may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    ttl: Option<String>,
}

pub(super) async fn open_reset(
    by: By<UsersWrite>,
    State(server): Shared,
    UserPath(user): UserPath,
    body: Option<StrictJson<ResetBody>>,
) -> Result<Response, Problem> {
    let ttl = duration("ttl", body.and_then(|StrictJson(body)| body.ttl).as_deref())?;
    match accounts(&server)?.open_reset(&user, ttl, by.origin()).await.map_err(unavailable)? {
        ResetOpened::Done { token, expires_at } => {
            Ok(reply(StatusCode::CREATED, json!({"token": token.expose(), "expires_at": expires_at})).into())
        }
        ResetOpened::NoAccount => Err(Problem::new(ProblemCode::UserMissing)),
    }
}
