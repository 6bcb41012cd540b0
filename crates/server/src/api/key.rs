//! Management keys over HTTP.

use super::{
    Server, Shared,
    access::{By, KeysRead, KeysWrite},
    answer::{ok, reply, unavailable},
    query::TextPath,
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{delete, get},
};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use vestibule::{
    bounds::NAME_BYTES,
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    key::{CreateKeyOutcome, NewKey, Scopes},
    time::{Timestamp, millis, parse_duration},
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/keys", get(list).post(create)).route("/keys/{id}", delete(revoke))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: String,
    scopes: Vec<String>,
    expires: Option<String>,
}

impl CreateBody {
    fn new_key(&self, now: Timestamp) -> Result<NewKey, Problem> {
        if self.name.is_empty() || self.name.len() > NAME_BYTES || self.name.chars().any(char::is_control) {
            return Err(Problem::invalid_field("name", "expected 1 to 128 bytes without control characters"));
        }
        let unknown = |_| Problem::invalid_field("scopes", "there is no scope of this name");
        let scopes = self.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<_>, _>>().map_err(unknown)?;
        if scopes.is_empty() {
            return Err(Problem::invalid_field("scopes", "needs at least one scope"));
        }
        let expires_at = self.expires.as_deref().map(|text| expiry(text, now)).transpose()?;
        Ok(NewKey { name: self.name.as_str().into(), scopes: Scopes::new(scopes), expires_at })
    }
}

/// A time, or a duration from now.
fn expiry(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let in_a_while = parse_duration(text).map(|duration| now.plus_ms(millis(duration))).ok();
    let end = in_a_while.or_else(|| Timestamp::parse(text)).filter(|end| *end > now);
    end.ok_or_else(|| Problem::invalid_field("expires", "expected a duration such as 30d, or a time to come as in RFC 3339"))
}

async fn create(
    by: By<KeysWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<CreateBody>,
) -> Result<Response, Problem> {
    let new = body.new_key(server.vestibule.sessions.clock().now())?;
    match server.keys.create(new, by.key(), by.origin()).await.map_err(unavailable)? {
        CreateKeyOutcome::Created { record, text } => {
            let mut body = json!(record);
            body["key"] = text.as_str().into();
            Ok(reply(StatusCode::CREATED, body).into())
        }
        CreateKeyOutcome::Full => Err(Problem::new(ProblemCode::KeyLimit)),
        CreateKeyOutcome::BeyondOwn => Err(Problem::new(ProblemCode::ScopeMissing)),
    }
}

async fn list(_: By<KeysRead>, State(server): Shared) -> Result<Response, Problem> {
    let keys = server.keys.list().await.map_err(unavailable)?;
    Ok(ok(json!({"keys": keys})).into())
}

async fn revoke(by: By<KeysWrite>, State(server): Shared, TextPath(id): TextPath) -> Result<StatusCode, Problem> {
    let deleted = id.len() <= NAME_BYTES && server.keys.delete(&id, by.origin()).await.map_err(unavailable)?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::new(ProblemCode::KeyMissing)) }
}
