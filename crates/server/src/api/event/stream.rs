//! `GET /v1/events/stream`: events as they happen, as server-sent events (WHATWG HTML, 9.2).
//!
//! Whoever comes back with `Last-Event-ID` hears first what was missed. A stream ends when its reader is too slow, its key is not valid
//! any more, the store fails while it catches up, or the server stops; in each case the reader comes back the same way.

use super::{kinds, oldest};
use crate::{
    api::{
        Server, Shared,
        access::{By, EventsRead},
        answer::unavailable,
        query::StrictQuery,
    },
    serve::{Phase, Stop},
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior, interval},
};
use vestibule::{
    event::{Event, Followed, Follower, Interest},
    http::{
        headers::{Single, single},
        problem::{Problem, ProblemCode},
        token_header::{BearerRead, read_bearer},
    },
    id::{EventId, SessionId, UserId},
};
use zeroize::Zeroizing;

/// Streams at a time: each holds a connection and up to a few hundred kilobytes of what its reader has not taken.
const STREAMS: usize = 256;
/// Time between two comments that tell both ends and every proxy in between that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a stream begins with: so that the reader knows at once that it is heard, and how soon to come back.
const OPENING: &[u8] = b": following\nretry: 1000\n\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx would keep an answer back until it is whole.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How many streams there may be, and when they end.
pub(crate) struct Streams {
    slots: Arc<Semaphore>,
    stop: Stop,
}

impl Streams {
    /// None yet; all end when the server begins to stop.
    pub(crate) fn new(stop: Stop) -> Self {
        Self { slots: Arc::new(Semaphore::new(STREAMS)), stop }
    }
}

/// `?type=` takes several, by commas.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(rename = "type")]
    kinds: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
}

pub(super) async fn open(
    _: By<EventsRead>,
    State(server): Shared,
    headers: HeaderMap,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, Problem> {
    let (interest, after) = (interest(&server, &asked)?, last_event_id(&headers)?);
    let BearerRead::One(key) = read_bearer(&headers) else { return Err(Problem::new(ProblemCode::KeyInvalid)) };
    let slot = server.streams.slots.clone().try_acquire_owned();
    let slot =
        slot.map_err(|_| Problem::new(ProblemCode::Overloaded).with_detail("as many streams are open as the server has"))?;
    let stream = Stream {
        follower: server.vestibule.feed.follow(interest, after).await.map_err(unavailable)?,
        key: Zeroizing::new(key.to_owned()),
        stop: server.streams.stop.clone(),
        heartbeat: heartbeat(),
        server,
        has_begun: false,
        _slot: slot,
    };
    let body = Body::from_stream(stream::unfold(stream, Stream::next));
    let event_stream = HeaderValue::from_static("text/event-stream");
    Ok(([(header::CONTENT_TYPE, event_stream), (X_ACCEL_BUFFERING, HeaderValue::from_static("no"))], body).into_response())
}

fn interest(server: &Server, asked: &Asked) -> Result<Interest, Problem> {
    let user = asked.user_id.as_deref().map(UserId::new).transpose();
    let user = user.map_err(|error| Problem::invalid_field("user_id", error.0))?;
    let session = asked.session_id.as_deref().map(str::parse::<SessionId>).transpose();
    let session = session.map_err(|error| Problem::invalid_field("session_id", error.0))?;
    let tag = user.map(|user| server.vestibule.sessions.tag(&user));
    Ok(Interest { tag, kinds: kinds(asked.kinds.as_deref())?, session, since: Some(oldest(server)) })
}

/// An empty one is what a reader sends that has heard nothing yet.
fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let wrong = || Problem::invalid_field("Last-Event-ID", "is no id that an event had");
    match single(headers, &LAST_EVENT_ID) {
        Single::Absent | Single::One("") => Ok(None),
        Single::One(id) => id.parse().map(Some).map_err(|_| wrong()),
        Single::Invalid => Err(wrong()),
    }
}

fn heartbeat() -> Interval {
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    heartbeat.reset();
    heartbeat
}

struct Stream {
    follower: Follower,
    key: Zeroizing<String>,
    stop: Stop,
    heartbeat: Interval,
    server: Arc<Server>,
    has_begun: bool,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    /// The next part of the body; none where the stream ends.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.has_begun {
            self.has_begun = true;
            return Some((Ok(Bytes::from_static(OPENING)), self));
        }
        let part = tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => return None,
            followed = self.follower.next() => match followed {
                Ok(Followed::Event(event)) => frame(&event),
                Ok(Followed::TooSlow) => {
                    metrics::counter!("vestibule_event_streams_cut_total").increment(1);
                    return None;
                }
                Err(fault) => {
                    tracing::warn!(class = fault.class(), "a stream of events ended: the store failed");
                    return None;
                }
            },
            _ = self.heartbeat.tick() => match self.server.keys.is_valid(&self.key).await {
                Ok(false) => return None,
                // Whether it is still valid is asked again with the next beat; until then nothing is heard of a store that is away.
                Ok(true) | Err(_) => Bytes::from_static(b":\n\n"),
            },
        };
        Some((Ok(part), self))
    }
}

fn frame(event: &Event) -> Bytes {
    let data = serde_json::to_string(event).expect("texts and numbers always serialise");
    format!("id: {}\ndata: {data}\n\n", event.id).into()
}
