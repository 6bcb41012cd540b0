//! Starting and stopping the server.

mod bounds;
mod greeting;
mod housekeeping;
mod listener;
mod log;
mod opening;
pub(crate) mod redis;
mod reload;
mod stage;
mod stop;

pub(crate) use stop::{Phase, Stop};

use crate::{
    api::{self, LoginPage, health::Health, metrics::Exporter, waiting::Waiting},
    config::{self, Config, Http, secret},
    webhook::Webhooks,
};
use axum::Router;
use greeting::{Greeting, KeySource};
use listener::Connections;
use reload::Watch;
use stage::Staged;
use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};
use stop::Signals;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use vestibule::{
    http::{cookie::SessionCookie, forward_auth::ProxyEndpoints, rate_limit::ChosenFields},
    key::{BootstrapKey, Keys},
};

/// Why the server does not start: one line for the operator.
pub(crate) type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Runs the server until it is told to stop.
pub(crate) fn run(sources: &config::Sources<'_>) -> ExitCode {
    let watch = Watch::new(sources);
    let (config, watch) = match config::load(sources) {
        Ok((config, report)) => {
            log::start(&config.log);
            for warning in &report.warnings {
                tracing::warn!(warning = warning.as_str(), "configuration");
            }
            (config, watch.from(report.settings))
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve(config, watch));
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

async fn serve(config: Config, watch: Watch<'_>) -> Result<(), Refusal> {
    let mut signals = Signals::take()?;
    let watch = watch.listen()?;
    let metrics = Exporter::install()?;
    let (switch, stop) = stop::switch();
    let browser = browser(&config)?;
    let generated = match &config.management.key {
        Some(_) => None,
        None => Some(secret::load_or_generate_management_key(&config.data_dir).map_err(|error| in_folder(&config, error))?),
    };
    let bootstrap = config.management.key.as_ref().or(generated.as_ref().map(|generated| &generated.text));
    let bootstrap = bootstrap.map(|key| BootstrapKey::new(key.expose()));
    let health = Health::new(&config, stop.clone());

    let listeners = Listeners::bind(&config).await?;
    let key = generated.as_ref().map_or(KeySource::Configured, KeySource::File);
    let greeting = Greeting::new(&config, &key, listeners.public.local_addr()?, listeners.management.local_addr()?);
    let connections = Connections::new(&config.http, stop.clone());
    let waiting = Waiting { health: health.clone(), metrics: metrics.clone(), bootstrap: bootstrap.clone() };
    let stages = listeners.answer(&connections, &waiting, config.metrics.public);

    let opened = tokio::select! {
        opened = opening::open(&config, &waiting, &greeting) => Some(opened?),
        () = signals.next() => None,
    };
    let Some(vestibule) = opened else {
        wind_down(&switch, &connections, &config.http, &mut signals).await;
        return Ok(());
    };
    let clock = vestibule.sessions.clock().clone();
    let keys = Keys::new(vestibule.keys.clone(), bootstrap, vestibule.observer.clone(), clock);
    let event_retention = config.events.retention;
    let streams = api::Streams::new(stop.clone());
    let webhooks = Webhooks::new(config.webhooks.clone());
    let limit_fields = ChosenFields::from(config.limits.fields);
    let server = Arc::new(api::Server {
        vestibule,
        keys,
        browser,
        limit_fields,
        event_retention,
        streams,
        webhooks,
        verification: Semaphore::new(1),
        health,
        metrics,
    });
    stages.public.take_over(api::public(server.clone()));
    stages.management.take_over(api::management(server.clone(), config.metrics.public));
    // Last: whoever is told that the server is ready finds both listeners so.
    server.health.look(&server.vestibule).await;
    greeting.print();
    let mut housekeeping = tokio::spawn(housekeeping::run(server.clone(), event_retention, stop));

    let failed = tokio::select! {
        () = signals.next() => None,
        never = watch.run(&config, &server) => match never {},
        ended = &mut housekeeping => Some(ended?),
    };
    wind_down(&switch, &connections, &config.http, &mut signals).await;
    let ended = match failed {
        Some(ended) => ended,
        None => housekeeping.await?,
    };
    housekeeping::finish(&server).await;
    tracing::info!("stopped");
    Ok(ended?)
}

/// The two listeners.
struct Listeners {
    public: TcpListener,
    management: TcpListener,
}

/// What answers on them.
struct Stages {
    public: Staged<ProxyEndpoints<Router>>,
    management: Staged<Router>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, Refusal> {
        let public = bind("public", config.public.listen).await?;
        Ok(Self { public, management: bind("management", config.management.listen).await? })
    }

    /// Begins to answer with what can be told without a store.
    fn answer(self, connections: &Connections, waiting: &Waiting, metrics_are_public: bool) -> Stages {
        let management = api::waiting::management(waiting.clone(), metrics_are_public);
        let stages = Stages { public: Staged::new(api::waiting::public(waiting.clone())), management: Staged::new(management) };
        tokio::spawn(connections.clone().accept(self.public, stages.public.clone()));
        tokio::spawn(connections.clone().accept(self.management, stages.management.clone()));
        stages
    }
}

/// Stops to serve; at once where it is told so twice.
async fn wind_down(switch: &watch::Sender<Phase>, connections: &Connections, http: &Http, signals: &mut Signals) {
    tracing::info!(connections = connections.count(), "stopping");
    tokio::select! {
        () = let_end(switch, connections, http.shutdown_grace) => {}
        () = signals.next() => tracing::warn!(connections = connections.count(), "told twice to stop: stopping at once"),
    }
    switch.send_replace(Phase::Closing);
}

/// Lets requests under way end, for as long as the grace. Readiness fails first; connections are accepted on for a moment,
/// so that a balancer sees it instead of a closed door, but only while somebody is being served.
async fn let_end(switch: &watch::Sender<Phase>, connections: &Connections, grace: Duration) {
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

fn browser(config: &Config) -> Result<api::Browser, Refusal> {
    let (cookie, _) = SessionCookie::new(config.cookie.config.clone(), config.cookie.exposure)?;
    let (known_device, _) = SessionCookie::new(config.cookie.known_device(), config.cookie.exposure)?;
    let (trusted_device, _) = SessionCookie::new(config.cookie.trusted_device(), config.cookie.exposure)?;
    let legacy_names = config.import.legacy_until.map(|_| config.import.cookie_names.clone());
    Ok(api::Browser {
        cookie: cookie.accepting(legacy_names.unwrap_or_default()),
        known_device,
        trusted_device,
        login_page: LoginPage::new(&config.login_page, &config.login_page.read_style()?),
        trusted: config.public.trusted_proxies.clone(),
        allowed: config.public.allowed_origins.clone(),
        clear_site_data: config.public.clear_site_data,
    })
}
