//! Changing a session: data, rights, token, end, trail.

use super::{issued, shown};
use crate::api::{
    Server, Shared,
    access::{By, SessionsWrite},
    answer::{invalid, missing, unavailable},
    query::{IfMatch, SessionPath, duration},
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use vestibule::{
    fault::Fault,
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::SessionId,
    session::{
        command::StepUp,
        service::{
            Data,
            change::{Amendment, Changed},
        },
    },
};

/// What a change made, or why there is none.
async fn done<T>(server: &Server, id: SessionId, changed: Result<Changed<T>, Fault>) -> Result<T, Problem> {
    match changed.map_err(unavailable)? {
        Changed::Done(value) => Ok(value),
        Changed::Conflict { .. } => Err(Problem::new(ProblemCode::VersionConflict)),
        Changed::Gone => Err(missing()),
        Changed::Refused => Err(refused(server, id).await?),
        Changed::Invalid(refused) => Err(invalid(&refused)),
    }
}

/// Shares and impersonations may not do everything: which of the two a session is.
pub(super) async fn refused(server: &Server, id: SessionId) -> Result<Problem, Problem> {
    let found = server.vestibule.sessions.get(id).await.map_err(unavailable)?.ok_or_else(missing)?;
    let code = if found.session.actor.is_some() { ProblemCode::ImpersonationForbidden } else { ProblemCode::ShareForbidden };
    Ok(Problem::new(code))
}

pub(super) async fn patch_data(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    IfMatch(expected): IfMatch,
    StrictJson(patch): StrictJson<Data>,
) -> Result<Response, Problem> {
    let changed = server.vestibule.sessions.patch_data(id, &patch, expected, by.origin()).await;
    done(&server, id, changed).await.map(shown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AmendBody {
    roles: Option<Vec<Box<str>>>,
    profile: Option<Box<str>>,
}

pub(super) async fn amend(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    IfMatch(expected): IfMatch,
    StrictJson(body): StrictJson<AmendBody>,
) -> Result<Response, Problem> {
    let amendment = Amendment { roles: body.roles, profile: body.profile };
    let changed = server.vestibule.sessions.amend(id, amendment, expected, by.origin()).await;
    done(&server, id, changed).await.map(shown)
}

/// A body that has nothing to say: absent or `{}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) async fn rotate(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    IfMatch(expected): IfMatch,
    _: Option<StrictJson<Nothing>>,
) -> Result<Response, Problem> {
    let changed = server.vestibule.sessions.rotate(id, expected, by.origin()).await;
    done(&server, id, changed).await.map(|session| issued(StatusCode::OK, session))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepUpBody {
    mfa: bool,
    #[serde(default)]
    amr: Vec<Box<str>>,
}

pub(super) async fn step_up(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    IfMatch(expected): IfMatch,
    StrictJson(body): StrictJson<StepUpBody>,
) -> Result<Response, Problem> {
    let proof = StepUp { mfa: body.mfa, amr: body.amr };
    let changed = server.vestibule.sessions.step_up(id, proof, expected, by.origin()).await;
    done(&server, id, changed).await.map(|session| issued(StatusCode::OK, session))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendBody {
    ttl: Option<String>,
}

pub(super) async fn extend(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    body: Option<StrictJson<ExtendBody>>,
) -> Result<Response, Problem> {
    let ttl = duration("ttl", body.and_then(|StrictJson(body)| body.ttl).as_deref())?;
    let changed = server.vestibule.sessions.extend(id, ttl, by.origin()).await;
    done(&server, id, changed).await.map(shown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityBody {
    activity: String,
}

pub(super) async fn activity(
    _: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    StrictJson(body): StrictJson<ActivityBody>,
) -> Result<Response, Problem> {
    let changed = server.vestibule.sessions.activity(id, &body.activity).await;
    done(&server, id, changed).await.map(|()| StatusCode::NO_CONTENT.into_response())
}
