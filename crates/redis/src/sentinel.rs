//! [`Supervisor`]: always a connection to the server that is in charge now, wherever the Sentinels have moved it.
//!
//! One task finds the master and looks after the connection; one for each Sentinel listens for `+switch-master`. A call that
//! meets a server which is no longer in charge says so, and the next call waits for the outcome of the search.

use crate::{
    address::SentinelPlace,
    bounds,
    link::{Call, Failure, fault, tcp_settings},
};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{collections::HashMap, future::Future, io, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time,
};
use vestibule_core::{fault::Fault, id::random};

/// The connection to whoever is in charge. Its tasks end with it.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    place: SentinelPlace,
    seen: watch::Sender<Seen>,
    /// Something happened: look again.
    look: Notify,
}

/// What is known of the master.
#[derive(Clone)]
enum Seen {
    /// It is looked for; whoever asks waits.
    Looking,
    /// Found.
    Master(Master),
    /// Not found, and looked for again soon; whoever asks hears so at once.
    Nobody(Fault),
}

/// A connection, and the number of the search that found it.
#[derive(Clone)]
struct Master {
    connection: MultiplexedConnection,
    term: u64,
}

impl Supervisor {
    /// Begins to look. Needs a tokio runtime.
    pub(crate) fn new(place: SentinelPlace) -> Self {
        let shared = Arc::new(Shared { place, seen: watch::Sender::new(Seen::Looking), look: Notify::new() });
        let mut tasks = JoinSet::new();
        for sentinel in shared.place.sentinels.clone() {
            tasks.spawn(listen(shared.clone(), sentinel));
        }
        tasks.spawn(supervise(shared.clone()));
        Self { shared, _tasks: tasks }
    }

    /// Sends to the master. Once more where the server that was taken for it says that it is not: such a server applied nothing.
    pub(crate) async fn send<T, F>(&self, send: impl Fn(MultiplexedConnection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match self.send_once(&send).await {
            Err(Failure::Answered(error)) if was_refused(&error) => match self.send_once(&send).await {
                Err(Failure::Answered(error)) if was_refused(&error) => Err(moving()),
                answer => answer,
            },
            answer => answer,
        }
    }

    async fn send_once<T, F>(&self, send: &impl Fn(MultiplexedConnection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let master = self.master().await.map_err(Failure::NotSent)?;
        let answer = send(master.connection).await;
        if answer.as_ref().is_err_and(|error| was_refused(error) || error.is_io_error()) {
            self.suspect(master.term);
        }
        answer.map_err(Failure::Answered)
    }

    async fn master(&self) -> Result<Master, Fault> {
        let mut seen = self.shared.seen.subscribe();
        let found = seen.wait_for(|seen| !matches!(seen, Seen::Looking)).await;
        match found.as_deref() {
            Ok(Seen::Master(master)) => Ok(master.clone()),
            Ok(Seen::Nobody(fault)) => Err(fault.clone()),
            _ => Err(Fault::Unavailable("the search for the Redis master has ended".into())),
        }
    }

    /// What the search of this term found is not the master, or not there.
    fn suspect(&self, term: u64) {
        let news = self.shared.seen.send_if_modified(|seen| {
            let is_it = matches!(seen, Seen::Master(master) if master.term == term);
            if is_it {
                *seen = Seen::Looking;
            }
            is_it
        });
        if news {
            self.shared.look.notify_one();
        }
    }
}

/// Said by a server that is not, or not yet, the one to ask. None of these has applied anything.
fn was_refused(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN"))
}

fn moving() -> Failure {
    Failure::NotSent(Fault::Unavailable("the Sentinels are putting another Redis in charge".into()))
}

/// Finds the master, and again whenever there is a reason to.
async fn supervise(shared: Arc<Shared>) {
    let (first, last) = bounds::RECONNECT_MS;
    let mut pause = first;
    for term in 0.. {
        let lasted = match shared.search().await {
            Ok(connection) => {
                shared.seen.send_replace(Seen::Master(Master { connection: connection.clone(), term }));
                shared.guard(connection).await
            }
            Err(fault) => {
                shared.seen.send_replace(Seen::Nobody(fault));
                false
            }
        };
        if lasted {
            pause = first;
            continue;
        }
        // A master that is none on the first look would else be asked in a tight circle by every process.
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(last);
    }
}

fn jittered(pause_ms: u64) -> Duration {
    Duration::from_millis(1 + u64::from_le_bytes(random()) % pause_ms)
}

impl Shared {
    /// Returns when there is a reason to look again: whether the connection was good for at least one check.
    async fn guard(&self, mut connection: MultiplexedConnection) -> bool {
        let mut lasted = false;
        loop {
            if time::timeout(Duration::from_millis(bounds::CHECK_MS), self.look.notified()).await.is_ok() {
                return lasted;
            }
            if soon(check(&mut connection)).await.is_err() {
                self.seen.send_replace(Seen::Looking);
                return lasted;
            }
            lasted = true;
        }
    }

    /// Listens to a Sentinel until it is gone. A connection that died without a word is found out by asking.
    async fn hear(&self, mut connection: MultiplexedConnection, mut pushes: mpsc::UnboundedReceiver<PushInfo>) {
        let ping = redis::cmd("PING");
        loop {
            match time::timeout(Duration::from_millis(bounds::CHECK_MS), pushes.recv()).await {
                Ok(Some(push)) if push.kind == PushKind::Disconnection => return,
                Ok(Some(push)) if is_about(&push, &self.place.name) => self.look.notify_one(),
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) if soon(connection.req_packed_command(&ping)).await.is_err() => return,
                Err(_) => {}
            }
        }
    }

    /// Asks the Sentinels, then the server that they name.
    async fn search(&self) -> Result<MultiplexedConnection, Fault> {
        let (host, port) = self.named().await?;
        let info = (host.as_str(), port).into_connection_info().map_err(|error| fault(&error, Call::Read))?;
        let mut connection = connect(info, self.place.settings.clone(), AsyncConnectionConfig::new()).await.map_err(seen_by)?;
        soon(check(&mut connection)).await.map_err(seen_by)?;
        Ok(connection)
    }

    /// Who is in charge by the word of the Sentinel that knows of the latest failover, among the first ones that make a majority.
    /// A Sentinel that was cut off together with an old master is so outvoted by any other.
    async fn named(&self) -> Result<(String, u16), Fault> {
        let mut asked = JoinSet::new();
        for sentinel in self.place.sentinels.clone() {
            asked.spawn(soon(ask(sentinel, self.place.clone())));
        }
        let majority = self.place.sentinels.len() / 2 + 1;
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
        let latest = named.into_iter().max_by_key(|named| named.epoch);
        latest.map(|named| (named.host, named.port)).ok_or_else(|| refused.map_or_else(no_sentinel, |error| refusal(&error)))
    }
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

/// What the server that was named said. What is wrong at a server that waits for its promotion passes.
fn seen_by(error: RedisError) -> Fault {
    match fault(&error, Call::Read) {
        fault @ Fault::Misconfigured(_) => fault,
        _ => Fault::Unavailable("the Redis that the Sentinels name as the master does not answer as one".into()),
    }
}

/// A Sentinel's word.
struct Named {
    host: String,
    port: u16,
    /// Counts failovers.
    epoch: u64,
}

async fn ask(sentinel: ConnectionInfo, place: SentinelPlace) -> RedisResult<Named> {
    let mut connection = connect_sentinel(sentinel, &place, AsyncConnectionConfig::new()).await?;
    let question = redis::cmd("SENTINEL").arg("MASTER").arg(&place.name).take();
    let answer = connection.req_packed_command(&question).await?.extract_error()?;
    let facts: HashMap<String, String> = redis::from_redis_value(answer)?;
    let number = |name: &str| facts.get(name).and_then(|text| text.parse::<u64>().ok());
    let port = number("port").and_then(|port| u16::try_from(port).ok());
    let named = facts.get("ip").zip(port).zip(number("config-epoch"));
    let ((host, port), epoch) = named.ok_or_else(|| odd("the Sentinel gave no address"))?;
    Ok(Named { host: host.clone(), port, epoch })
}

/// A peer that says nothing is gone.
async fn soon<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let answer = time::timeout(Duration::from_millis(bounds::PEER_SILENCE_MS), answer).await;
    answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

fn odd(what: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::UnexpectedReturnType, what))
}

/// Listens to one Sentinel for ever. Each time that it is there again there may have been news meanwhile.
async fn listen(shared: Arc<Shared>, sentinel: ConnectionInfo) {
    let (first, last) = bounds::RECONNECT_MS;
    let mut pause = first;
    let mut was_there = false;
    loop {
        let (sender, pushes) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new().set_push_sender(sender);
        if let Ok(mut connection) = connect_sentinel(sentinel.clone(), &shared.place, config).await
            && connection.subscribe("+switch-master").await.is_ok()
        {
            pause = first;
            if std::mem::replace(&mut was_there, true) {
                shared.look.notify_one();
            }
            shared.hear(connection, pushes).await;
        }
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(last);
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

async fn connect(
    info: ConnectionInfo,
    settings: RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let client = Client::open(info.set_tcp_settings(tcp_settings()).set_redis_settings(settings))?;
    let silence = Some(Duration::from_millis(bounds::PEER_SILENCE_MS));
    // Calls have their own deadline.
    let config = config.set_connection_timeout(silence).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Most Sentinels have no password even where their master has one.
async fn connect_sentinel(
    sentinel: ConnectionInfo,
    place: &SentinelPlace,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let plain = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    let (user, password) = (place.settings.username(), place.settings.password());
    match (connect(sentinel.clone(), plain.clone(), config.clone()).await, password) {
        (Err(error), Some(password)) if !error.is_io_error() => {
            let known = plain.set_password(password);
            let known = user.map_or(known.clone(), |user| known.set_username(user));
            connect(sentinel, known, config).await
        }
        (answer, _) => answer,
    }
}

/// Whether the server answers, has its data, and is in charge.
async fn check(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let send = |name: &str| Cmd::new().arg(name).take();
    connection.req_packed_command(&send("PING")).await?.extract_error()?;
    let role = connection.req_packed_command(&send("ROLE")).await?.extract_error()?;
    let is_master = matches!(&role, Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())));
    is_master.then_some(()).ok_or_else(|| odd("a replica"))
}
