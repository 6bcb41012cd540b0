//! Starting and stopping the server.

use crate::{
    api,
    config::{self, Config, Mode, Record, SecretText, secret},
};
use std::{net::SocketAddr, path::Path, process::ExitCode, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use vestibule::{
    Options, Vestibule, http::cookie::SessionCookie, key::Keys, password::PasswordPolicy, secret::KeyRing, secret::Secret,
    time::Clock,
};

/// How often housekeeping runs.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// Why the server does not start: one line for the operator.
type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// Runs the server until it is told to stop.
pub(crate) fn run(file: Option<&Path>, ephemeral: bool, environment: &config::Environment) -> ExitCode {
    let flags = if ephemeral { vec![("record.url", "none".to_owned(), "--ephemeral")] } else { Vec::new() };
    let config = match config::load(&config::Sources { file, environment, flags: &flags }) {
        Ok((config, _)) => config,
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
    match runtime.block_on(serve(config)) {
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
    let ring = key_ring(&config)?;
    let bootstrap = bootstrap_key(&config)?;
    let mut options = Options::new(ring);
    options.policies = config.sessions.clone();
    options.memory_limit = usize::try_from(config.store.memory_limit)?;
    options.deadline = config.store.timeout;
    options.password_policy = PasswordPolicy::new(config.passwords.profile, config.passwords.min_length)?;
    options.password_pool.queue = config.passwords.queue;
    if let Some(workers) = config.passwords.workers {
        options.password_pool.workers = workers;
    }
    options.data_dir = (config.record == Record::Sqlite).then(|| config.data_dir.clone());
    let vestibule = Vestibule::open(options).await?;
    let keys = Keys::new(vestibule.keys.clone(), Some(bootstrap.expose()), vestibule.observer.clone(), Clock::system());
    let state = Arc::new(api::Server { vestibule, keys, browser: browser(&config)? });

    let public = TcpListener::bind(config.public.listen).await?;
    let management = TcpListener::bind(config.management.listen).await?;
    println!("public  listening on http://{}", public.local_addr()?);
    println!("management listening on http://{}", management.local_addr()?);
    if config.mode == Mode::Dev {
        println!(
            "development mode: loopback only; the management key is in {}",
            config.data_dir.join("management.key").display()
        );
    }
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let wait = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
        // The sender lives until the server ends; its loss means the same as its word.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let public = axum::serve(public, api::public(state.clone()).into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(wait(stopped.clone()));
    let management = axum::serve(management, api::management(state.clone())).with_graceful_shutdown(wait(stopped.clone()));
    let housekeeping = tokio::spawn(keep_house(state.clone(), stopped));
    let signals = tokio::spawn(async move {
        wait_for_signal().await;
        stop.send_replace(true);
    });
    let (public, management) = tokio::join!(public.into_future(), management.into_future());
    public?;
    management?;
    signals.await?;
    housekeeping.await?;
    Ok(())
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
        (None, Mode::Dev) => secret::load_or_generate(&config.data_dir)?.text,
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

fn bootstrap_key(config: &Config) -> Result<SecretText, Refusal> {
    match &config.management.key {
        Some(key) => Ok(key.clone()),
        None => Ok(secret::load_or_generate_management_key(&config.data_dir)?.text),
    }
}

async fn keep_house(server: Arc<api::Server>, mut stopped: tokio::sync::watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if let Err(fault) = server.vestibule.sessions.tidy().await {
                    tracing::warn!(class = fault.class(), "housekeeping did not finish");
                }
            }
            _ = stopped.changed() => break,
        }
    }
    if let Some(durable) = &server.vestibule.durable
        && let Err(fault) = durable.flush().await
    {
        tracing::warn!(class = fault.class(), "the last uses of sessions were not written");
    }
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
