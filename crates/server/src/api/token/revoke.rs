//! Revoking for a backend.

use super::service;
use crate::api::{
    Shared,
    access::{By, TokensRevoke},
    answer::{ok, unavailable},
    query::UserPath,
};
use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::json;
use vestibule::{
    bounds::NAME_BYTES,
    http::{json::StrictJson, problem::Problem},
    id::UserId,
    token::service::revoke::Revocation,
};

/// Where nobody says why.
const REASON: &str = "revoked";

/// `POST /v1/tokens/revoke`: one of the five.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    jti: Option<String>,
    token: Option<String>,
    family_id: Option<String>,
    session_id: Option<String>,
    user_id: Option<UserId>,
    reason: Option<String>,
}

impl RevokeBody {
    /// What is to be revoked; an id that is none of ours leads nowhere.
    fn target(&self) -> Result<Option<Revocation<'_>>, Problem> {
        let given = [
            named("jti", &self.jti)?.map(|id| id.parse().ok().map(Revocation::Id)),
            named("token", &self.token)?.map(|token| Some(Revocation::Token(token))),
            named("family_id", &self.family_id)?.map(|id| id.parse().ok().map(Revocation::Family)),
            named("session_id", &self.session_id)?.map(|id| id.parse().ok().map(Revocation::Session)),
            self.user_id.as_ref().map(|user| Some(Revocation::User(user))),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(target), None) => Ok(target),
            (None, _) => Err(Problem::invalid_field("token", "expected jti, token, family_id, session_id or user_id")),
            (Some(_), Some(_)) => {
                Err(Problem::invalid_field("token", "expected one of jti, token, family_id, session_id, user_id"))
            }
        }
    }

    fn reason(&self) -> Result<&str, Problem> {
        let Some(reason) = &self.reason else { return Ok(REASON) };
        let fits = !reason.is_empty() && reason.len() <= NAME_BYTES && !reason.chars().any(char::is_control);
        let wrong = || Problem::invalid_field("reason", "expected 1 to 128 bytes without control characters");
        fits.then_some(reason.as_str()).ok_or_else(wrong)
    }
}

/// A name as it was given. What could be nobody's is a mistake of the caller, such as a variable that was never set, and
/// must not look like something that was revoked before.
fn named<'a>(field: &'static str, name: &'a Option<String>) -> Result<Option<&'a str>, Problem> {
    match name.as_deref() {
        Some(name) if name.is_empty() || name.contains('\0') => {
            Err(Problem::invalid_field(field, "expected a text that is not empty and has no NUL"))
        }
        name => Ok(name),
    }
}

pub(super) async fn revoke(
    by: By<TokensRevoke>,
    State(server): Shared,
    body: Option<StrictJson<RevokeBody>>,
) -> Result<Response, Problem> {
    // No body names as little as an empty one.
    let body = body.map(|StrictJson(body)| body).unwrap_or_default();
    let (tokens, target, reason) = (service(&server)?, body.target()?, body.reason()?);
    let revoked = match target {
        Some(target) => tokens.revoke(target, reason, by.origin()).await.map_err(unavailable)?,
        None => 0,
    };
    Ok(ok(json!({"revoked": revoked})).into())
}

/// `DELETE /v1/users/{id}/tokens`
pub(in crate::api) async fn revoke_all(
    by: By<TokensRevoke>,
    State(server): Shared,
    UserPath(user): UserPath,
) -> Result<Response, Problem> {
    let revoked = service(&server)?.revoke(Revocation::User(&user), REASON, by.origin()).await.map_err(unavailable)?;
    Ok(ok(json!({"revoked": revoked})).into())
}
