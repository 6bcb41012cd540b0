//! Opening the stores: what is configured for them, and waiting for those that are not there yet.

use super::{Refusal, bounds, greeting::Greeting, in_folder, redis};
use crate::{
    api::{health::Missing, waiting::Waiting},
    config::{Config, Mode, Passwords, Record, secret},
    siteverify::SiteVerifier,
};
use std::sync::Arc;
use tokio::{
    pin,
    time::{sleep, timeout},
};
use vestibule::{
    OpenError, Options, Vestibule,
    fault::Fault,
    password::{Blocklist, BreachedList, PasswordPolicy},
    secret::{KeyRing, Secret},
};

/// Opens the stores. One that is not there is waited for, since it may be started after us; one that is wrong ends the start.
/// Cancel safe.
pub(super) async fn open(config: &Config, waiting: &Waiting, greeting: &Greeting) -> Result<Vestibule, Refusal> {
    let mut said = None;
    loop {
        let error = match attempt(options(config)?, greeting).await {
            Ok(vestibule) => {
                // Not among the options: the tags of users are known only now.
                let limits = &vestibule.limits;
                limits.replace_rules(config.limits.in_effect(|user| limits.tag_of(user)));
                return Ok(vestibule);
            }
            Err(error) => error,
        };
        let Some((component, fault)) = missing(&error) else { return Err(error.into()) };
        if said.as_ref() != Some(fault) {
            tracing::warn!(component, at = place(config, component), %fault, "waiting for a store");
            said = Some(fault.clone());
        }
        waiting.health.miss(Missing { component, fault: fault.clone() });
        waiting.metrics.tend();
        greeting.print();
        sleep(config.store.health_interval).await;
    }
}

/// Opens once. Whoever reads the addresses and asks at once should find a server that is ready, so they are told when it is;
/// but nobody waits for them as long as for a store.
async fn attempt(options: Options, greeting: &Greeting) -> Result<Vestibule, OpenError> {
    let opening = Vestibule::open(options);
    pin!(opening);
    match timeout(bounds::GREETING, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            greeting.print();
            opening.await
        }
    }
}

/// The store that is not there, by its name in health, and what it did; `None` for what no waiting mends.
fn missing(error: &OpenError) -> Option<(&'static str, &Fault)> {
    let (component, fault) = match error {
        OpenError::Store(fault) => ("store", fault),
        OpenError::Database(fault) => ("record", fault),
        _ => return None,
    };
    matches!(fault, Fault::Unavailable(_) | Fault::Timeout).then_some((component, fault))
}

/// Where a store should be, without credentials.
fn place(config: &Config, component: &str) -> Option<String> {
    match component {
        "store" => config.store.sessions_on_redis().map(ToString::to_string),
        _ => config.record.place(),
    }
}

fn options(config: &Config) -> Result<Options, Refusal> {
    let mut options = Options::new(key_ring(config)?);
    options.policies = config.sessions.clone();
    options.memory_limit = usize::try_from(config.store.memory_limit)?;
    options.deadline = config.store.timeout;
    options.strict = config.store.strict;
    options.legacy_until = config.import.legacy_until;
    options.tokens = config.tokens.options();
    options.trust_ttl = config.devices.trust_ttl;
    options.password_policy = PasswordPolicy::new(config.passwords.profile, config.passwords.min_length)?;
    options.password_blocklist = blocklist(&config.passwords)?;
    options.hash_params = config.passwords.hash_params;
    options.password_pool.queue = config.passwords.queue;
    options.login_budgets = config.login_throttle;
    if let Some(workers) = config.passwords.workers {
        options.password_pool.workers = workers;
    }
    if let Record::Postgres(url) = &config.record {
        options.database_url = Some(url.expose().to_owned());
    }
    options.challenge_verifier = config.limits.siteverify.clone().map(|settings| Arc::new(SiteVerifier::new(settings)) as _);
    redis::set(&mut options, &config.store)?;
    options.data_dir = (config.record == Record::Sqlite).then(|| config.data_dir.clone());
    Ok(options)
}

fn blocklist(passwords: &Passwords) -> Result<Blocklist, Refusal> {
    let names = passwords.service_names.iter().map(String::as_str);
    let Some(path) = &passwords.breached_file else { return Ok(Blocklist::new(names, None)) };
    let list = std::fs::File::open(path).and_then(BreachedList::new);
    let list = list.map_err(|error| format!("passwords.breached_file: {}: {error}", path.display()))?;
    Ok(Blocklist::new(names, Some(list)))
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
