//! The one way to the server: a connection that mends itself, one deadline per call, and faults that say what they mean.

use crate::{bounds, key::Key, script::Script};
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError,
    Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
    io::tcp::TcpSettings,
};
use std::{borrow::Cow, fmt, future::Future, time::Duration};
use vestibule_core::fault::Fault;

/// Where a Redis is: `redis://user:password@host:port/database`, `unix:/path` or `redis+unix:/path`. Never shown, since it may
/// hold a password.
#[derive(Clone)]
pub struct RedisAddress(ConnectionInfo);

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisAddress(redacted)")
    }
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("expected redis://user:password@host:port/database or unix:/path")]
    Malformed,
    /// It asks for TLS.
    #[error("TLS to Redis is not available yet")]
    Tls,
}

/// A server and who is to be there, in parts.
#[derive(Clone, Default)]
pub struct RedisNode<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// User; `None` is the default one.
    pub user: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
    /// Number of the database. Default 0.
    pub database: u64,
}

impl fmt::Debug for RedisNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisNode({}:{})", self.host, self.port)
    }
}

impl RedisAddress {
    /// An address from its parts, which need no escapes.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn of(node: &RedisNode<'_>) -> Result<Self, AddressError> {
        let database = i64::try_from(node.database).map_err(|_| AddressError::Malformed)?;
        let mut settings = RedisConnectionInfo::default().set_db(database);
        if let Some(user) = node.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = node.password {
            settings = settings.set_password(password);
        }
        let info = (node.host, node.port).into_connection_info().map_err(|_| AddressError::Malformed)?;
        Ok(Self(info.set_redis_settings(settings)))
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("rediss:") || text.starts_with("valkeys:") {
            return Err(AddressError::Tls);
        }
        let info = text.into_connection_info().map_err(|_| AddressError::Malformed)?;
        match info.addr() {
            ConnectionAddr::TcpTls { .. } => Err(AddressError::Tls),
            _ => Ok(Self(info)),
        }
    }
}

/// What a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nothing: asking again is safe.
    Read,
    /// It may have been applied.
    Write,
}

/// A connection shared by all calls.
#[derive(Clone)]
pub(crate) struct Link {
    connection: ConnectionManager,
    deadline: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Link {
    /// A link that connects with its first call. Needs a tokio runtime.
    pub(crate) fn new(address: RedisAddress, deadline: Duration) -> Result<Self, Fault> {
        // A half-open connection would else swallow calls until the system's own limit, a quarter of an hour.
        let silence = Duration::from_millis(bounds::PEER_SILENCE_MS);
        let settings = TcpSettings::default().set_nodelay(true).set_user_timeout(silence);
        let client = Client::open(address.0.set_tcp_settings(settings)).map_err(|error| fault(&error, Call::Read))?;
        let (first, last) = bounds::RECONNECT_MS;
        let config = ConnectionManagerConfig::new()
            .set_min_delay(Duration::from_millis(first))
            .set_max_delay(Duration::from_millis(last))
            .set_number_of_retries(bounds::RECONNECT_TRIES)
            .set_connection_timeout(Some(silence))
            .set_response_timeout(None);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(|error| fault(&error, Call::Read))?;
        Ok(Self { connection, deadline })
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
        let mut connection = self.connection.clone();
        let answers = connection.req_packed_commands(commands, 0, commands.len()).await;
        let answers = answers.map_err(|error| fault(&error, Call::Read))?;
        answers.into_iter().map(|answer| answer.extract_error().map_err(|error| fault(&error, Call::Read))).collect()
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: &Cmd, call: Call) -> Result<Value, Fault> {
        self.try_send(command).await.map_err(|error| fault(&error, call))
    }

    async fn try_send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.connection.clone();
        connection.req_packed_command(command).await?.extract_error()
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
            Err(error) if error.code() == Some("NOSCRIPT") => self.send(&command("EVAL", script.code()), Call::Write).await,
            answer => answer.map_err(|error| fault(&error, Call::Write)),
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
fn fault(error: &RedisError, call: Call) -> Fault {
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
