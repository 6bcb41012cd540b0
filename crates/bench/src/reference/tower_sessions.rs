//! tower-sessions as its documentation shows it: a key for each session, saved with each request so that it slides; no index,
//! no cap, no events.

use crate::{Error, callers, fixture};
use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Map, Value};
use std::time::Duration;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer, SessionStore as _,
    cookie::time,
    session::{Id, Record},
};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike as _, Config, Pool},
};

/// Connections, as many as the store's documentation takes.
const CONNECTIONS: usize = 6;
const IDLE: time::Duration = time::Duration::minutes(30);
/// What a request without a session gets.
const NOBODY: StatusCode = StatusCode::UNAUTHORIZED;

async fn store(redis: &str) -> Result<RedisStore<Pool>, Error> {
    let pool = Pool::new(Config::from_url(redis)?, None, None, None, CONNECTIONS)?;
    pool.connect();
    pool.wait_for_connect().await?;
    Ok(RedisStore::new(pool))
}

/// Serves at the paths of the server under measurement, and takes the same requests.
pub(crate) async fn serve(address: &str, redis: &str) -> Result<(), Error> {
    let layer = SessionManagerLayer::new(store(redis).await?)
        .with_name("vestibule_dev")
        .with_always_save(true)
        .with_expiry(Expiry::OnInactivity(IDLE));
    let routes = Router::new().route("/forward-auth", get(who)).route("/v1/sessions", post(begin)).layer(layer);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn who(session: Session) -> Response {
    match session.get::<String>("user_id").await {
        Ok(Some(user)) => (StatusCode::NO_CONTENT, [("x-user-id", user)]).into_response(),
        _ => NOBODY.into_response(),
    }
}

async fn begin(session: Session, Json(facts): Json<Map<String, Value>>) -> StatusCode {
    for (name, value) in facts {
        if session.insert_value(&name, value).await.is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    StatusCode::CREATED
}

fn record(user: usize) -> Result<Record, Error> {
    let facts = fixture::facts(&format!("user-{user}"));
    let data = serde_json::from_str(&facts)?;
    Ok(Record { id: Id::default(), data, expiry_date: time::OffsetDateTime::now_utc() + IDLE })
}

/// See [`callers::play`].
pub(crate) async fn create(redis: &str, time: Duration) -> Result<(), Error> {
    let store = store(redis).await?;
    callers::play(time, move |user| {
        let store = store.clone();
        async move { Ok(store.create(&mut record(user)?).await?) }
    })
    .await
}

/// Creates sessions, and returns what their cookies hold.
pub(crate) async fn fill(redis: &str, sessions: usize) -> Result<Vec<String>, Error> {
    let store = store(redis).await?;
    let mut tokens = Vec::with_capacity(sessions);
    for user in 0..sessions {
        let mut record = record(user)?;
        store.create(&mut record).await?;
        tokens.push(record.id.to_string());
    }
    Ok(tokens)
}
