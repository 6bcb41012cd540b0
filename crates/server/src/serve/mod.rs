//! Starting and stopping the server.

mod bounds;
mod greeting;
mod housekeeping;
mod listener;
mod log;
mod stop;

pub(crate) use stop::{Phase, Stop};

use crate::{
    api,
    config::{self, Config, Mode, Record, RedisUrl, SecretText, Topology, secret},
};
use greeting::KeySource;
use listener::Connections;
use std::{net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};
use stop::Signals;
use tokio::{net::TcpListener, sync::watch};
use vestibule::{
    OpenError, Options, Vestibule,
    fault::Fault,
    http::cookie::SessionCookie,
    key::Keys,
    password::PasswordPolicy,
    redis::{RedisAddress, RedisNode},
    secret::{KeyRing, Secret},
    time::Clock,
};

/// Why the server does not start: one line for the operator.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Runs the server until it is told to stop.
pub(crate) fn run(file: Option<&Path>, ephemeral: bool, environment: &config::Environment) -> ExitCode {
    let flags = if ephemeral { vec![("record.url", "none".to_owned(), "--ephemeral")] } else { Vec::new() };
    let config = match config::load(&config::Sources { file, environment, flags: &flags }) {
        Ok((config, report)) => {
            log::start(&config.log);
            for warning in &report.warnings {
                tracing::warn!(warning = warning.as_str(), "configuration");
            }
            config
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(text) = config.not_available() {
        eprintln!("{text}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(config));
    // What was acknowledged is on disk, so nothing that is still under way may hold up the end. But the last task to let go of
    // the record closes it, which leaves one file that is whole without its log.
    runtime.shutdown_timeout(bounds::LET_GO);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            let mut text = refusal.to_string();
            let mut cause = refusal.source();
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Refusal> {
    let mut signals = Signals::take()?;
    let scrape = api::metrics::Exporter::install()?;
    let (switch, stop) = stop::switch();
    let ring = key_ring(&config)?;
    let generated = match &config.management.key {
        Some(_) => None,
        None => Some(secret::load_or_generate_management_key(&config.data_dir).map_err(|error| in_folder(&config, error))?),
    };
    let public = bind("public", config.public.listen).await?;
    let management = bind("management", config.management.listen).await?;
    let Some(vestibule) = open(&config, ring, &mut signals).await? else { return Ok(()) };
    let bootstrap = config.management.key.as_ref().or(generated.as_ref().map(|generated| &generated.text));
    let bootstrap = bootstrap.map(SecretText::expose);
    let keys = Keys::new(vestibule.keys.clone(), bootstrap, vestibule.observer.clone(), Clock::system());
    let health = api::health::Health::new(&config, stop.clone());
    health.look(&vestibule).await;
    let event_retention = config.events.retention;
    let server =
        Arc::new(api::Server { vestibule, keys, browser: browser(&config)?, event_retention, health, metrics: scrape });

    let key = generated.as_ref().map_or(KeySource::Configured, KeySource::File);
    greeting::print(&config, &key, public.local_addr()?, management.local_addr()?);
    let connections = Connections::new(&config.http, stop.clone());
    tokio::spawn(connections.clone().accept(public, api::public(server.clone())));
    tokio::spawn(connections.clone().accept(management, api::management(server.clone(), config.metrics.public)));
    let housekeeping = tokio::spawn(housekeeping::run(server.clone(), config.events.retention, stop));

    signals.next().await;
    tracing::info!(connections = connections.count(), "stopping");
    tokio::select! {
        () = wind_down(&switch, &connections, config.http.shutdown_grace) => {}
        () = signals.next() => tracing::warn!(connections = connections.count(), "told twice to stop: stopping at once"),
    }
    switch.send_replace(Phase::Closing);
    housekeeping.await?;
    housekeeping::finish(&server).await;
    tracing::info!("stopped");
    Ok(())
}

/// Opens the stores. A Redis that is not there is waited for, since it may be started after us; `None` where a signal came first.
async fn open(config: &Config, ring: KeyRing, signals: &mut Signals) -> Result<Option<Vestibule>, Refusal> {
    let mut opened = Vestibule::open(options(config, ring)?).await;
    loop {
        match opened {
            Err(OpenError::Store(fault @ (Fault::Unavailable(_) | Fault::Timeout)))
                if config.store.sessions_on_redis().is_some() =>
            {
                tracing::warn!(%fault, "waiting for Redis");
            }
            opened => return Ok(Some(opened?)),
        }
        tokio::select! {
            () = tokio::time::sleep(config.store.health_interval) => {}
            () = signals.next() => return Ok(None),
        }
        opened = Vestibule::open(options(config, key_ring(config)?)?).await;
    }
}

/// Lets requests under way end, for as long as the grace. Readiness fails first; connections are accepted on for a moment,
/// so that a balancer sees it instead of a closed door, but only while somebody is being served.
async fn wind_down(switch: &watch::Sender<Phase>, connections: &Connections, grace: Duration) {
    switch.send_replace(Phase::Draining);
    let notice = bounds::NOTICE.min(grace / 4);
    if connections.ended_within(notice).await {
        return;
    }
    switch.send_replace(Phase::Closing);
    if !connections.ended_within(grace - notice).await {
        tracing::warn!(connections = connections.count(), "connections were cut: http.shutdown_grace is over");
    }
}

async fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, Refusal> {
    TcpListener::bind(address).await.map_err(|error| format!("{name}.listen: cannot listen on {address}: {error}").into())
}

fn in_folder(config: &Config, error: impl std::fmt::Display) -> Refusal {
    format!("the data folder {} cannot be used: {error}", config.data_dir.display()).into()
}

fn options(config: &Config, ring: KeyRing) -> Result<Options, Refusal> {
    let mut options = Options::new(ring);
    options.policies = config.sessions.clone();
    options.memory_limit = usize::try_from(config.store.memory_limit)?;
    options.deadline = config.store.timeout;
    options.password_policy = PasswordPolicy::new(config.passwords.profile, config.passwords.min_length)?;
    options.password_pool.queue = config.passwords.queue;
    if let Some(workers) = config.passwords.workers {
        options.password_pool.workers = workers;
    }
    if let Record::Postgres(url) = &config.record {
        options.database_url = Some(url.expose().to_owned());
    }
    options.redis = config.store.sessions_on_redis().map(redis_address).transpose()?;
    options.data_dir = (config.record == Record::Sqlite).then(|| config.data_dir.clone());
    Ok(options)
}

fn redis_address(url: &RedisUrl) -> Result<RedisAddress, Refusal> {
    Ok(match &url.topology {
        Topology::Sentinel { master } => {
            let sentinels: Vec<_> = url.hosts.iter().map(|host| redis_node(url, host)).collect();
            RedisAddress::of_sentinels(&sentinels, master)?
        }
        Topology::Single | Topology::Cluster => {
            RedisAddress::of(&redis_node(url, url.hosts.first().ok_or("store.url names no host")?))?
        }
    })
}

fn redis_node<'a>(url: &'a RedisUrl, (host, port): &'a (String, u16)) -> RedisNode<'a> {
    RedisNode {
        host: host.trim_matches(['[', ']']),
        port: *port,
        user: url.user.as_deref(),
        password: url.password.as_ref().map(SecretText::expose),
        database: url.database.unwrap_or_default(),
    }
}

fn browser(config: &Config) -> Result<api::Browser, Refusal> {
    let (cookie, _) = SessionCookie::new(config.cookie.config.clone(), config.cookie.exposure)?;
    Ok(api::Browser {
        cookie,
        trusted: config.public.trusted_proxies.clone(),
        allowed: config.public.allowed_origins.clone(),
        clear_site_data: config.public.clear_site_data,
    })
}

fn key_ring(config: &Config) -> Result<KeyRing, Refusal> {
    let current = match (&config.secret, config.mode) {
        (Some(secret), _) => secret.clone(),
        (None, Mode::Dev) => secret::load_or_generate(&config.data_dir).map_err(|error| in_folder(config, error))?.text,
        (None, Mode::Production) => return Err("production mode needs VESTIBULE_SECRET".into()),
    };
    let mut secrets = vec![Secret::new(current.key_material().to_vec())?];
    if let Some(previous) = &config.secret_previous {
        secrets.push(Secret::new(previous.key_material().to_vec())?);
    }
    let csrf = match &config.csrf_secret {
        Some(secret) => Some(Secret::new(secret.key_material().to_vec())?),
        None => None,
    };
    Ok(KeyRing::new(&secrets, csrf.as_ref())?)
}
