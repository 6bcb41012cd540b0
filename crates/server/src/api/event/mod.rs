//! Events over HTTP: what happened, newest first; and what happens, as it does.

mod stream;

pub(crate) use stream::Streams;

use super::{
    Server, Shared,
    access::{By, EventsRead},
    answer::{ok, unavailable},
    query::{StrictQuery, UserPath, bad_cursor, page_size, time},
};
use axum::{Router, extract::State, response::Response, routing::get};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use vestibule::{
    bounds::PAGE_DEFAULT,
    event::{EventQuery, EventType},
    http::problem::{Problem, ProblemCode},
    id::UserTag,
    time::{Timestamp, millis},
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/events", get(of_all)).route("/events/stream", get(stream::open)).route("/events/verify", get(verify))
}

/// `?type=` takes several, by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(rename = "type")]
    kinds: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

async fn of_all(_: By<EventsRead>, State(server): Shared, StrictQuery(asked): StrictQuery<Asked>) -> Result<Response, Problem> {
    page(&server, None, &asked).await
}

pub(super) async fn of_user(
    _: By<EventsRead>,
    State(server): Shared,
    UserPath(user): UserPath,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, Problem> {
    page(&server, Some(server.vestibule.sessions.tag(&user)), &asked).await
}

/// Walks all of them, which takes its time: some hundred thousand a second. One walk at a time, since nobody needs two.
async fn verify(_: By<EventsRead>, State(server): Shared) -> Result<Response, Problem> {
    let Ok(_turn) = server.verification.try_acquire() else {
        return Err(Problem::new(ProblemCode::Overloaded).with_detail("the events are being verified already"));
    };
    Ok(ok(server.vestibule.chain.verify().await.map_err(unavailable)?).into())
}

async fn page(server: &Server, tag: Option<UserTag>, asked: &Asked) -> Result<Response, Problem> {
    let mut query = query(server, tag, asked)?;
    let limit = query.limit;
    query.limit += 1;
    let mut events = server.vestibule.events.query(query).await.map_err(unavailable)?;
    let has_more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| has_more).map(|last| last.id.to_string());
    let mut body = json!({"events": events});
    if let Some(next) = next {
        body["next_cursor"] = next.into();
    }
    Ok(ok(body).into())
}

/// Retention holds on reads too: what is past it and not yet forgotten is not told.
fn query(server: &Server, tag: Option<UserTag>, asked: &Asked) -> Result<EventQuery, Problem> {
    let oldest = oldest(server);
    let since = time("since", asked.since.as_deref())?.map_or(oldest, |since| since.max(oldest));
    let kinds = kinds(asked.kinds.as_deref())?;
    let before = asked.cursor.as_deref().map(str::parse).transpose().map_err(|_| bad_cursor())?;
    let limit = page_size(asked.limit.as_deref(), PAGE_DEFAULT)?;
    Ok(EventQuery { tag, kinds, since: Some(since), until: time("until", asked.until.as_deref())?, before, limit })
}

/// From when on events are told.
fn oldest(server: &Server) -> Timestamp {
    server.vestibule.sessions.clock().now().minus_ms(millis(server.event_retention))
}

fn kinds(names: Option<&str>) -> Result<Vec<EventType>, Problem> {
    names.map(|names| names.split(',')).into_iter().flatten().map(kind).collect()
}

fn kind(name: &str) -> Result<EventType, Problem> {
    name.parse().map_err(|_| Problem::invalid_field("type", "there is no event type of this name"))
}
