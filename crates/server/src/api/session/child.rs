//! Sessions that come from sessions: shares, and hand-off codes with what is redeemed for them.

use super::{SessionBody, change::refused, issued};
use crate::api::{
    Shared,
    access::{By, SessionsWrite},
    answer::{invalid, missing, reply, unavailable},
    query::{SessionPath, duration},
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use vestibule::{
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    session::service::child::{HandedOff, Redeemed, Share, Shared as Sharing},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareBody {
    scope: Vec<Box<str>>,
    ttl: String,
    label: Option<Box<str>>,
}

pub(super) async fn share(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    StrictJson(body): StrictJson<ShareBody>,
) -> Result<Response, Problem> {
    let ttl = duration("ttl", Some(&body.ttl))?.unwrap_or_default();
    let share = Share { scope: body.scope, ttl, label: body.label };
    match server.vestibule.sessions.share(id, share, by.origin()).await.map_err(unavailable)? {
        Sharing::Done { token, info } => {
            let revision = info.session.revision;
            let body = json!({"token": token.expose(), "session": SessionBody::from(*info)});
            Ok(reply(StatusCode::CREATED, body).tagged(revision))
        }
        Sharing::Gone => Err(missing()),
        Sharing::Nested => Err(Problem::new(ProblemCode::ShareNested)),
        Sharing::Impersonated => Err(Problem::new(ProblemCode::ImpersonationForbidden)),
        Sharing::LimitReached => Err(Problem::new(ProblemCode::SessionLimit)),
        Sharing::Invalid(refused) => Err(invalid(&refused)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOffBody {
    ttl: Option<String>,
}

pub(super) async fn hand_off(
    by: By<SessionsWrite>,
    State(server): Shared,
    SessionPath(id): SessionPath,
    body: Option<StrictJson<HandOffBody>>,
) -> Result<Response, Problem> {
    let ttl = duration("ttl", body.and_then(|StrictJson(body)| body.ttl).as_deref())?;
    match server.vestibule.sessions.hand_off(id, ttl, by.origin()).await.map_err(unavailable)? {
        HandedOff::Done { code, expires_at } => {
            Ok(reply(StatusCode::CREATED, json!({"code": code.expose(), "expires_at": expires_at})).into())
        }
        HandedOff::Gone => Err(missing()),
        HandedOff::Refused => Err(refused(&server, id).await?),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedeemBody {
    code: String,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

pub(super) async fn redeem(
    by: By<SessionsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<RedeemBody>,
) -> Result<Response, Problem> {
    let user_agent = body.user_agent.as_deref();
    let origin = by.origin_at(body.ip, user_agent);
    match server.vestibule.sessions.redeem(&body.code, body.ip, user_agent, origin).await.map_err(unavailable)? {
        Redeemed::Done(session) => Ok(issued(StatusCode::CREATED, *session)),
        Redeemed::Invalid => Err(Problem::new(ProblemCode::HandoffInvalid)),
        Redeemed::LimitReached { .. } => Err(Problem::new(ProblemCode::SessionLimit)),
        Redeemed::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
    }
}
