//! Joining the parts.

mod stores;

use crate::TokenOptions;
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use stores::join;
use vestibule_core::{
    account::{
        AccountStore, Accounts,
        service::AccountParts,
        throttle::{Budgets, LoginThrottle},
    },
    bus::Bus,
    deployment::{self, Deployment, DeploymentStore, KeepOutcome, OpenOutcome},
    device::{Devices, service::TRUST_TTL},
    durable::Durable,
    event::{DeliveryStore, EventStore, Feed, Observations, Observer, Sealer, chain::Chain},
    fault::Fault,
    inspect::{Finding, Watches},
    key::KeyStore,
    limit::{ChallengeVerifier, LimitThrottle, Limiter, LimiterParts, RuleError, Rules, bounds::FALLBACK_KEYS},
    password::{Blocklist, HashParams, HashPool, Hasher, PasswordPolicy, PoolConfig},
    secret::KeyRing,
    session::{Policies, Sessions, service::Parts},
    time::{Clock, Timestamp},
    token::{
        DenyList, TokenStore,
        service::{TokenParts, Tokens},
    },
};
use vestibule_memory::MemoryLimits;

/// What a [`Vestibule`] is made of.
pub struct Options {
    /// The keys, derived from the deployment's secret.
    pub ring: KeyRing,
    /// The policies. Default: [`Policies::default`].
    pub policies: Policies,
    /// The folder of the durable record; `None` keeps everything in memory, for tests and experiments.
    pub data_dir: Option<PathBuf>,
    /// A Postgres database that is the durable record instead: `postgres://user:password@host/database`. As the state is in
    /// this process's memory, no other process may use the database, unless the state is on Redis.
    pub database_url: Option<String>,
    /// A Redis, shared with every process that names it. Alone it holds everything; with a database it is the state under that
    /// record, and then any number of processes may use both.
    #[cfg(feature = "redis")]
    pub redis: Option<vestibule_redis::RedisAddress>,
    /// How that Redis is treated. Its deadline is [`Self::deadline`], and shorter where a record can answer in its place.
    #[cfg(feature = "redis")]
    pub redis_options: vestibule_redis::RedisOptions,
    /// Bytes of memory for users and sessions at most, about. Default 1 GiB.
    pub memory_limit: usize,
    /// Deadline of every call of the store. Default 250 ms.
    pub deadline: Duration,
    /// Whether a Redis that is set up so that it endangers sessions is refused. Default false: it is told in the log.
    pub strict: bool,
    /// The clock. Default: the system's. Where the sessions are decided on a server, it follows that server's clock, so that
    /// all nodes mean the same by a deadline.
    pub clock: Clock,
    /// Until when the tokens of imported sessions are accepted; see [`Sessions::import`]. Default none: never.
    pub legacy_until: Option<Timestamp>,
    /// How long a device is trusted at most. Default 30 days.
    pub trust_ttl: Duration,
    /// How tokens are made. Default none: there are no tokens.
    pub tokens: Option<TokenOptions>,
    /// Which passwords accounts may use. Default: 15 characters at least.
    pub password_policy: PasswordPolicy,
    /// The limit rules. Default: none.
    pub limits: Rules,
    /// A Redis of its own for what is counted by them. Default: the state's. What is counted is never in a record.
    #[cfg(feature = "redis")]
    pub limits_redis: Option<vestibule_redis::RedisAddress>,
    /// How many passwords are hashed at once, and how many wait. Default: one for each core, 64 waiting.
    pub password_pool: PoolConfig,
    /// Judges responses to the challenges of limit rules. Default none: challenges are puzzles.
    pub challenge_verifier: Option<Arc<dyn ChallengeVerifier>>,
    /// Bounds how often somebody may be wrong about a password. Default none: counted with the limits, by all processes together.
    pub login_throttle: Option<Arc<dyn LoginThrottle>>,
    /// How often a password may be wrong where [`Self::login_throttle`] is not given.
    pub login_budgets: Budgets,
    /// What a new hash costs. Default: 19 MiB, two passes, one lane.
    pub hash_params: HashParams,
    /// Names of the service and a list of breached passwords, which no new password may be. Default: neither.
    pub password_blocklist: Blocklist,
}

impl Options {
    /// Options with the defaults named at each field, in memory.
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self {
            ring,
            policies: Policies::default(),
            data_dir: None,
            database_url: None,
            #[cfg(feature = "redis")]
            redis: None,
            #[cfg(feature = "redis")]
            redis_options: vestibule_redis::RedisOptions::default(),
            memory_limit: 1 << 30,
            deadline: Duration::from_millis(250),
            strict: false,
            clock: Clock::system(),
            legacy_until: None,
            trust_ttl: TRUST_TTL,
            tokens: None,
            password_policy: PasswordPolicy::default(),
            limits: Rules::default(),
            #[cfg(feature = "redis")]
            limits_redis: None,
            password_pool: PoolConfig::default(),
            challenge_verifier: None,
            login_throttle: None,
            login_budgets: Budgets::default(),
            hash_params: HashParams::default(),
            password_blocklist: Blocklist::default(),
        }
    }

    /// Whether something outside this process decides.
    fn is_on_server(&self) -> bool {
        #[cfg(feature = "redis")]
        if self.redis.is_some() {
            return true;
        }
        self.database_url.is_some()
    }
}

/// Why a [`Vestibule`] did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store belongs to another secret: going on would end every session.
    #[error("the store was made with another secret; give that one as the previous secret")]
    ForeignSecret,
    /// The store failed.
    #[error("the store cannot be opened")]
    Store(#[source] Fault),
    /// The record in a database failed.
    #[error("the database cannot be opened")]
    Database(#[source] Fault),
    /// The Redis is set up so that it endangers sessions, and [`Options::strict`] refuses that.
    #[error("strict: this Redis is not set up for sessions: {}", one_line(.0))]
    Endangered(Vec<Finding>),
    /// The record cannot be opened.
    #[cfg(feature = "sqlite")]
    #[error("the record cannot be opened")]
    Record(#[from] vestibule_sql::OpenError),
    /// How often a password may be wrong cannot be counted.
    #[error("the login throttle cannot be made")]
    Throttle(#[from] RuleError),
    /// The hashing pool is out of its bounds.
    #[error("the hashing pool cannot be made")]
    Pool(#[from] vestibule_core::password::PoolConfigError),
    /// A data folder was given, but the library was built without the feature `sqlite`.
    #[error("a data folder needs the feature sqlite")]
    NoSqlite,
    /// Redis and a data folder were given: a file belongs to one process, Redis is shared by many.
    #[error("a data folder belongs to one process, but Redis is shared by many: take a database, or no record")]
    RedisAndFile,
    /// A database was given, but the library was built without the feature `postgres`.
    #[error("a database needs the feature postgres")]
    NoPostgres,
}

fn one_line(findings: &[Finding]) -> String {
    findings.iter().map(|Finding { what, remedy, .. }| format!("{what}: {remedy}")).collect::<Vec<_>>().join("; ")
}

/// The session layer, joined.
pub struct Vestibule {
    /// The session service.
    pub sessions: Arc<Sessions>,
    /// Trusted devices.
    pub devices: Arc<Devices>,
    /// Security events.
    pub events: Arc<dyn EventStore>,
    /// Security events as they happen, on whichever node.
    pub feed: Arc<Feed>,
    /// Shows whether any of them was altered or taken away. Its checkpoints are made by whoever calls [`Chain::tend`].
    pub chain: Arc<Chain>,
    /// Where it is kept how far the delivery of events to somebody outside has come.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// Management keys.
    pub keys: Arc<dyn KeyStore>,
    /// Rate limits.
    pub limits: Arc<Limiter>,
    /// Where observations go.
    pub observer: Observer,
    /// Token families.
    pub token_store: Arc<dyn TokenStore>,
    /// What is known of access tokens that must not be believed, on every node.
    pub deny_list: Arc<DenyList>,
    /// Access and refresh tokens; `None` without [`Options::tokens`].
    pub tokens: Option<Arc<Tokens>>,
    /// Accounts; `None` without a record, which they need.
    pub accounts: Option<Arc<Accounts>>,
    /// Where passwords are hashed, verified and judged, those of accounts and of applications that keep their own.
    pub password_pool: HashPool,
    /// Which new passwords are accepted.
    pub password_policy: PasswordPolicy,
    /// The join of record and state, where there is a record.
    pub durable: Option<Durable>,
    /// Eyes on the servers behind the stores.
    pub watches: Watches,
    /// Tells what other parts of the application must hear soon: the sessions that end, on whichever node. [`vestibule_core::bus`]
    /// says what is promised.
    pub bus: Arc<dyn Bus>,
    deployment: Kept,
}

/// The deployment, and where it is kept.
struct Kept {
    store: Arc<dyn DeploymentStore>,
    deployment: Deployment,
    ring: Arc<KeyRing>,
}

impl fmt::Debug for Vestibule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vestibule")
    }
}

impl Vestibule {
    /// Opens the store, checks that it belongs to the secret, and starts the writing of observations. Blocks briefly on the
    /// disk; needs a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(mut options: Options) -> Result<Self, OpenError> {
        let follower = if options.is_on_server() { options.clock.follow() } else { None };
        let stores = join(&options).await?;
        let in_database = options.database_url.is_some();
        let failed = |fault| if in_database { OpenError::Database(fault) } else { OpenError::Store(fault) };
        let deployment = match deployment::open(&*stores.deployment, &options.ring).await.map_err(failed)? {
            OpenOutcome::Opened(deployment) => deployment,
            OpenOutcome::ForeignSecret => return Err(OpenError::ForeignSecret),
        };
        let watches = stores.watch(follower).await;
        let (observer, observations): (Observer, Observations) = Observer::new();
        tokio::spawn(observations.run(stores.events.clone(), options.clock.clone()));
        let deny_list = DenyList::start(stores.tokens.clone(), stores.bus.clone(), options.clock.clone());
        // A store that fails now is no reason not to open: until it has answered, no access token is believed.
        let _ = tokio::time::timeout(options.deadline, deny_list.settled()).await;
        let sealer = Sealer::new(&options.ring);
        let ring = Arc::new(options.ring);
        let sessions = Arc::new(Sessions::new(Parts {
            store: stores.sessions,
            aliases: stores.aliases,
            legacy_until: options.legacy_until,
            ring: ring.clone(),
            deployment: deployment.clone(),
            policies: options.policies,
            observer: observer.clone(),
            clock: options.clock.clone(),
        }));
        let throttle = match options.login_throttle {
            Some(throttle) => throttle,
            None => Arc::new(LimitThrottle::new(stores.limits.clone(), options.login_budgets, options.clock.clone())?),
        };
        let limits = Limiter::start(LimiterParts {
            store: stores.limits,
            fallback: Arc::new(MemoryLimits::new(FALLBACK_KEYS)),
            bus: stores.bus.clone(),
            deployment: deployment.clone(),
            ring: ring.clone(),
            verifier: options.challenge_verifier,
            rules: options.limits,
            observer: observer.clone(),
            clock: options.clock,
        });
        let devices = Arc::new(Devices::new(stores.devices, sessions.clone(), options.trust_ttl));
        let tokens = match &options.tokens {
            None => None,
            Some(tokens) => Some(Arc::new(Tokens::new(TokenParts {
                keys: tokens.keys(stores.signing_keys, ring.clone(), sessions.clock().clone()).await.map_err(failed)?,
                sessions: sessions.clone(),
                store: stores.tokens.clone(),
                deny_list: deny_list.clone(),
                policy: tokens.policy(),
            }))),
        };
        let password_pool = HashPool::new(Hasher::new(options.hash_params), options.password_pool)?;
        let password_pool = password_pool.with_blocklist(options.password_blocklist);
        let accounts = match &stores.durable {
            None => None,
            Some(durable) => Some(Arc::new(Accounts::new(AccountParts {
                store: Arc::new(durable.clone()) as Arc<dyn AccountStore>,
                sessions: sessions.clone(),
                pool: password_pool.clone(),
                policy: options.password_policy,
                throttle,
            }))),
        };
        Ok(Self {
            feed: Feed::new(stores.events.clone(), sessions.clone()),
            chain: Arc::new(Chain::new(stores.chain, sealer)),
            sessions,
            devices,
            deliveries: stores.deliveries,
            events: stores.events,
            keys: stores.keys,
            limits,
            observer,
            token_store: stores.tokens,
            tokens,
            deny_list,
            accounts,
            password_pool,
            password_policy: options.password_policy,
            durable: stores.durable,
            bus: stores.bus,
            watches,
            deployment: Kept { store: stores.deployment, deployment, ring },
        })
    }

    /// Whether Redis keeps everything, without a record beside it.
    #[must_use]
    pub fn is_on_redis_alone(&self) -> bool {
        self.durable.is_none() && self.watches.store.is_some()
    }

    /// Tells the store again which deployment it belongs to, in case that it was emptied under this process. Once a second is
    /// often enough. A record forgets nothing and is not told.
    ///
    /// # Errors
    /// See [`deployment::keep`].
    pub async fn keep_deployment(&self) -> Result<KeepOutcome, Fault> {
        if self.durable.is_some() {
            return Ok(KeepOutcome::Kept);
        }
        deployment::keep(&*self.deployment.store, &self.deployment.deployment, &self.deployment.ring).await
    }
}
