//! A user's own sessions: look at them, end them. Works without accounts as well.

use super::{Visit, forgetting, private};
use crate::api::{Server, Shared, query::TextPath, session::SessionBody, unavailable_to_browser};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use vestibule::{
    http::problem::{Problem, ProblemCode},
    id::SessionId,
    session::{EndReason, Session, SessionKind, command::GetOutcome},
};

/// A session in its user's list.
#[derive(Serialize)]
struct OwnSession {
    #[serde(flatten)]
    session: SessionBody,
    current: bool,
}

/// All sessions of the user. A share was given to somebody else, who sees no more than that share.
pub(super) async fn list(State(server): Shared, visit: Visit) -> Result<Response, Problem> {
    let valid = visit.session(&server).await?;
    let sessions = match valid.packed().kind() {
        SessionKind::Share => vec![valid.packed().clone()],
        _ => {
            let (now, store) = (server.vestibule.sessions.clock().now(), server.vestibule.sessions.store());
            store.list(valid.id().tag(), now).await.map_err(|fault| unavailable_to_browser(&fault))?
        }
    };
    let own = |session: Session| -> Result<OwnSession, Problem> {
        let current = session.id == valid.id();
        Ok(OwnSession { session: super::body_of(&server, session)?, current })
    };
    let sessions: Vec<_> = sessions.iter().map(|session| own(session.unpack())).collect::<Result<_, _>>()?;
    Ok(private(StatusCode::OK, json!({"sessions": sessions})))
}

/// Refuses what touches other sessions where the proof of identity is old.
fn freshly_proved(server: &Server, session: &Session) -> Result<(), Problem> {
    let sessions = &server.vestibule.sessions;
    let max_age = sessions.policies().profile_or_default(&session.profile).step_up_max_age;
    let age_ms = sessions.clock().now().since_ms(session.auth_time);
    if age_ms <= vestibule::time::millis(max_age) { Ok(()) } else { Err(Problem::step_up_required(Some(max_age.as_secs()))) }
}

pub(super) async fn end(State(server): Shared, visit: Visit, TextPath(id): TextPath) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    let missing = || Problem::new(ProblemCode::SessionMissing).with_status(StatusCode::NOT_FOUND);
    let id: SessionId = id.parse().map_err(|_| missing())?;
    if id == session.id {
        end_one(&server, &visit, &session, id, EndReason::Logout).await?;
        return Ok(forgetting(StatusCode::NO_CONTENT.into_response(), &server));
    }
    let sessions = &server.vestibule.sessions;
    let found = match id.tag() == session.id.tag() {
        true => sessions.store().get(id, sessions.clock().now()).await.map_err(|fault| unavailable_to_browser(&fault))?,
        false => GetOutcome::Missing,
    };
    if found == GetOutcome::Missing {
        return Err(missing());
    }
    freshly_proved(&server, &session)?;
    end_one(&server, &visit, &session, id, EndReason::Revoked).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn end_one(server: &Server, visit: &Visit, by: &Session, id: SessionId, reason: EndReason) -> Result<(), Problem> {
    let ended = server.vestibule.sessions.end(id, reason, visit.origin(Some(by))).await;
    ended.map(|_| ()).map_err(|fault| unavailable_to_browser(&fault))
}

/// `?except=current`, or a session id, stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExceptQuery {
    except: Option<String>,
}

pub(super) async fn end_all(
    State(server): Shared,
    visit: Visit,
    query: Result<Query<ExceptQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let session = visit.own_session(&server).await?;
    let wrong = || Problem::invalid_field("except", "expected current or a session id");
    let except = match query.map_err(|_| wrong())?.0.except.as_deref() {
        None => None,
        Some("current") => Some(session.id),
        Some(id) => Some(id.parse().map_err(|_| wrong())?),
    };
    freshly_proved(&server, &session)?;
    let origin = visit.origin(Some(&session));
    let ended = server.vestibule.sessions.end_all_of(session.id.tag(), except.into_iter().collect(), origin).await;
    let response = private(StatusCode::OK, json!({"revoked": ended.map_err(|fault| unavailable_to_browser(&fault))?}));
    if except == Some(session.id) { Ok(response) } else { Ok(forgetting(response, &server)) }
}
