//! `POST /v1/sessions/validate`: the question of every request.

use super::shown;
use crate::api::{
    Shared,
    access::{By, SessionsValidate},
    answer::unavailable,
};
use axum::{extract::State, response::Response};
use serde::Deserialize;
use std::net::IpAddr;
use vestibule::{
    http::{
        json::StrictJson,
        origin::is_safe_method,
        problem::{Problem, ProblemCode},
    },
    session::{
        binding::Client,
        service::validate::{Presented, Refusal, Validation},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidateBody {
    token: String,
    csrf_token: Option<String>,
    method: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    activity: Option<String>,
}

pub(super) async fn validate(
    by: By<SessionsValidate>,
    State(server): Shared,
    StrictJson(body): StrictJson<ValidateBody>,
) -> Result<Response, Problem> {
    let presented = Presented {
        token: &body.token,
        csrf_token: body.csrf_token.as_deref(),
        demands_csrf: body.method.as_deref().is_some_and(|method| !is_safe_method(method)),
        client: Client { ip: body.ip, user_agent: body.user_agent.as_deref() },
        activity: body.activity.as_deref(),
        request_id: Some(by.request_id()),
    };
    let sessions = &server.vestibule.sessions;
    match sessions.validate(presented).await.map_err(unavailable)? {
        Validation::Refused(refusal) => Err(Problem::new(code(refusal))),
        Validation::Valid(valid) => sessions.info(&valid).map(shown).map_err(unavailable),
    }
}

/// The code of a refusal.
const fn code(refusal: Refusal) -> ProblemCode {
    match refusal {
        Refusal::Missing => ProblemCode::SessionMissing,
        Refusal::ExpiredIdle => ProblemCode::SessionExpiredIdle,
        Refusal::ExpiredAbsolute => ProblemCode::SessionExpiredAbsolute,
        Refusal::Revoked => ProblemCode::SessionRevoked,
        Refusal::CsrfFailed => ProblemCode::CsrfFailed,
        Refusal::ClientMismatch => ProblemCode::IpMismatch,
        Refusal::StepUpRequired => ProblemCode::StepUpRequired,
    }
}
