//! A forgotten password: asking for a token, and using it.

use super::{Visit, account::weak, private};
use crate::api::{Server, Shared, account::accounts, unavailable_to_browser};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::json;
use vestibule::{
    account::{Email, reset::PasswordReset},
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    password::Password,
};

/// `POST /auth/reset`: either an address, or a token with a new password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    email: Option<String>,
    token: Option<String>,
    new_password: Option<Password>,
}

pub(super) async fn reset(
    State(server): Shared,
    visit: Visit,
    StrictJson(body): StrictJson<ResetBody>,
) -> Result<Response, Problem> {
    let missing = |field| Problem::invalid_field(field, "the field is missing");
    match body {
        ResetBody { email: Some(email), token: None, new_password: None } => ask(&server, &visit, &email).await,
        ResetBody { email: None, token: Some(token), new_password: Some(new) } => set(&server, &visit, &token, new).await,
        ResetBody { email: Some(_), .. } => Err(Problem::invalid_field("email", "stands alone, without a token or a password")),
        ResetBody { token: Some(_), .. } => Err(missing("new_password")),
        ResetBody { new_password: Some(_), .. } => Err(missing("token")),
        ResetBody { .. } => Err(missing("email")),
    }
}

/// Whatever was typed gets the same answer.
async fn ask(server: &Server, visit: &Visit, email: &str) -> Result<Response, Problem> {
    let asked = accounts(server)?.request_reset(Email::new(email).ok(), visit.origin(None)).await;
    asked.map_err(|fault| unavailable_to_browser(&fault))?;
    Ok(private(StatusCode::ACCEPTED, json!({})))
}

/// Sets no cookie: whoever holds the token has shown that they read the user's mail, and not that they are the user.
async fn set(server: &Server, visit: &Visit, token: &str, new: Password) -> Result<Response, Problem> {
    let reset = accounts(server)?.reset_password(token, new, visit.origin(None)).await;
    match reset.map_err(|fault| unavailable_to_browser(&fault))? {
        PasswordReset::Done { .. } => Ok(StatusCode::NO_CONTENT.into_response()),
        PasswordReset::Invalid => Err(Problem::new(ProblemCode::ResetInvalid)),
        PasswordReset::Weak(reasons) => Err(weak("new_password", &reasons)),
        PasswordReset::Overloaded => Err(Problem::new(ProblemCode::Overloaded)),
    }
}
