//! Users over HTTP: their sessions, past and present, and whether they may have any.

use super::{
    Server, Shared,
    access::{By, SessionsRead, SessionsWrite, UsersRead, UsersWrite},
    account,
    answer::{ok, unavailable},
    event,
    query::{Position, StrictQuery, UserPath, page_size},
    session::SessionBody,
    token,
};
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use vestibule::{
    bounds::{PAGE_DEFAULT, PAGE_LIMIT},
    fault::Fault,
    http::problem::Problem,
    id::SessionId,
    session::{PackedSession, command::Filter},
    time::Timestamp,
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/users/{id}", delete(erase))
        .route("/users/{id}/sessions", get(list).delete(end_all))
        .route("/users/{id}/history", get(history))
        .route("/users/{id}/analytics", get(analytics))
        .route("/users/{id}/events", get(event::of_user))
        .route("/users/{id}/tokens", delete(token::revoke_all))
        .route("/users/{id}/disable", post(disable))
        .route("/users/{id}/enable", post(enable))
        .route("/users/{id}/reset", post(account::open_reset))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<String>,
    cursor: Option<String>,
}

impl Page {
    fn position(&self) -> Result<Option<Position>, Problem> {
        self.cursor.as_deref().map(str::parse).transpose()
    }
}

/// A page and, where there is more, the cursor of the next.
#[derive(Serialize)]
struct Sessions<T> {
    sessions: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A page of the sessions on every device, or on one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsPage {
    limit: Option<String>,
    cursor: Option<String>,
    device_id: Option<String>,
}

async fn list(
    _: By<SessionsRead>,
    State(server): Shared,
    UserPath(user): UserPath,
    StrictQuery(query): StrictQuery<SessionsPage>,
) -> Result<Response, Problem> {
    let SessionsPage { limit, cursor, device_id } = query;
    if device_id.as_deref() == Some("") {
        return Err(Problem::invalid_field("device_id", "is empty"));
    }
    let page = Page { limit, cursor };
    let (limit, after) = (page_size(page.limit.as_deref(), PAGE_LIMIT)?, page.position()?);
    let filter = Filter { device_id, ..Filter::default() };
    let service = &server.vestibule.sessions;
    let mut live = service.store().list(service.tag(&user), service.clock().now()).await.map_err(unavailable)?;
    let position = |session: &PackedSession| Position::new(session.created_at(), session.id());
    live.sort_by_key(position);
    live.retain(|session| filter.matches(session) && after.is_none_or(|after| position(session) > after));
    let next_cursor = (live.len() > limit).then(|| position(&live[limit - 1]).cursor());
    live.truncate(limit);
    let shown = live.iter().map(|session| service.open(session.unpack()).map(SessionBody::from));
    let sessions = shown.collect::<Result<Vec<_>, _>>().map_err(unavailable)?;
    Ok(ok(Sessions { sessions, next_cursor }).into())
}

/// `?except=` may name one session that stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Except {
    except: Option<String>,
}

async fn end_all(
    by: By<SessionsWrite>,
    State(server): Shared,
    UserPath(user): UserPath,
    StrictQuery(query): StrictQuery<Except>,
) -> Result<Response, Problem> {
    let wrong = |_| Problem::invalid_field("except", "expected a session id");
    let except: Option<SessionId> = query.except.as_deref().map(str::parse).transpose().map_err(wrong)?;
    let ended = server.vestibule.sessions.end_all(&user, except.into_iter().collect(), by.origin()).await;
    Ok(ok(json!({"revoked": ended.map_err(unavailable)?})).into())
}

/// A session that ended.
#[derive(Serialize)]
struct Past {
    #[serde(flatten)]
    session: SessionBody,
    ended_at: Option<Timestamp>,
    end_reason: Option<&'static str>,
}

async fn history(
    _: By<UsersRead>,
    State(server): Shared,
    UserPath(user): UserPath,
    StrictQuery(page): StrictQuery<Page>,
) -> Result<Response, Problem> {
    let limit = page_size(page.limit.as_deref(), PAGE_DEFAULT)?;
    let before = page.position()?.map(|position| (position.0, position.id()));
    let service = &server.vestibule.sessions;
    let mut past = service.history(&user, before, limit + 1).await.map_err(unavailable)?;
    let has_more = past.len() > limit;
    past.truncate(limit);
    let last = past.last().filter(|_| has_more);
    let next_cursor = last.and_then(|last| Some(Position::new(last.ended()?.at, last.id()).cursor()));
    let shown = past.iter().map(|packed| {
        let (session, ended) = (service.open(packed.unpack())?.into(), packed.ended());
        Ok(Past { session, ended_at: ended.map(|ended| ended.at), end_reason: ended.map(|ended| ended.reason.as_str()) })
    });
    let sessions = shown.collect::<Result<Vec<_>, Fault>>().map_err(unavailable)?;
    Ok(ok(Sessions { sessions, next_cursor }).into())
}

async fn analytics(_: By<UsersRead>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let figures = server.vestibule.sessions.analytics(&user).await.map_err(unavailable)?;
    Ok(ok(json!({
        "active": figures.active,
        "total": figures.total,
        "ended": figures.ended,
        "last_login_at": figures.last_login_at,
        "last_seen_at": figures.last_seen_at,
        "devices": figures.devices,
        "disabled": figures.disabled,
        "activity": figures.trail,
    }))
    .into())
}

async fn disable(by: By<UsersWrite>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let revoked = server.vestibule.sessions.disable_user(&user, by.origin()).await.map_err(unavailable)?;
    Ok(ok(json!({"revoked": revoked})).into())
}

async fn enable(by: By<UsersWrite>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let was_disabled = server.vestibule.sessions.enable_user(&user, by.origin()).await.map_err(unavailable)?;
    Ok(ok(json!({"was_disabled": was_disabled})).into())
}

async fn erase(by: By<UsersWrite>, State(server): Shared, UserPath(user): UserPath) -> Result<Response, Problem> {
    let erased = server.vestibule.sessions.delete_user(&user, by.origin()).await.map_err(unavailable)?;
    Ok(ok(json!({"revoked": erased.revoked, "had_account": erased.had_account})).into())
}
