//! What Sentinels say: who is in charge, and when somebody else is.

use crate::{
    address::SentinelPlace,
    bounds,
    connection::connect,
    fault::{Call, fault},
    supervisor::{Shared, jittered, odd, soon},
};
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError, RedisResult,
    Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet, time};
use vestibule_core::fault::Fault;

/// The server in charge by the word of the Sentinel that knows of the latest failover, among the first ones that make a majority.
/// A Sentinel that was cut off together with an old master is so outvoted by any other.
pub(crate) async fn master(shared: &Shared, place: &SentinelPlace) -> Result<ConnectionInfo, Fault> {
    let mut asked = JoinSet::new();
    for sentinel in place.sentinels.clone() {
        asked.spawn(soon(ask(sentinel, place.clone(), shared.options.connect_timeout)));
    }
    let majority = place.sentinels.len() / 2 + 1;
    let (mut named, mut refused) = (Vec::new(), None);
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(answer)) => named.push(answer),
            Ok(Err(error)) if !error.is_io_error() => refused = Some(error),
            _ => {}
        }
        if named.len() >= majority {
            break;
        }
    }
    let latest = named.into_iter().max_by_key(|named: &Named| named.epoch);
    let latest = latest.ok_or_else(|| refused.map_or_else(no_sentinel, |error| refusal(&error)))?;
    shared.at(&latest.host, latest.port, &place.settings).map_err(|error| fault(&error, Call::Read))
}

fn no_sentinel() -> Fault {
    Fault::Unavailable("no Sentinel answers".into())
}

/// Why Sentinels that answer name nobody.
fn refusal(error: &RedisError) -> Fault {
    let text = match error.code() {
        Some("NOAUTH" | "WRONGPASS") => "the Sentinels refuse the password",
        _ => "the Sentinels know no master of this name",
    };
    Fault::Misconfigured(text.into())
}

/// A Sentinel's word.
struct Named {
    host: String,
    port: u16,
    /// Counts failovers.
    epoch: u64,
}

async fn ask(sentinel: ConnectionInfo, place: SentinelPlace, within: Duration) -> RedisResult<Named> {
    let mut connection = connect_sentinel(sentinel, &place, within, AsyncConnectionConfig::new()).await?;
    let question = redis::cmd("SENTINEL").arg("MASTER").arg(&place.name).take();
    let answer = connection.req_packed_command(&question).await?.extract_error()?;
    let facts: HashMap<String, String> = redis::from_redis_value(answer)?;
    let number = |name: &str| facts.get(name).and_then(|text| text.parse::<u64>().ok());
    let port = number("port").and_then(|port| u16::try_from(port).ok());
    let named = facts.get("ip").zip(port).zip(number("config-epoch"));
    let ((host, port), epoch) = named.ok_or_else(|| odd("the Sentinel gave no address"))?;
    Ok(Named { host: host.clone(), port, epoch })
}

/// Listens to one Sentinel for ever. Each time that it is there again there may have been news meanwhile.
pub(crate) async fn listen(shared: Arc<Shared>, place: SentinelPlace, sentinel: ConnectionInfo) {
    let (first, last) = bounds::RECONNECT_MS;
    let mut pause = first;
    let mut was_there = false;
    loop {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new().set_push_sender(sender);
        let connected = connect_sentinel(sentinel.clone(), &place, shared.options.connect_timeout, config).await;
        if let Ok(mut connection) = connected
            && connection.subscribe("+switch-master").await.is_ok()
        {
            pause = first;
            if std::mem::replace(&mut was_there, true) {
                shared.look_again();
            }
            hear(&shared, &place, connection, pushes).await;
        }
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(last);
    }
}

/// Listens to a Sentinel until it is gone. A connection that died without a word is found out by asking.
async fn hear(
    shared: &Shared,
    place: &SentinelPlace,
    mut connection: MultiplexedConnection,
    mut pushes: mpsc::UnboundedReceiver<PushInfo>,
) {
    let ping = redis::cmd("PING");
    loop {
        match time::timeout(shared.options.check_interval, pushes.recv()).await {
            Ok(Some(push)) if push.kind == PushKind::Disconnection => return,
            Ok(Some(push)) if is_about(&push, &place.name) => shared.look_again(),
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(_) if soon(connection.req_packed_command(&ping)).await.is_err() => return,
            Err(_) => {}
        }
    }
}

/// Whether this is a switch of our master: name, old address, new address.
fn is_about(push: &PushInfo, name: &str) -> bool {
    let payload = match (&push.kind, push.data.last()) {
        (PushKind::Message, Some(Value::BulkString(payload))) => payload.as_slice(),
        _ => return false,
    };
    payload.split(|byte| *byte == b' ').next() == Some(name.as_bytes())
}

/// Most Sentinels have no password even where their master has one.
async fn connect_sentinel(
    sentinel: ConnectionInfo,
    place: &SentinelPlace,
    within: Duration,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let (user, password) = (place.settings.username(), place.settings.password());
    match (connect(sentinel.clone(), within, config.clone()).await, password) {
        (Err(error), Some(password)) if !error.is_io_error() => {
            let known = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_password(password);
            let known = user.map_or(known.clone(), |user| known.set_username(user));
            connect(sentinel.set_redis_settings(known), within, config).await
        }
        (answer, _) => answer,
    }
}
