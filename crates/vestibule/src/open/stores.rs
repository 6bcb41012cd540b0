//! Which stores a deployment has, by its options.

use super::{OpenError, Options};
use std::sync::Arc;
#[cfg(all(feature = "redis", feature = "postgres"))]
use std::time::Duration;
use vestibule_core::{
    alias::AliasStore,
    bus::Bus,
    deployment::DeploymentStore,
    device::DeviceStore,
    durable::Durable,
    event::{DeliveryStore, EventStore, chain::EventChain},
    inspect::{Inspect, Watch, Watches},
    key::KeyStore,
    limit::LimitStore,
    session::SessionStore,
    time::Follower,
    token::{TokenStore, signing::SigningKeyStore},
};
use vestibule_memory::{MemoryLimits, MemoryOptions, MemoryStore};

/// How long the state may take of a call's deadline where a record can answer in its place.
#[cfg(all(feature = "redis", feature = "postgres"))]
const STATE_DEADLINE: Duration = Duration::from_millis(100);

/// Every port of a deployment, over whichever stores.
pub(super) struct Stores {
    pub(super) sessions: Arc<dyn SessionStore>,
    pub(super) aliases: Arc<dyn AliasStore>,
    pub(super) tokens: Arc<dyn TokenStore>,
    pub(super) devices: Arc<dyn DeviceStore>,
    pub(super) signing_keys: Arc<dyn SigningKeyStore>,
    pub(super) events: Arc<dyn EventStore>,
    pub(super) chain: Arc<dyn EventChain>,
    pub(super) deliveries: Arc<dyn DeliveryStore>,
    pub(super) keys: Arc<dyn KeyStore>,
    /// What is counted: in the state, never in the record.
    pub(super) limits: Arc<dyn LimitStore>,
    pub(super) deployment: Arc<dyn DeploymentStore>,
    pub(super) durable: Option<Durable>,
    pub(super) bus: Arc<dyn Bus>,
    /// Where the state is on a server.
    pub(super) store_server: Option<Arc<dyn Inspect>>,
    /// Where the record is on a server.
    pub(super) record_server: Option<Arc<dyn Inspect>>,
}

impl Stores {
    /// One store that keeps everything by itself, without a record.
    fn of_one<S>(store: Arc<S>, limits: Arc<dyn LimitStore>, bus: Arc<dyn Bus>) -> Self
    where
        S: SessionStore + AliasStore + TokenStore + DeviceStore + SigningKeyStore,
        S: EventStore + EventChain + DeliveryStore + KeyStore + DeploymentStore + 'static,
    {
        Self {
            sessions: store.clone(),
            aliases: store.clone(),
            tokens: store.clone(),
            devices: store.clone(),
            signing_keys: store.clone(),
            events: store.clone(),
            chain: store.clone(),
            deliveries: store.clone(),
            keys: store.clone(),
            limits,
            deployment: store,
            durable: None,
            bus,
            store_server: None,
            record_server: None,
        }
    }

    /// Watches the servers. The one that decides keeps the time: its clock is followed before anything is decided by ours.
    pub(super) async fn watch(&self, clock_follows: Option<Follower>) -> Watches {
        let mut follower = clock_follows;
        let keeps_time = self.record_server.as_ref().or(self.store_server.as_ref());
        if let (Some(server), Some(follower)) = (keeps_time, &mut follower)
            && let Ok(inspection) = server.inspect().await
        {
            follower.observe(inspection.clock);
        }
        let mut watch = |server: &Arc<dyn Inspect>| Watch::start(server.clone(), follower.take());
        // The record first: it takes the follower.
        let record = self.record_server.as_ref().map(&mut watch);
        Watches { record, store: self.store_server.as_ref().map(&mut watch) }
    }
}

/// The stores that the options name.
pub(super) async fn join(options: &Options) -> Result<Stores, OpenError> {
    #[cfg(feature = "redis")]
    if let Some(address) = &options.redis {
        return match (&options.database_url, &options.data_dir) {
            (None, None) => on_redis(options, address.clone()).await,
            (Some(url), _) => on_both(options, address.clone(), url).await,
            (None, Some(_)) => Err(OpenError::RedisAndFile),
        };
    }
    match (&options.database_url, &options.data_dir) {
        (Some(url), _) => on_postgres(options, url).await,
        (None, Some(folder)) => on_sqlite(options, folder),
        (None, None) => Ok(in_memory(options)),
    }
}

#[cfg(feature = "redis")]
async fn on_redis(options: &Options, address: vestibule_redis::RedisAddress) -> Result<Stores, OpenError> {
    use vestibule_redis::{RedisOptions, RedisStore};
    let (deadline, clock) = (options.deadline, options.clock.clone());
    let sealer = Some(vestibule_core::event::Sealer::new(&options.ring));
    let store = RedisOptions { deadline, clock, sealer, ..options.redis_options.clone() };
    let store = Arc::new(RedisStore::new(address, store));
    check(&*store, options.strict).await?;
    store.warm_up().await.map_err(OpenError::Store)?;
    let bus = store.bus();
    bus.join().await;
    let limits = limits_on_redis(options, || store.limits()).await;
    Ok(Stores { store_server: Some(store.clone()), ..Stores::of_one(store, limits, bus) })
}

/// Counts on a Redis of their own, else on that of the state.
#[cfg(feature = "redis")]
async fn limits_on_redis(options: &Options, of_state: impl FnOnce() -> vestibule_redis::RedisLimits) -> Arc<dyn LimitStore> {
    let limits = match &options.limits_redis {
        Some(address) => {
            let own = vestibule_redis::RedisOptions { deadline: options.deadline, ..options.redis_options.clone() };
            vestibule_redis::RedisLimits::new(address.clone(), &own)
        }
        // No record answers in their place: they have the whole time, however little the state of sessions has.
        None => of_state().with_deadline(options.deadline),
    };
    // Who is not there yet answers later: each rule has its policy until then.
    let _ = limits.warm_up().await;
    Arc::new(limits)
}

/// Refuses a Redis that is too old, that refuses us, and where it is to be strict one that endangers sessions.
#[cfg(feature = "redis")]
async fn check(server: &dyn Inspect, strict: bool) -> Result<(), OpenError> {
    let mut findings = server.inspect().await.map_err(OpenError::Store)?.findings;
    findings.retain(|finding| strict && finding.kind.is_setting());
    if findings.is_empty() { Ok(()) } else { Err(OpenError::Endangered(findings)) }
}

fn in_memory(options: &Options) -> Stores {
    let store = MemoryOptions { memory_limit: options.memory_limit, ..MemoryOptions::default() };
    let store = Arc::new(MemoryStore::new(store));
    let bus = store.bus();
    Stores::of_one(store, Arc::new(MemoryLimits::default()), bus)
}

#[cfg(all(feature = "redis", feature = "postgres"))]
async fn on_both(options: &Options, address: vestibule_redis::RedisAddress, url: &str) -> Result<Stores, OpenError> {
    use vestibule_core::fault::Fault;
    use vestibule_redis::{RedisOptions, RedisState};
    let record = vestibule_sql::PostgresRecord::open(url, shared(options)).await;
    let record = Arc::new(record.map_err(OpenError::Database)?);
    // The record answers in the state's place, so the state may not use up the time for it.
    let (deadline, clock) = (options.deadline.min(STATE_DEADLINE), options.clock.clone());
    let state = RedisOptions { deadline, clock, ..options.redis_options.clone() };
    let state = Arc::new(RedisState::new(address, state));
    match check(&*state, options.strict).await {
        // The record answers in its place until it comes.
        Err(OpenError::Store(Fault::Unavailable(_) | Fault::Timeout)) if !options.strict => {}
        checked => checked?,
    }
    let bus = state.bus();
    bus.join().await;
    let durable = Durable::on(bus, record.clone(), state.clone(), options.deadline);
    durable.follow();
    let limits = limits_on_redis(options, || state.limits()).await;
    Ok(Stores { limits, store_server: Some(state), record_server: Some(record.clone()), ..joined(record, durable) })
}

/// How a database is kept that other processes may use too. A read is bounded as a call is: events and keys are read without
/// [`Durable`], which bounds the rest.
#[cfg(feature = "postgres")]
fn shared(options: &Options) -> vestibule_sql::PostgresOptions {
    let shared = vestibule_sql::PostgresOptions::default();
    let sealer = Some(vestibule_core::event::Sealer::new(&options.ring));
    vestibule_sql::PostgresOptions { read_timeout: options.deadline, sealer, ..shared }
}

#[cfg(all(feature = "redis", not(feature = "postgres")))]
async fn on_both(_: &Options, _: vestibule_redis::RedisAddress, _: &str) -> Result<Stores, OpenError> {
    Err(OpenError::NoPostgres)
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn over<R>(options: &Options, record: Arc<R>) -> Stores
where
    R: vestibule_core::record::Record + 'static,
{
    let state = Arc::new(vestibule_memory::MemoryState::new(options.memory_limit));
    let durable = Durable::new(record.clone(), state, options.deadline);
    joined(record, durable)
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn joined<R>(record: Arc<R>, durable: Durable) -> Stores
where
    R: vestibule_core::record::Record + 'static,
{
    Stores {
        sessions: Arc::new(durable.clone()),
        aliases: Arc::new(durable.clone()),
        tokens: Arc::new(durable.clone()),
        devices: Arc::new(durable.clone()),
        signing_keys: record.clone(),
        events: record.clone(),
        chain: record.clone(),
        deliveries: record.clone(),
        keys: record.clone(),
        limits: Arc::new(MemoryLimits::default()),
        deployment: record,
        bus: durable.bus(),
        durable: Some(durable),
        store_server: None,
        record_server: None,
    }
}

#[cfg(feature = "sqlite")]
fn on_sqlite(options: &Options, folder: &std::path::Path) -> Result<Stores, OpenError> {
    let sealer = Some(vestibule_core::event::Sealer::new(&options.ring));
    let record = vestibule_sql::SqliteRecord::open(folder, vestibule_sql::SqliteOptions { sealer, ..Default::default() })?;
    Ok(over(options, Arc::new(record)))
}

#[cfg(not(feature = "sqlite"))]
fn on_sqlite(_: &Options, _: &std::path::Path) -> Result<Stores, OpenError> {
    Err(OpenError::NoSqlite)
}

#[cfg(feature = "postgres")]
async fn on_postgres(options: &Options, url: &str) -> Result<Stores, OpenError> {
    // Every use of a session is known here, so none can be on its way from another node.
    let alone = vestibule_sql::PostgresOptions { exclusive: true, idle_slack: std::time::Duration::ZERO, ..shared(options) };
    let record = Arc::new(vestibule_sql::PostgresRecord::open(url, alone).await.map_err(OpenError::Database)?);
    Ok(Stores { record_server: Some(record.clone()), ..over(options, record) })
}

#[cfg(not(feature = "postgres"))]
async fn on_postgres(_: &Options, _: &str) -> Result<Stores, OpenError> {
    Err(OpenError::NoPostgres)
}
