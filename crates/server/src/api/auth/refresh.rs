//! `POST /auth/refresh`: renews what the caller holds.
//!
//! With a refresh token in the body it is the exchange, for clients that hold tokens and have no management key; no cookie is looked
//! at then. Without one it replaces the session's token: the cookie is set anew and the CSRF token with it, and the pair from before
//! works on for the overlap, so that requests under way do not fail.

use super::{Visit, body_of, private, with_cookie};
use crate::api::{
    Shared,
    token::{RefreshBody, answer_refresh},
    unavailable_to_browser,
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::json;
use vestibule::{
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
    },
    session::service::change::Changed,
};

pub(super) async fn refresh(
    State(server): Shared,
    visit: Visit,
    body: Option<StrictJson<RefreshBody>>,
) -> Result<Response, Problem> {
    if let Some(StrictJson(body)) = body {
        return answer_refresh(&server, body, visit.origin(None)).await;
    }
    let session = visit.session(&server).await?.session();
    let origin = visit.origin(Some(&session));
    let rotated =
        server.vestibule.sessions.rotate(session.id, None, origin).await.map_err(|fault| unavailable_to_browser(&fault))?;
    let Changed::Done(issued) = rotated else { return Err(Problem::new(ProblemCode::Unauthenticated)) };
    let session = body_of(&server, issued.info.session.clone())?;
    with_cookie(private(StatusCode::OK, json!({"session": session, "csrf_token": issued.csrf_token})), &issued, &server)
}
