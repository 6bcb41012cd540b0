//! A user's own trusted devices: trust this one, look at them, rename them, end the trust. Works without accounts as well.
//!
//! The browser keeps its device token in a cookie of its own, which outlives sessions. A login presents it by itself.

use super::{Visit, private};
use crate::api::{
    Server, Shared,
    device::{DeviceBody, RenameBody, missing},
    query::TextPath,
    unavailable_to_browser,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use vestibule::{
    bounds::DEVICE_FIELD_BYTES,
    device::{
        DeviceId, Presented, TrustedDevice,
        service::{NewTrust, Rename, Trust},
    },
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    id::UserTag,
    session::{Device, Session, model::cut},
    time::millis,
};

/// A device in its user's list.
#[derive(Serialize)]
struct OwnDevice {
    #[serde(flatten)]
    device: DeviceBody,
    current: bool,
}

impl OwnDevice {
    fn new(device: TrustedDevice, presented: Option<Presented>) -> Self {
        Self { current: presented == Some(Presented::Authentic(device.digest)), device: device.into() }
    }
}

/// What the browser's device cookie says for a user.
fn presented(server: &Server, visit: &Visit, tag: UserTag) -> Option<Presented> {
    let text = visit.device_token.as_deref()?;
    Some(Presented::read(server.vestibule.sessions.ring(), text, tag))
}

/// All trusted devices of the user. A share was given to somebody else, whom they do not concern.
pub(super) async fn list(State(server): Shared, visit: Visit) -> Result<Response, Problem> {
    let session = visit.session(&server).await?.session();
    if session.parent.is_some() {
        return Err(Problem::new(ProblemCode::ShareForbidden));
    }
    let tag = session.id.tag();
    let devices = server.vestibule.devices.list(tag).await.map_err(|fault| unavailable_to_browser(&fault))?;
    let presented = presented(&server, &visit, tag);
    let devices: Vec<_> = devices.into_iter().map(|device| OwnDevice::new(device, presented)).collect();
    Ok(private(StatusCode::OK, json!({"devices": devices})))
}

/// `POST /auth/devices`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustBody {
    name: Option<String>,
}

/// A trust remembers a second factor, so there must have been one, and not long ago: else a password alone would open the way
/// around the second factor for ever after.
fn second_factor_is_fresh(server: &Server, session: &Session) -> Result<(), Problem> {
    let sessions = &server.vestibule.sessions;
    let max_age = sessions.policies().profile_or_default(&session.profile).step_up_max_age;
    let age_ms = sessions.clock().now().since_ms(session.mfa_at);
    match session.mfa && age_ms <= millis(max_age) {
        true => Ok(()),
        false => Err(Problem::step_up_required(Some(max_age.as_secs()))),
    }
}

/// Trusts the browser that asks. The token is in a cookie and nowhere else in the answer.
pub(super) async fn trust(
    State(server): Shared,
    visit: Visit,
    body: Option<StrictJson<TrustBody>>,
) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    second_factor_is_fresh(&server, &session)?;
    let Some(user_id) = session.user_id.clone() else { return Err(Problem::new(ProblemCode::Unauthenticated)) };
    let replaces = match presented(&server, &visit, session.id.tag()) {
        Some(Presented::Authentic(digest)) => Some(digest),
        Some(Presented::Refused(_)) | None => None,
    };
    let origin = visit.origin(Some(&session));
    let agent = visit.user_agent.as_deref().map(|agent| cut(agent, DEVICE_FIELD_BYTES).to_owned());
    let given = body.and_then(|StrictJson(body)| body.name);
    let name = given.or_else(|| session.device.name.clone()).or(agent);
    let label = Device { name, ..session.device };
    let new = NewTrust { user_id, label, ttl: None, session: Some(session.id), replaces };
    match server.vestibule.devices.trust(new, origin).await.map_err(|fault| unavailable_to_browser(&fault))? {
        Trust::Trusted(issued) => {
            let device = OwnDevice { device: issued.device.clone().into(), current: true };
            let mut response = private(StatusCode::CREATED, json!({"device": device}));
            let age = Duration::from_millis(issued.device.expires_at.since_ms(issued.device.trusted_at));
            let cookie = server.browser.trusted_device.set_header(&issued.token.expose(), age);
            let cookie = cookie.map_err(|_| Problem::new(ProblemCode::Internal))?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Trust::UserDisabled | Trust::Gone => Err(Problem::new(ProblemCode::Unauthenticated)),
        Trust::Invalid(refused) => Err(Problem::invalid_field(refused.field, refused.reason)),
    }
}

/// The device in the path, if it is the user's own; others do not exist for them.
fn own(session: &Session, id: &str) -> Result<DeviceId, Problem> {
    let id: Option<DeviceId> = id.parse().ok();
    id.filter(|id| id.tag() == session.id.tag()).ok_or_else(missing)
}

pub(super) async fn rename(
    State(server): Shared,
    visit: Visit,
    TextPath(id): TextPath,
    StrictJson(body): StrictJson<RenameBody>,
) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    let id = own(&session, &id)?;
    let renamed = server.vestibule.devices.rename(id, &body.name, visit.origin(Some(&session))).await;
    match renamed.map_err(|fault| unavailable_to_browser(&fault))? {
        Rename::Renamed(device) => {
            let presented = presented(&server, &visit, session.id.tag());
            Ok(private(StatusCode::OK, json!({"device": OwnDevice::new(device, presented)})))
        }
        Rename::Gone => Err(missing()),
        Rename::Invalid(refused) => Err(Problem::invalid_field(refused.field, refused.reason)),
    }
}

pub(super) async fn revoke(State(server): Shared, visit: Visit, TextPath(id): TextPath) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    let id = own(&session, &id)?;
    let tag = session.id.tag();
    let devices = server.vestibule.devices.list(tag).await.map_err(|fault| unavailable_to_browser(&fault))?;
    let is_current = match presented(&server, &visit, tag) {
        Some(Presented::Authentic(digest)) => devices.iter().any(|device| device.id == id && device.digest == digest),
        Some(Presented::Refused(_)) | None => false,
    };
    let revoked = server.vestibule.devices.revoke(id, visit.origin(Some(&session))).await;
    revoked.map_err(|fault| unavailable_to_browser(&fault))?;
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(if is_current { distrusting(response, &server) } else { response })
}

pub(super) async fn revoke_all(State(server): Shared, visit: Visit) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    let revoked = server.vestibule.devices.revoke_all(session.id.tag(), visit.origin(Some(&session))).await;
    let revoked = revoked.map_err(|fault| unavailable_to_browser(&fault))?;
    Ok(distrusting(private(StatusCode::OK, json!({"revoked": revoked})), &server))
}

/// An answer that makes the browser forget its device token.
fn distrusting(mut response: Response, server: &Server) -> Response {
    response.headers_mut().append(header::SET_COOKIE, server.browser.trusted_device.clear_header());
    response
}
