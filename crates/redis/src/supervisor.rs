//! [`Supervisor`]: always a connection to the server, or servers, in charge now.
//!
//! One task finds them and looks after the connection; behind Sentinels one more for each of them listens for `+switch-master`. A call
//! that meets a server which is no longer in charge says so, and the next call waits for the outcome of the search.

use crate::{
    address::{Place, RedisAddress, SentinelPlace, secured},
    bounds, cluster,
    connection::{Connection, Master, connect},
    fault::{Call, Failure, fault},
    link::bytes,
    sentinel,
    start::{Starts, start_in},
};
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult,
    TlsCertificates, Value, aio::MultiplexedConnection,
};
use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time,
};
use vestibule_core::{fault::Fault, id::random};

/// How a supervisor works.
#[derive(Debug, Clone)]
pub(crate) struct SupervisorOptions {
    /// Deadline of a new connection.
    pub(crate) connect_timeout: Duration,
    /// Time between two questions to a server that is not asked anything else.
    pub(crate) check_interval: Duration,
    /// Whether it matters which start of a server answers.
    pub(crate) know_starts: bool,
}

/// The connection to whoever is in charge. Its tasks end with it.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What the tasks of a supervisor share.
pub(crate) struct Shared {
    place: Place,
    pub(crate) tls: Option<TlsCertificates>,
    pub(crate) options: SupervisorOptions,
    pub(crate) starts: Starts,
    seen: watch::Sender<Seen>,
    /// Connections that were found so far.
    found: AtomicU64,
    /// Whether a call was answered since the last check.
    heard: AtomicBool,
    /// Something happened: look again.
    look: Notify,
}

/// What is known of whoever is in charge.
#[derive(Clone)]
enum Seen {
    /// It is looked for; whoever asks waits.
    Looking,
    /// Found.
    Found(Found),
    /// Not found, and looked for again soon; whoever asks hears so at once.
    Nobody(Fault),
}

/// A connection, its masters, and the number of the search that found it.
#[derive(Clone)]
struct Found {
    connection: Connection,
    masters: Arc<[Master]>,
    term: u64,
}

impl Supervisor {
    /// Begins to look. Needs a tokio runtime.
    pub(crate) fn new(address: RedisAddress, options: SupervisorOptions) -> Self {
        let shared = Arc::new(Shared {
            place: address.place,
            tls: address.tls,
            options,
            starts: Starts::default(),
            seen: watch::Sender::new(Seen::Looking),
            found: AtomicU64::new(0),
            heard: AtomicBool::new(false),
            look: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        if let Place::Sentinels(place) = &shared.place {
            for sentinel in place.sentinels.clone() {
                tasks.spawn(sentinel::listen(shared.clone(), place.clone(), sentinel));
            }
        }
        tasks.spawn(supervise(shared.clone()));
        Self { shared, _tasks: tasks }
    }

    /// How many connections were found so far: the number of the present one.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.found.load(Ordering::Relaxed)
    }

    /// Which start of which server answers.
    pub(crate) fn starts(&self) -> &Starts {
        &self.shared.starts
    }

    /// The masters that were there at the last look; one without a name outside a Cluster.
    pub(crate) async fn masters(&self) -> Result<Arc<[Master]>, Fault> {
        Ok(self.found().await?.masters)
    }

    /// Sends to whoever is in charge. Once more where the server that was taken for it says that it is not: such a server applied
    /// nothing.
    pub(crate) async fn send<T, F>(&self, send: impl Fn(Connection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match self.send_once(&send).await {
            Err(Failure::Answered(error)) if was_refused(&error) => match self.send_once(&send).await {
                Err(Failure::Answered(error)) if was_refused(&error) && self.is_behind_sentinels() => Err(moving()),
                answer => answer,
            },
            answer => answer,
        }
    }

    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        self.shared.place.database()
    }

    /// A connection of its own to whoever is in charge; in a Cluster to any of the masters.
    pub(crate) async fn listener(&self, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, Fault> {
        let shared = &*self.shared;
        let info = match &shared.place {
            Place::Single(info) => info.clone(),
            Place::Sentinels(place) => sentinel::master(shared, place).await?,
            Place::Cluster(nodes) => {
                let masters = self.found().await?.masters;
                cluster::any_of(shared, nodes, &masters).map_err(|error| fault(&error, Call::Read))?
            }
        };
        connect(info, shared.options.connect_timeout, config).await.map_err(|error| shared.seen_by(&error))
    }

    async fn send_once<T, F>(&self, send: &impl Fn(Connection) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let found = self.found().await.map_err(Failure::NotSent)?;
        // A Cluster's connection mends itself, node by node.
        let mends_itself = matches!(found.connection, Connection::Cluster(_));
        let answer = send(found.connection).await;
        if !mends_itself && answer.as_ref().is_err_and(|error| was_refused(error) || is_broken(error)) {
            self.suspect(found.term);
        }
        // A load first: calls on all cores would else pass the cache line to and fro.
        if answer.is_ok() && !self.shared.heard.load(Ordering::Relaxed) {
            self.shared.heard.store(true, Ordering::Relaxed);
        }
        match answer {
            // The slots move, or a master is being replaced: nothing is wrong with how the Cluster was named.
            Err(error) if mends_itself && matches!(error.code(), Some("MOVED" | "ASK")) => {
                Err(Failure::NotSent(Fault::Unavailable("the servers of the Cluster do not agree who has a slot".into())))
            }
            answer => answer.map_err(Failure::Answered),
        }
    }

    async fn found(&self) -> Result<Found, Fault> {
        // The usual case, without becoming a subscriber first.
        if let Seen::Found(found) = &*self.shared.seen.borrow() {
            return Ok(found.clone());
        }
        let mut seen = self.shared.seen.subscribe();
        let found = seen.wait_for(|seen| !matches!(seen, Seen::Looking)).await;
        match found.as_deref() {
            Ok(Seen::Found(found)) => Ok(found.clone()),
            Ok(Seen::Nobody(fault)) => Err(fault.clone()),
            _ => Err(Fault::Unavailable("the search for Redis has ended".into())),
        }
    }

    /// What the search of this term found is not in charge, or not there.
    fn suspect(&self, term: u64) {
        let news = self.shared.seen.send_if_modified(|seen| {
            let is_it = matches!(seen, Seen::Found(found) if found.term == term);
            if is_it {
                *seen = Seen::Looking;
            }
            is_it
        });
        if news {
            self.shared.look_again();
        }
    }

    fn is_behind_sentinels(&self) -> bool {
        matches!(self.shared.place, Place::Sentinels(_))
    }
}

/// Said by a server that is not, or not yet, the one to ask. None of these has applied anything.
fn was_refused(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN"))
}

/// Whether the connection is of no more use.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
}

fn moving() -> Failure {
    Failure::NotSent(Fault::Unavailable("the Sentinels are putting another Redis in charge".into()))
}

/// Finds who is in charge, and again whenever there is a reason to.
async fn supervise(shared: Arc<Shared>) {
    let (first, last) = bounds::RECONNECT_MS;
    let mut pause = first;
    // Whether it is away, once it was there. Before, whoever opens the store tells.
    let mut is_lost = None;
    for term in 0.. {
        let lasted = match shared.search().await {
            Ok((connection, masters)) => {
                if is_lost.replace(false) == Some(true) {
                    tracing::info!("Redis is there again");
                }
                shared.found.fetch_add(1, Ordering::Relaxed);
                shared.seen.send_replace(Seen::Found(Found { connection: connection.clone(), masters, term }));
                shared.guard(connection, term).await
            }
            Err(fault) => {
                // Once for each outage.
                if is_lost == Some(false) {
                    tracing::warn!(%fault, "Redis is away");
                    is_lost = Some(true);
                }
                shared.seen.send_replace(Seen::Nobody(fault));
                false
            }
        };
        if lasted {
            pause = first;
            continue;
        }
        // A server that is of no use on the first look would else be asked in a tight circle by every process.
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(last);
    }
}

/// Full jitter: any time up to the pause, so that many processes that lost a server together do not come back together.
pub(crate) fn jittered(pause_ms: u64) -> Duration {
    Duration::from_millis(1 + u64::from_le_bytes(random()) % pause_ms)
}

impl Shared {
    /// There is a reason to look again.
    pub(crate) fn look_again(&self) {
        self.look.notify_one();
    }

    /// Returns when there is a reason to look again: whether the connection was good for at least one check.
    async fn guard(&self, mut connection: Connection, term: u64) -> bool {
        let mut lasted = false;
        loop {
            let called = time::timeout(self.options.check_interval, self.look.notified()).await.is_ok();
            // What Sentinels or callers say is checked by a search; a Cluster tells of lost nodes and is looked at again.
            if called && !matches!(connection, Connection::Cluster(_)) {
                return lasted;
            }
            // A single server that answers calls need not be asked whether it does.
            let is_heard = self.heard.swap(false, Ordering::Relaxed);
            if is_heard && matches!(self.place, Place::Single(_)) {
                lasted = true;
                continue;
            }
            match self.check(&mut connection).await {
                Ok(masters) => self.note_masters(term, masters),
                Err(_) => {
                    self.seen.send_replace(Seen::Looking);
                    return lasted;
                }
            }
            lasted = true;
        }
    }

    fn note_masters(&self, term: u64, masters: Arc<[Master]>) {
        self.seen.send_if_modified(|seen| match seen {
            Seen::Found(found) if found.term == term && found.masters != masters => {
                found.masters = masters;
                true
            }
            _ => false,
        });
    }

    /// Connects to whoever is in charge.
    async fn search(self: &Arc<Self>) -> Result<(Connection, Arc<[Master]>), Fault> {
        let connected = match &self.place {
            Place::Single(info) => self.connect(info.clone()).await.map_err(|error| self.seen_by(&error)),
            Place::Sentinels(place) => self.connect_master(place).await,
            Place::Cluster(nodes) => cluster::connect(self, nodes).await.map_err(|error| self.seen_by(&error)),
        };
        let mut connection = connected?;
        let read_start = self.read_start(&mut connection).await;
        let checked = match read_start {
            Ok(()) => self.check(&mut connection).await,
            Err(error) => Err(error),
        };
        let masters = checked.map_err(|error| self.seen_by(&error))?;
        Ok((connection, masters))
    }

    /// A server that others told of.
    pub(crate) fn at(&self, host: &str, port: u16, settings: &RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
        let info = (host, port).into_connection_info()?.set_redis_settings(settings.clone());
        match &self.tls {
            Some(certificates) => secured(info, certificates),
            None => Ok(info),
        }
    }

    async fn connect(&self, info: ConnectionInfo) -> RedisResult<Connection> {
        // Calls are bounded before they come here; a shorter queue would make them wait twice.
        let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(bounds::IN_FLIGHT);
        connect(info, self.options.connect_timeout, config).await.map(Connection::Server)
    }

    async fn connect_master(&self, place: &SentinelPlace) -> Result<Connection, Fault> {
        let info = sentinel::master(self, place).await?;
        self.connect(info).await.map_err(|error| self.seen_by(&error))
    }

    /// What the server that was found said. What is wrong at one that waits for its promotion passes.
    fn seen_by(&self, error: &RedisError) -> Fault {
        match (fault(error, Call::Read), &self.place) {
            (fault @ Fault::Misconfigured(_), _) => fault,
            (_, Place::Sentinels(_)) => {
                Fault::Unavailable("the Redis that the Sentinels name as the master does not answer as one".into())
            }
            // Nothing of ours was read yet.
            (Fault::Corrupt(_), _) => Fault::Misconfigured("what answers at this address is no Redis".into()),
            (fault, _) => fault,
        }
    }

    /// A single server starts anew only behind a broken connection, so once for each connection is enough.
    async fn read_start(&self, connection: &mut Connection) -> RedisResult<()> {
        if self.options.know_starts && matches!(connection, Connection::Server(_)) {
            let info = soon(connection.send(redis::cmd("INFO").arg("server"))).await?;
            let start = bytes(info).ok().flatten().and_then(|info| start_in(&info));
            self.starts.set_all(start.ok_or_else(|| odd("Redis has no run id"))?);
        }
        Ok(())
    }

    /// Whether the servers answer, have their data, and are in charge; and who they are.
    async fn check(&self, connection: &mut Connection) -> RedisResult<Arc<[Master]>> {
        match &self.place {
            Place::Single(_) => match soon(connection.send(&Cmd::new().arg("PING").take())).await {
                // A server that cannot save to its disk refuses even this, and goes on answering reads.
                Err(error) if error.code() != Some("MISCONF") => Err(error),
                _ => Ok(only_one()),
            },
            Place::Sentinels(_) => soon(is_master(connection)).await.map(|()| only_one()),
            Place::Cluster(_) => soon(cluster::look(self, connection)).await,
        }
    }
}

fn only_one() -> Arc<[Master]> {
    Arc::from([Master::default()])
}

async fn is_master(connection: &mut Connection) -> RedisResult<()> {
    let role = connection.send(&Cmd::new().arg("ROLE").take()).await?;
    let is_master = matches!(&role, Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())));
    is_master.then_some(()).ok_or_else(|| odd("a replica"))
}

/// A peer that says nothing is gone.
pub(crate) async fn soon<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let answer = time::timeout(Duration::from_millis(bounds::PEER_SILENCE_MS), answer).await;
    answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

pub(crate) fn odd(what: &'static str) -> RedisError {
    RedisError::from((redis::ErrorKind::UnexpectedReturnType, what))
}
