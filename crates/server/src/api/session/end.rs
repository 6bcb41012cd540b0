//! Ending one session, and ending sessions by filter.

use crate::api::{
    Shared,
    access::{By, SessionsWrite},
    answer::{ok, unavailable},
    query::SessionPath,
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use vestibule::{
    http::{json::StrictJson, problem::Problem},
    id::{SessionId, UserId},
    session::{EndReason, binding::canonical, command::Filter, service::end::Revocation},
    time::Timestamp,
};

/// A name that is no session's has ended as well: the answer is the same.
pub(super) async fn end(
    by: By<SessionsWrite>,
    State(server): Shared,
    id: Result<SessionPath, Problem>,
) -> Result<StatusCode, Problem> {
    if let Ok(SessionPath(id)) = id {
        server.vestibule.sessions.end(id, EndReason::Revoked, by.origin()).await.map_err(unavailable)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    filter: FilterBody,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterBody {
    user_id: Option<UserId>,
    device_id: Option<String>,
    ip: Option<IpAddr>,
    created_before: Option<Timestamp>,
    #[serde(default)]
    except: Vec<SessionId>,
}

impl FilterBody {
    /// Whether it says whom it means. Exceptions alone mean everybody else.
    fn is_empty(&self) -> bool {
        let Self { user_id, device_id, ip, created_before, except: _ } = self;
        user_id.is_none() && device_id.is_none() && ip.is_none() && created_before.is_none()
    }
}

pub(super) async fn revoke(
    by: By<SessionsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<RevokeBody>,
) -> Result<Response, Problem> {
    if body.filter.is_empty() {
        return Err(Problem::invalid_field("filter", "needs at least one condition beside `except`: it would match everybody"));
    }
    if body.filter.device_id.as_deref() == Some("") {
        return Err(Problem::invalid_field("filter.device_id", "is empty"));
    }
    let FilterBody { user_id, device_id, ip, created_before, except } = body.filter;
    let filter = Filter { device_id, ip: ip.map(canonical), created_before, except };
    let revocation = Revocation { user_id, filter, dry_run: body.dry_run };
    let origin = by.origin();
    // In a task of its own: a client that leaves must not stop a walk half way.
    let revoked = tokio::spawn(async move { server.vestibule.sessions.revoke(&revocation, origin).await });
    let done = revoked.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(unavailable)?;
    Ok(ok(json!({"matched": done.matched, "revoked": done.revoked})).into())
}
