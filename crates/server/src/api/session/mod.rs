//! Sessions over HTTP: what they look like, and the routes of one session. A file per kind of command below.

mod change;
mod child;
mod create;
mod end;
mod validate;

use super::{
    Server, Shared,
    access::{By, SessionsRead},
    answer::{missing, ok, reply, unavailable},
    query::SessionPath,
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, patch, post},
};
use serde::Serialize;
use serde_json::json;
use std::{net::IpAddr, sync::Arc};
use vestibule::{
    http::problem::Problem,
    id::{SessionId, UserId},
    session::{
        Activity, Actor, Device,
        service::{Data, Issued, SessionInfo},
    },
    time::Timestamp,
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/sessions", post(create::create))
        .route("/sessions/validate", post(validate::validate))
        .route("/sessions/redeem", post(child::redeem))
        .route("/sessions/revoke", post(end::revoke))
        .route("/sessions/{id}", get(look).patch(change::amend).delete(end::end))
        .route("/sessions/{id}/data", patch(change::patch_data))
        .route("/sessions/{id}/rotate", post(change::rotate))
        .route("/sessions/{id}/step-up", post(change::step_up))
        .route("/sessions/{id}/extend", post(change::extend))
        .route("/sessions/{id}/activity", post(change::activity))
        .route("/sessions/{id}/share", post(child::share))
        .route("/sessions/{id}/handoff", post(child::hand_off))
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

/// `{session}` with its revision as the entity tag.
fn shown(info: SessionInfo) -> Response {
    let revision = info.session.revision;
    ok(json!({"session": SessionBody::from(info)})).tagged(revision)
}

/// A session together with its secrets, which are shown this once. A share has no CSRF token: it can do nothing unsafe.
fn issued(status: StatusCode, issued: Issued) -> Response {
    let revision = issued.info.session.revision;
    let body = json!({
        "token": issued.token.expose(),
        "csrf_token": issued.info.session.parent.is_none().then_some(&issued.csrf_token),
        "session": SessionBody::from(issued.info),
    });
    reply(status, body).tagged(revision)
}

async fn look(_: By<SessionsRead>, State(server): Shared, SessionPath(id): SessionPath) -> Result<Response, Problem> {
    server.vestibule.sessions.get(id).await.map_err(unavailable)?.map(shown).ok_or_else(missing)
}
