//! Trusted devices over HTTP, for backends.

use super::{
    Server, Shared,
    access::{By, DevicesRead, DevicesWrite},
    answer::{invalid, ok, reply, unavailable},
    query::{TextPath, UserPath, duration},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, patch, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{net::IpAddr, sync::Arc};
use vestibule::{
    device::{
        DeviceId, TrustedDevice,
        service::{Check, NewTrust, Rename, Trust},
    },
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::UserId,
    session::Device,
    time::Timestamp,
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/devices/trust", post(trust))
        .route("/devices/check", post(check))
        .route("/devices/{id}", patch(rename).delete(revoke))
        .route("/users/{id}/devices", get(list).delete(revoke_all))
}

/// A trusted device as clients see it. `id` is ours, `device_id` is the caller's.
#[derive(Serialize)]
pub(super) struct DeviceBody {
    id: DeviceId,
    device_id: Option<String>,
    fingerprint: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    trusted_at: Timestamp,
    expires_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl From<TrustedDevice> for DeviceBody {
    fn from(device: TrustedDevice) -> Self {
        let Device { id: device_id, fingerprint, name, kind } = device.label;
        Self {
            id: device.id,
            device_id,
            fingerprint,
            name,
            kind,
            trusted_at: device.trusted_at,
            expires_at: device.expires_at,
            last_used_at: device.last_used_at.non_zero(),
        }
    }
}

/// 404: the trust in the path is no more, or never was.
pub(super) fn missing() -> Problem {
    Problem::new(ProblemCode::DeviceMissing)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustBody {
    user_id: UserId,
    device: Device,
    ttl: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

async fn trust(
    by: By<DevicesWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<TrustBody>,
) -> Result<Response, Problem> {
    let ttl = duration("ttl", body.ttl.as_deref())?;
    let new = NewTrust { user_id: body.user_id, label: body.device, ttl, session: None, replaces: None };
    let origin = by.origin_at(body.ip, body.user_agent.as_deref());
    match server.vestibule.devices.trust(new, origin).await.map_err(unavailable)? {
        Trust::Trusted(issued) => {
            let device_token = issued.token.expose();
            let body = json!({"device_token": device_token, "device": DeviceBody::from(issued.device)});
            Ok(reply(StatusCode::CREATED, body).into())
        }
        Trust::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
        // Only where a session asks.
        Trust::Gone => Err(super::answer::missing()),
        Trust::Invalid(refused) => Err(invalid(&refused)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    user_id: UserId,
    device_token: String,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

async fn check(
    by: By<DevicesRead>,
    State(server): Shared,
    StrictJson(body): StrictJson<CheckBody>,
) -> Result<Response, Problem> {
    let origin = by.origin_at(body.ip, body.user_agent.as_deref());
    let checked = server.vestibule.devices.check(&body.user_id, &body.device_token, origin).await;
    let (device, reason) = match checked.map_err(unavailable)? {
        Check::Trusted(device) => (Some(DeviceBody::from(device)), None),
        Check::Refused(refusal) => (None, Some(refusal.as_str())),
    };
    Ok(ok(json!({"trusted": device.is_some(), "reason": reason, "device": device})).into())
}

async fn list(_: By<DevicesRead>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let devices = server.vestibule.devices.list(server.vestibule.sessions.tag(&user)).await.map_err(unavailable)?;
    let devices: Vec<_> = devices.into_iter().map(DeviceBody::from).collect();
    Ok(ok(json!({"devices": devices})).into())
}

/// `PATCH`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameBody {
    pub(super) name: String,
}

async fn rename(
    by: By<DevicesWrite>,
    State(server): Shared,
    TextPath(id): TextPath,
    StrictJson(body): StrictJson<RenameBody>,
) -> Result<Response, Problem> {
    let id: DeviceId = id.parse().map_err(|_| missing())?;
    match server.vestibule.devices.rename(id, &body.name, by.origin()).await.map_err(unavailable)? {
        Rename::Renamed(device) => Ok(ok(json!({"device": DeviceBody::from(device)})).into()),
        Rename::Gone => Err(missing()),
        Rename::Invalid(refused) => Err(invalid(&refused)),
    }
}

/// A name that is no trust's has ended as well: the answer is the same.
async fn revoke(by: By<DevicesWrite>, State(server): Shared, TextPath(id): TextPath) -> Result<StatusCode, Problem> {
    if let Ok(id) = id.parse() {
        server.vestibule.devices.revoke(id, by.origin()).await.map_err(unavailable)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_all(by: By<DevicesWrite>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let tag = server.vestibule.sessions.tag(&user);
    let revoked = server.vestibule.devices.revoke_all(tag, by.origin()).await.map_err(unavailable)?;
    Ok(ok(json!({"revoked": revoked})).into())
}
