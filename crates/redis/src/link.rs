//! The one way to the server: a connection that mends itself, one deadline per call, and faults that say what they mean.

use crate::{
    address::{Place, RedisAddress},
    bounds,
    key::Key,
    script::Script,
    sentinel::Supervisor,
};
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    io::tcp::TcpSettings,
};
use std::{borrow::Cow, fmt, future::Future, sync::Arc, time::Duration};
use vestibule_core::fault::Fault;

/// What a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nothing: asking again is safe.
    Read,
    /// It may have been applied.
    Write,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// The command did not leave, or the server refused it before it did anything.
    NotSent(Fault),
    /// The server or the connection says so.
    Answered(RedisError),
}

impl Failure {
    fn fault(self, call: Call) -> Fault {
        match self {
            Self::NotSent(fault) => fault,
            Self::Answered(error) => fault(&error, call),
        }
    }
}

/// A connection shared by all calls.
#[derive(Clone)]
pub(crate) struct Link {
    route: Route,
    deadline: Duration,
}

/// How calls get there.
#[derive(Clone)]
enum Route {
    /// To one server.
    Single(ConnectionManager),
    /// To whichever server the Sentinels name.
    Sentinels(Arc<Supervisor>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// A half-open connection would else swallow calls until the system's own limit, a quarter of an hour.
pub(crate) fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true).set_user_timeout(Duration::from_millis(bounds::PEER_SILENCE_MS))
}

/// Connects with the first call.
fn one_server(info: ConnectionInfo) -> RedisResult<ConnectionManager> {
    let client = Client::open(info.set_tcp_settings(tcp_settings()))?;
    let (first, last) = bounds::RECONNECT_MS;
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(first))
        .set_max_delay(Duration::from_millis(last))
        .set_number_of_retries(bounds::RECONNECT_TRIES)
        .set_connection_timeout(Some(Duration::from_millis(bounds::PEER_SILENCE_MS)))
        .set_response_timeout(None);
    ConnectionManager::new_lazy_with_config(client, config)
}

impl Link {
    /// A link that connects in the background or with its first call. Needs a tokio runtime.
    pub(crate) fn new(address: RedisAddress, deadline: Duration) -> Result<Self, Fault> {
        let route = match address.0 {
            Place::Single(info) => Route::Single(one_server(info).map_err(|error| fault(&error, Call::Read))?),
            Place::Sentinels(place) => Route::Sentinels(Arc::new(Supervisor::new(place))),
        };
        Ok(Self { route, deadline })
    }

    /// Bounds a whole call, however many trips it takes.
    pub(crate) async fn within<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::time::timeout(self.deadline, call).await.unwrap_or(Err(Fault::Timeout))
    }

    /// Asks; once more where the connection broke meanwhile.
    pub(crate) async fn read(&self, command: &Cmd) -> Result<Value, Fault> {
        match self.send(command, Call::Read).await {
            Err(Fault::Unavailable(_)) => self.send(command, Call::Read).await,
            answer => answer,
        }
    }

    /// Asks several things in one trip.
    pub(crate) async fn read_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Fault> {
        let answers = match &self.route {
            Route::Single(connection) => {
                let answers = connection.clone().req_packed_commands(commands, 0, commands.len()).await;
                answers.map_err(Failure::Answered)
            }
            Route::Sentinels(supervisor) => {
                let send = |mut connection: MultiplexedConnection| async move {
                    connection.req_packed_commands(commands, 0, commands.len()).await
                };
                supervisor.send(send).await
            }
        };
        let answers = answers.map_err(|failure| failure.fault(Call::Read))?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(|error| fault(&error, Call::Read))).collect()
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: &Cmd, call: Call) -> Result<Value, Fault> {
        self.try_send(command).await.map_err(|failure| failure.fault(call))
    }

    async fn try_send(&self, command: &Cmd) -> Result<Value, Failure> {
        match &self.route {
            Route::Single(connection) => {
                let answer = connection.clone().req_packed_command(command).await;
                answer.and_then(Value::extract_error).map_err(Failure::Answered)
            }
            Route::Sentinels(supervisor) => {
                let send = |mut connection: MultiplexedConnection| async move {
                    connection.req_packed_command(command).await?.extract_error()
                };
                supervisor.send(send).await
            }
        }
    }

    /// Runs a script: by its hash, and by its text where the server does not know it yet.
    pub(crate) async fn run(&self, script: &Script, keys: &[Key], arguments: &[Vec<u8>]) -> Result<Value, Fault> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len());
            for key in keys {
                command.arg(key);
            }
            for argument in arguments {
                command.arg(argument.as_slice());
            }
            command
        };
        match self.try_send(&command("EVALSHA", script.hash())).await {
            Err(Failure::Answered(error)) if error.code() == Some("NOSCRIPT") => {
                self.send(&command("EVAL", script.code()), Call::Write).await
            }
            answer => answer.map_err(|failure| failure.fault(Call::Write)),
        }
    }

    /// Makes the scripts known to the server.
    pub(crate) async fn preload(&self, scripts: &[&Script]) -> Result<(), Fault> {
        let mut load = Pipeline::new();
        for script in scripts {
            load.cmd("SCRIPT").arg("LOAD").arg(script.code());
        }
        self.read_all(&load).await?;
        Ok(())
    }
}

/// What an error means, and what the operator can do about it.
pub(crate) fn fault(error: &RedisError, call: Call) -> Fault {
    let misconfigured = |text: &'static str| Fault::Misconfigured(Cow::Borrowed(text));
    match error.code() {
        Some("OOM") => misconfigured("Redis is out of memory: raise maxmemory; endings go on meanwhile"),
        Some("MISCONF") => misconfigured("Redis cannot save to its disk and refuses writes: see its log, free space"),
        Some("READONLY") => misconfigured("this Redis is a read-only replica: name the master"),
        Some("NOAUTH" | "WRONGPASS") => misconfigured("Redis refuses the password"),
        Some("NOPERM") => misconfigured("the Redis user may not run a command that is needed: see docs/keyspace.md"),
        Some("WRONGTYPE") => Fault::Corrupt("a key of ours holds something else".into()),
        Some("LOADING") => Fault::Unavailable("Redis is loading its data".into()),
        Some(code @ ("BUSY" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN")) => {
            Fault::Unavailable(format!("Redis answers {code}").into())
        }
        _ => fault_without_code(error, call),
    }
}

fn fault_without_code(error: &RedisError, call: Call) -> Fault {
    match error.kind() {
        ErrorKind::AuthenticationFailed => Fault::Misconfigured("Redis refuses the password".into()),
        ErrorKind::InvalidClientConfig => Fault::Misconfigured("the address of Redis cannot be used".into()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Fault::Corrupt("Redis gave an answer of another form".into()),
        _ if error.is_connection_refusal() => Fault::Unavailable("Redis refuses the connection".into()),
        ErrorKind::Io if call == Call::Write => Fault::Timeout,
        ErrorKind::Io => Fault::Unavailable("the connection to Redis broke".into()),
        _ => Fault::Unavailable(format!("Redis answers {}", error.code().unwrap_or("an error")).into()),
    }
}

/// An answer that cannot be.
pub(crate) fn odd(what: &'static str) -> Fault {
    Fault::Corrupt(Cow::Borrowed(what))
}

/// A string, or nothing.
pub(crate) fn bytes(value: Value) -> Result<Option<Vec<u8>>, Fault> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Nil => Ok(None),
        _ => Err(odd("Redis gave no string")),
    }
}

/// A number.
pub(crate) fn integer(value: &Value) -> Result<i64, Fault> {
    match value {
        Value::Int(number) => Ok(*number),
        _ => Err(odd("Redis gave no number")),
    }
}

/// A list of strings.
pub(crate) fn strings(value: Value) -> Result<Vec<Vec<u8>>, Fault> {
    match value {
        Value::Array(items) => items.into_iter().map(|item| bytes(item)?.ok_or_else(|| odd("Redis gave a hole"))).collect(),
        Value::Nil => Ok(Vec::new()),
        _ => Err(odd("Redis gave no list")),
    }
}
