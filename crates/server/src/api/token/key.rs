//! The keys behind access tokens: the set that verifiers fetch, and their rotation.

use super::service;
use crate::api::{
    Server, Shared,
    access::{By, TokensRead, TokensWrite},
    answer::{ok, reply, unavailable, unavailable_to_browser},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;
use std::sync::Arc;
use vestibule::{
    fault::Fault,
    http::problem::{Problem, ProblemCode},
    token::signing::RotateKeysOutcome,
};

pub(super) fn public_routes() -> Router<Arc<Server>> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// `GET /.well-known/jwks.json` (RFC 7517), for whoever asks.
async fn jwks(State(server): Shared, headers: HeaderMap) -> Result<Response, Problem> {
    let keys = service(&server)?.keys();
    let set = keys.jwks();
    let mut response = match is_known(&headers, &set.etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, "application/jwk-set+json")], set.body).into_response(),
    };
    let written = |text: String| {
        HeaderValue::try_from(text).map_err(|_| unavailable_to_browser(Fault::Corrupt("a header cannot be written".into())))
    };
    let caching = format!("public, max-age={}", keys.jwks_max_age().as_secs());
    response.headers_mut().insert(header::CACHE_CONTROL, written(caching)?);
    response.headers_mut().insert(header::ETAG, written(set.etag)?);
    Ok(response)
}

/// Whether the caller has this document (RFC 9110 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|list| list.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// `POST /v1/tokens/keys/rotate`: accepted, since the key signs only later.
pub(super) async fn rotate(by: By<TokensWrite>, State(server): Shared) -> Result<Response, Problem> {
    match service(&server)?.rotate_keys(&by.origin()).await.map_err(unavailable)? {
        RotateKeysOutcome::Published { kid, signs_from, .. } => {
            Ok(reply(StatusCode::ACCEPTED, json!({"kid": kid, "signs_from": signs_from})).into())
        }
        RotateKeysOutcome::Imported => Err(Problem::new(ProblemCode::SigningKeyImported)),
        RotateKeysOutcome::Full => Err(Problem::new(ProblemCode::SigningKeyLimit)),
    }
}

/// `GET /v1/tokens/keys`
pub(super) async fn list(_: By<TokensRead>, State(server): Shared) -> Result<Response, Problem> {
    let ring = service(&server)?.keys().ring();
    let now = server.vestibule.sessions.clock().now();
    let keys = ring.states(now).map(|(key, state)| {
        json!({
            "kid": key.pair.kid(),
            "algorithm": key.pair.algorithm().as_str(),
            "state": state.as_str(),
            "published_at": key.published_at,
            "signs_from": key.signs_from,
        })
    });
    Ok(ok(json!({"keys": keys.collect::<Vec<_>>()})).into())
}
