//! The one way to Redis: a connection that mends itself, one deadline per call, and faults that say what they mean.

use crate::{
    address::RedisAddress,
    breaker::Breaker,
    connection::{Connection, Master},
    fault::{Call, Failure, odd},
    key::Key,
    script::Script,
    store::RedisOptions,
    supervisor::{Supervisor, SupervisorOptions},
};
use redis::{AsyncConnectionConfig, Cmd, Value, aio::MultiplexedConnection};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use vestibule_core::{fault::Fault, id::Home};

/// A connection shared by all calls.
#[derive(Clone)]
pub(crate) struct Link {
    supervisor: Arc<Supervisor>,
    /// One for each home in a Cluster, where one server's silence says nothing of the others; else one for all.
    breakers: Arc<[Breaker]>,
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Link {
    /// A link that connects in the background. With `know_starts` it learns which start of which server answers. Needs a tokio
    /// runtime.
    pub(crate) fn new(address: RedisAddress, options: &RedisOptions, know_starts: bool) -> Self {
        let breakers = if address.is_cluster() { Home::COUNT } else { 1 };
        let supervision =
            SupervisorOptions { connect_timeout: options.connect_timeout, check_interval: options.check_interval, know_starts };
        Self {
            supervisor: Arc::new(Supervisor::new(address, supervision)),
            breakers: (0..breakers).map(|_| Breaker::default()).collect(),
            permits: Arc::new(Semaphore::new(options.max_in_flight.clamp(1, Semaphore::MAX_PERMITS))),
            deadline: options.deadline,
        }
    }

    /// The same connection, with another deadline of each call.
    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Bounds a whole call about a home, however many trips it takes. A server that keeps running into the bound is hardly asked.
    pub(crate) async fn at<T>(&self, home: Home, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let breaker = &self.breakers[usize::from(home.0) % self.breakers.len()];
        let connection = self.supervisor.connections();
        breaker.pass(connection)?;
        match self.bounded(call).await {
            Some(answer) => {
                breaker.heard();
                answer
            }
            None => {
                breaker.timed_out(connection);
                Err(Fault::Timeout)
            }
        }
    }

    /// Bounds a whole call about several homes.
    pub(crate) async fn within<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.bounded(call).await.unwrap_or(Err(Fault::Timeout))
    }

    /// The deadline, and how many calls are under way; `None` where the deadline passes.
    async fn bounded<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Option<Result<T, Fault>> {
        let call = async {
            let _permit = self.permits.acquire().await.map_err(|_| Fault::Unavailable("the store is closed".into()))?;
            call.await
        };
        tokio::time::timeout(self.deadline, call).await.ok()
    }

    /// Whether several servers have the homes.
    pub(crate) fn is_cluster(&self) -> bool {
        self.breakers.len() > 1
    }

    /// Waits until somebody is in charge, or it is known why nobody is.
    pub(crate) async fn found(&self) -> Result<(), Fault> {
        self.supervisor.masters().await.map(|_| ())
    }

    /// Which start of the server of this home answers; unavailable while that is not known.
    pub(crate) fn start(&self, home: Home) -> Result<[u8; 4], Fault> {
        self.supervisor.starts().of(home)
    }

    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        self.supervisor.database()
    }

    /// A connection of its own to whoever is in charge.
    pub(crate) async fn listener(&self, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, Fault> {
        self.supervisor.listener(config).await
    }

    /// Asks; once more where the connection broke meanwhile.
    pub(crate) async fn read(&self, command: &Cmd) -> Result<Value, Fault> {
        match self.send(command, Call::Read).await {
            Err(Fault::Unavailable(_)) => self.send(command, Call::Read).await,
            answer => answer,
        }
    }

    /// Asks several things in one trip.
    pub(crate) async fn read_all(&self, commands: &[Cmd]) -> Result<Vec<Value>, Fault> {
        let send = |mut connection: Connection| async move { connection.send_all(commands).await };
        self.supervisor.send(send).await.map_err(|failure| failure.fault(Call::Read))
    }

    /// Does several things, one after the other, on one connection. None may change what a repeat could change twice.
    pub(crate) async fn ask<F>(&self, ask: impl Fn(Connection) -> F) -> Result<Value, Fault>
    where
        F: Future<Output = redis::RedisResult<Value>>,
    {
        self.supervisor.send(ask).await.map_err(|failure| failure.fault(Call::Read))
    }

    /// The servers in charge, in an order of their own; one without a name outside a Cluster.
    pub(crate) async fn masters(&self) -> Result<Arc<[Master]>, Fault> {
        self.supervisor.masters().await
    }

    /// Asks one of the [`Self::masters`] something about itself.
    pub(crate) async fn read_at(&self, master: &Master, command: &Cmd) -> Result<Value, Fault> {
        let send = |mut connection: Connection| async move { connection.send_to(master, command).await };
        self.supervisor.send(send).await.map_err(|failure| failure.fault(Call::Read))
    }

    /// Asks every server in charge something about itself: its name, empty where there is one only, and its answer.
    pub(crate) async fn read_masters(&self, command: &Cmd) -> Result<Vec<(String, Value)>, Fault> {
        let send = |mut connection: Connection| async move { connection.send_to_masters(command).await };
        self.supervisor.send(send).await.map_err(|failure| failure.fault(Call::Read))
    }

    /// Sends one command.
    pub(crate) async fn send(&self, command: &Cmd, call: Call) -> Result<Value, Fault> {
        self.try_send(command).await.map_err(|failure| failure.fault(call))
    }

    async fn try_send(&self, command: &Cmd) -> Result<Value, Failure> {
        self.supervisor.send(|mut connection: Connection| async move { connection.send(command).await }).await
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

    /// Makes the scripts known to the servers.
    pub(crate) async fn preload(&self, scripts: &[&Script]) -> Result<(), Fault> {
        let load = |script: &&Script| redis::cmd("SCRIPT").arg("LOAD").arg(script.code()).take();
        self.read_all(&scripts.iter().map(load).collect::<Vec<_>>()).await?;
        Ok(())
    }
}

/// A string, or nothing.
pub(crate) fn bytes(value: Value) -> Result<Option<Vec<u8>>, Fault> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(Some(text.into_bytes())),
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
