//! What stands in paths, queries and headers, read as strictly as bodies are.

use super::{Server, answer::missing};
use axum::{
    extract::{FromRequestParts, Path, Query, Request},
    http::{header::IF_MATCH, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::de::DeserializeOwned;
use std::{str::FromStr, sync::Arc, time::Duration};
use vestibule::{
    bounds::PAGE_LIMIT,
    http::{
        headers::{Single, single},
        problem::{Problem, ProblemCode},
    },
    id::{SessionId, UserId},
    time::{Timestamp, parse_duration},
};

/// Query names under which tokens travel elsewhere. Logs and histories keep URLs.
const TOKEN_NAMES: [&str; 4] = ["token", "session", "sid", "access_token"];

async fn path<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    let wrong = |_| Problem::new(ProblemCode::InvalidRequest).with_detail("the path is not UTF-8");
    path.map(|Path(text)| text).map_err(wrong)
}

/// The session that the path names; 404 where the name cannot be a session's.
pub(super) struct SessionPath(pub(super) SessionId);

impl FromRequestParts<Arc<Server>> for SessionPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        path(parts, server).await?.parse().map(Self).map_err(|_| missing())
    }
}

/// The user that the path names.
pub(super) struct UserPath(pub(super) UserId);

impl FromRequestParts<Arc<Server>> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let text = path(parts, server).await?;
        UserId::new(text).map(Self).map_err(|error| Problem::invalid_field("user_id", error.0))
    }
}

/// What the path names, as it stands there.
pub(super) struct TextPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for TextPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        path(parts, state).await.map(Self)
    }
}

/// The query, whose type refuses unknown names.
pub(super) struct StrictQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Server>> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, server).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|_| Problem::invalid_field("query", "a name is unknown or given twice, or a value is not accepted"))
    }
}

/// The revision in `If-Match`; `None` without one, and for `*`.
pub(super) struct IfMatch(pub(super) Option<u32>);

impl FromRequestParts<Arc<Server>> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Server>) -> Result<Self, Problem> {
        let text = match single(&parts.headers, &IF_MATCH) {
            Single::Absent => return Ok(Self(None)),
            Single::One("*") => return Ok(Self(None)),
            Single::One(text) => text,
            Single::Invalid => "",
        };
        let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let revision =
            digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
        let wrong = || Problem::invalid_field("If-Match", "expected one strong entity tag: a revision in double quotes");
        revision.map(|revision| Self(Some(revision))).ok_or_else(wrong)
    }
}

/// A duration as text.
pub(super) fn duration(field: &'static str, text: Option<&str>) -> Result<Option<Duration>, Problem> {
    let parse = |text| parse_duration(text).map_err(|error| Problem::invalid_field(field, error.to_string()));
    text.map(parse).transpose()
}

/// A time as text.
pub(super) fn time(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let wrong = || Problem::invalid_field(field, "expected a time as in RFC 3339, e.g. 2026-11-21T04:05:06Z");
    text.map(|text| Timestamp::parse(text).ok_or_else(wrong)).transpose()
}

/// How many entries a page may have: what was asked for, within the bound.
pub(super) fn page_size(text: Option<&str>, default: usize) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(default) };
    match text.parse::<usize>() {
        Ok(limit @ 1..) => Ok(limit.min(PAGE_LIMIT)),
        _ => Err(Problem::invalid_field("limit", "expected a whole number of at least 1")),
    }
}

/// Where a page of sessions ended: a time and the session at it. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(pub(super) Timestamp, pub(super) [u8; 24]);

impl Position {
    /// The position of a session.
    pub(super) fn new(at: Timestamp, id: SessionId) -> Self {
        Self(at, id.to_bytes())
    }

    /// The session there.
    pub(super) fn id(&self) -> SessionId {
        SessionId::from_bytes(&self.1)
    }

    /// As a cursor.
    pub(super) fn cursor(&self) -> String {
        format!("{}-{}", self.0.millis(), self.id())
    }
}

impl FromStr for Position {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parse = || {
            let (at, id) = text.split_once('-')?;
            let at = at.bytes().all(|byte| byte.is_ascii_digit()).then(|| at.parse().ok())??;
            Some(Self::new(Timestamp::from_millis(at), id.parse().ok()?))
        };
        parse().ok_or_else(bad_cursor)
    }
}

/// 422: the cursor is none that a page gave.
pub(super) fn bad_cursor() -> Problem {
    Problem::invalid_field("cursor", "is not one that a page gave")
}

/// Refuses tokens in URLs, whatever the route would make of them.
pub(super) async fn refuse_tokens_in_url(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    if names.into_iter().any(|name| TOKEN_NAMES.iter().any(|token| name.eq_ignore_ascii_case(token))) {
        return Problem::new(ProblemCode::TokenInUrl).into_response();
    }
    next.run(request).await
}
