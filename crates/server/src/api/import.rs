//! `POST /v1/import/sessions`: live sessions of another system, by the digests of their tokens.

use super::{
    Server, Shared,
    access::{By, ImportWrite},
    answer::{ok, unavailable},
};
use axum::{Router, extract::State, response::Response, routing::post};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};
use vestibule::{
    bounds::IMPORT_BATCH,
    http::{json::StrictJson, problem::Problem},
    id::UserId,
    session::{
        Device, TokenDigest,
        service::{
            Data,
            import::{ForeignSession, Import},
        },
    },
    time::Timestamp,
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/import/sessions", post(import))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    sessions: Vec<SessionBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionBody {
    #[serde(deserialize_with = "digest")]
    digest: TokenDigest,
    user_id: Option<UserId>,
    #[serde(default)]
    roles: Vec<Box<str>>,
    #[serde(default)]
    data: Data,
    device: Option<Device>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    #[serde(default)]
    mfa: bool,
    created_at: Option<Timestamp>,
    last_seen_at: Option<Timestamp>,
    expires_at: Timestamp,
}

/// 64 hexadecimal digits.
fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TokenDigest, D::Error> {
    let wrong = || serde::de::Error::custom("expected the SHA-256 of the token in 64 hexadecimal digits");
    let text = String::deserialize(deserializer)?;
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut bytes = [0; 32];
    for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[place..place + 2], 16).map_err(|_| wrong())?;
    }
    Ok(TokenDigest::from_bytes(bytes))
}

impl From<SessionBody> for ForeignSession {
    fn from(body: SessionBody) -> Self {
        Self {
            digest: body.digest,
            user_id: body.user_id,
            roles: body.roles,
            data: body.data,
            device: body.device.unwrap_or_default(),
            ip: body.ip,
            user_agent: body.user_agent,
            mfa: body.mfa,
            created_at: body.created_at,
            last_seen_at: body.last_seen_at,
            expires_at: body.expires_at,
        }
    }
}

async fn import(
    by: By<ImportWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<ImportBody>,
) -> Result<Response, Problem> {
    if !(1..=IMPORT_BATCH).contains(&body.sessions.len()) {
        return Err(Problem::invalid_field("sessions", "expected 1 to 500 sessions"));
    }
    let sessions = body.sessions.into_iter().map(ForeignSession::from).collect();
    let outcomes = server.vestibule.sessions.import(sessions, by.origin()).await.map_err(unavailable)?;
    Ok(ok(told(&outcomes)).into())
}

/// Counts, and each session that was left behind by its place in the request.
fn told(outcomes: &[Import]) -> Value {
    let count = |wanted: &Import| outcomes.iter().filter(|outcome| *outcome == wanted).count();
    let skipped = outcomes.iter().enumerate().filter_map(|(index, outcome)| match outcome {
        Import::Imported | Import::Known | Import::Expired => None,
        Import::LimitReached => Some(json!({"index": index, "reason": "session_limit"})),
        Import::UserDisabled => Some(json!({"index": index, "reason": "user_disabled"})),
        Import::Invalid(invalid) => {
            Some(json!({"index": index, "reason": "invalid_field", "field": invalid.field, "detail": invalid.reason}))
        }
    });
    json!({
        "imported": count(&Import::Imported),
        "known": count(&Import::Known),
        "expired": count(&Import::Expired),
        "skipped": skipped.collect::<Vec<_>>(),
    })
}
