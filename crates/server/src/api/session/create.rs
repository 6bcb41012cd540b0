//! `POST /v1/sessions`: a backend starts a session after its own login.

use super::issued;
use crate::api::{
    Shared,
    access::{By, SessionsWrite},
    answer::{invalid, unavailable},
    query::duration,
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use std::net::IpAddr;
use vestibule::{
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::UserId,
    session::{
        Actor, Device,
        service::{
            Data,
            create::{Creation, NewSession},
        },
    },
    time::Timestamp,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    user_id: Option<UserId>,
    #[serde(default)]
    roles: Vec<Box<str>>,
    data: Option<Data>,
    device: Option<Device>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    #[serde(default)]
    mfa: bool,
    #[serde(default)]
    remember: bool,
    profile: Option<Box<str>>,
    idle_timeout: Option<String>,
    lifetime: Option<String>,
    auth_time: Option<Timestamp>,
    #[serde(default)]
    amr: Vec<Box<str>>,
    #[serde(default)]
    scope: Vec<Box<str>>,
    actor: Option<Actor>,
    replace_token: Option<String>,
    device_token: Option<String>,
}

impl TryFrom<CreateBody> for NewSession {
    type Error = Problem;

    fn try_from(body: CreateBody) -> Result<Self, Problem> {
        Ok(Self {
            idle_timeout: duration("idle_timeout", body.idle_timeout.as_deref())?,
            lifetime: duration("lifetime", body.lifetime.as_deref())?,
            user_id: body.user_id,
            roles: body.roles,
            data: body.data,
            device: body.device.unwrap_or_default(),
            ip: body.ip,
            user_agent: body.user_agent,
            mfa: body.mfa,
            remember: body.remember,
            profile: body.profile,
            auth_time: body.auth_time,
            amr: body.amr,
            scope: body.scope,
            actor: body.actor,
            replace_token: body.replace_token,
            login: false,
            device_token: body.device_token,
            is_new_browser: false,
        })
    }
}

pub(super) async fn create(
    by: By<SessionsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<CreateBody>,
) -> Result<Response, Problem> {
    let origin = by.origin_at(body.ip, body.user_agent.as_deref());
    match server.vestibule.sessions.create(body.try_into()?, origin).await.map_err(unavailable)? {
        Creation::Created(session) => Ok(issued(StatusCode::CREATED, *session)),
        Creation::LimitReached { .. } => Err(Problem::new(ProblemCode::SessionLimit)),
        Creation::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
        Creation::ImpersonationNested => Err(Problem::new(ProblemCode::ImpersonationNested)),
        Creation::Invalid(refused) => Err(invalid(&refused)),
    }
}
