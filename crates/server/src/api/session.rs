//! Sessions over HTTP: create, validate, look at, list, end.

use super::{Caller, Server, Shared, unavailable};
use axum::{
    Extension, Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Duration};
use vestibule::{
    http::{
        json::StrictJson,
        origin::is_safe_method,
        problem::{Problem, ProblemCode},
    },
    id::{SessionId, UserId},
    session::{
        Activity, Actor, Device, EndReason,
        binding::Client,
        service::{
            Data, Invalid, Issued, SessionInfo,
            create::{Creation, NewSession},
            validate::{Presented, Refusal, Validation},
        },
    },
    time::{Timestamp, parse_duration},
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/sessions", post(create))
        .route("/sessions/validate", post(validate))
        .route("/sessions/{id}", get(look).delete(end))
        .route("/users/{id}/sessions", get(list).delete(end_all))
        .route("/stats", get(stats))
}

/// A session as clients see it.
#[derive(Serialize)]
pub(super) struct SessionBody {
    id: SessionId,
    user_id: Option<UserId>,
    kind: &'static str,
    roles: Vec<Box<str>>,
    data: Data,
    revision: u32,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    idle_expires_at: Timestamp,
    expires_at: Timestamp,
    auth_time: Timestamp,
    mfa: bool,
    mfa_at: Option<Timestamp>,
    amr: Vec<Box<str>>,
    remember: bool,
    profile: Option<Box<str>>,
    scope: Vec<Box<str>>,
    parent_id: Option<SessionId>,
    label: Option<Box<str>>,
    actor: Option<Actor>,
    ip: Option<IpAddr>,
    user_agent: Option<Box<str>>,
    device: Option<Device>,
    activity: Vec<Activity>,
}

impl From<SessionInfo> for SessionBody {
    fn from(info: SessionInfo) -> Self {
        let SessionInfo { session, data } = info;
        Self {
            idle_expires_at: session.idle_expires_at(),
            id: session.id,
            user_id: session.user_id,
            kind: session.kind.as_str(),
            roles: session.roles,
            data,
            revision: session.revision,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            auth_time: session.auth_time,
            mfa: session.mfa,
            mfa_at: session.mfa_at.non_zero(),
            amr: session.amr,
            remember: session.remember,
            profile: (!session.profile.is_empty()).then_some(session.profile),
            scope: session.scope,
            parent_id: session.parent,
            label: session.label,
            actor: session.actor,
            ip: session.ip,
            user_agent: session.user_agent,
            device: (!session.device.is_empty()).then_some(session.device),
            activity: session.trail,
        }
    }
}

fn etag(revision: u32) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

fn answer(status: StatusCode, revision: u32, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ETAG, etag(revision));
    response
}

fn issued(status: StatusCode, issued: Issued) -> Response {
    let revision = issued.info.session.revision;
    let body = json!({
        "token": issued.token.expose(),
        "csrf_token": issued.csrf_token,
        "session": SessionBody::from(issued.info),
    });
    answer(status, revision, body)
}

fn invalid(invalid: Invalid) -> Problem {
    Problem::invalid_field(invalid.field, invalid.reason)
}

/// A duration as text.
fn duration(field: &'static str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let parse = |text| parse_duration(text).map_err(|error| Problem::invalid_field(field, error.to_string()));
    text.map(parse).transpose()
}

fn session_id(text: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|_| Problem::new(ProblemCode::SessionMissing).with_status(StatusCode::NOT_FOUND))
}

fn user_id(text: String) -> Result<UserId, Problem> {
    UserId::new(text).map_err(|error| Problem::invalid_field("user_id", error.to_string()))
}

/// `POST /v1/sessions`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
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
}

async fn create(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    StrictJson(body): StrictJson<CreateBody>,
) -> Result<Response, Problem> {
    caller.needs("sessions:write")?;
    let mut origin = caller.origin();
    origin.ip = body.ip;
    let new = NewSession {
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
    };
    match server.vestibule.sessions.create(new, origin).await.map_err(|fault| unavailable(&fault))? {
        Creation::Created(session) => Ok(issued(StatusCode::CREATED, *session)),
        Creation::LimitReached { .. } => Err(Problem::new(ProblemCode::SessionLimit)),
        Creation::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
        Creation::ImpersonationNested => Err(Problem::new(ProblemCode::ImpersonationNested)),
        Creation::Invalid(refused) => Err(invalid(refused)),
    }
}

/// `POST /v1/sessions/validate`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidateBody {
    token: String,
    csrf_token: Option<String>,
    method: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    activity: Option<String>,
}

async fn validate(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    StrictJson(body): StrictJson<ValidateBody>,
) -> Result<Response, Problem> {
    caller.needs("sessions:validate")?;
    let presented = Presented {
        token: &body.token,
        csrf_token: body.csrf_token.as_deref(),
        demands_csrf: body.csrf_token.is_some() || body.method.as_deref().is_some_and(|method| !is_safe_method(method)),
        client: Client { ip: body.ip, user_agent: body.user_agent.as_deref() },
        activity: body.activity.as_deref(),
        request_id: Some(&caller.request_id),
    };
    let sessions = &server.vestibule.sessions;
    match sessions.validate(presented).await.map_err(|fault| unavailable(&fault))? {
        Validation::Refused(refusal) => Err(Problem::new(code(refusal))),
        Validation::Valid(valid) => {
            let info = sessions.info(&valid).map_err(|fault| unavailable(&fault))?;
            Ok(answer(StatusCode::OK, info.session.revision, json!({"session": SessionBody::from(info)})))
        }
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

async fn look(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs("sessions:read")?;
    let id = session_id(&id)?;
    match server.vestibule.sessions.get(id).await.map_err(|fault| unavailable(&fault))? {
        Some(info) => Ok(answer(StatusCode::OK, info.session.revision, json!({"session": SessionBody::from(info)}))),
        None => Err(Problem::new(ProblemCode::SessionMissing).with_status(StatusCode::NOT_FOUND)),
    }
}

async fn end(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs("sessions:write")?;
    if let Ok(id) = id.parse() {
        let ended = server.vestibule.sessions.end(id, EndReason::Revoked, caller.origin()).await;
        ended.map_err(|fault| unavailable(&fault))?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.needs("sessions:read")?;
    let sessions = server.vestibule.sessions.list(&user_id(id)?).await.map_err(|fault| unavailable(&fault))?;
    let sessions: Vec<SessionBody> = sessions.into_iter().map(Into::into).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({"sessions": sessions}))).into_response())
}

/// `?except=` may name one session that stays.
#[derive(Deserialize)]
struct ExceptQuery {
    except: Option<SessionId>,
}

async fn end_all(
    State(server): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    query: Result<axum::extract::Query<ExceptQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    caller.needs("sessions:write")?;
    let query = query.map_err(|_| Problem::invalid_field("except", "expected a session id"))?;
    let except = query.0.except.into_iter().collect();
    let revoked = server.vestibule.sessions.end_all(&user_id(id)?, except, caller.origin()).await;
    Ok(Json(json!({"revoked": revoked.map_err(|fault| unavailable(&fault))?})).into_response())
}

async fn stats(State(server): Shared, Extension(caller): Extension<Caller>) -> Result<Response, Problem> {
    caller.needs("stats:read")?;
    let stats = server.vestibule.sessions.stats().await.map_err(|fault| unavailable(&fault))?;
    Ok(Json(stats).into_response())
}
