//! Environment variables under the names that the systems before us used, so that their deployments start as they are.
//!
//! An alias overrides the file and yields to a variable of our own. Names that only meant something to another system are
//! recognised and said to have no effect, so that nobody wonders.

use super::{
    Environment,
    layers::{Layers, Raw, Source},
    report::Problem,
    session::raise_lifetimes,
    value::Value as _,
};
use std::time::Duration;

/// How the text of an alias becomes that of the setting.
#[derive(Clone, Copy)]
enum Reading {
    /// As it is.
    Same,
    /// A number of seconds.
    Seconds,
    /// A number of minutes.
    Minutes,
}

/// Name, setting, reading. Of two names for one setting the first is looked at first, and both must agree.
const ALIASES: [(&str, &str, Reading); 17] = [
    ("SESSION_TTL", "sessions.idle_timeout", Reading::Seconds),
    ("SESSION_TIMEOUT_MINUTES", "sessions.idle_timeout", Reading::Minutes),
    ("SESSION_SECRET", "secret", Reading::Same),
    ("SESSION_SECRET_KEY", "secret", Reading::Same),
    ("SESSION_SECRET_FILE", "secret_file", Reading::Same),
    ("SESSION_SECRET_KEY_FILE", "secret_file", Reading::Same),
    ("CSRF_SECRET_KEY", "csrf_secret", Reading::Same),
    ("CSRF_SECRET_KEY_FILE", "csrf_secret_file", Reading::Same),
    ("REDIS_PASSWORD", "store.password", Reading::Same),
    ("REDIS_PASSWORD_FILE", "store.password_file", Reading::Same),
    ("REDIS_DB", "store.database", Reading::Same),
    ("REDIS_SESSION_URL", "store.sessions_url", Reading::Same),
    ("REDIS_RATE_LIMIT_URL", "store.limits_url", Reading::Same),
    ("REDIS_CACHE_WARMING_URL", "store.cache_url", Reading::Same),
    ("REDIS_CONNECTION_TIMEOUT", "store.connect_timeout", Reading::Seconds),
    ("REDIS_HEALTH_CHECK_INTERVAL", "store.health_interval", Reading::Seconds),
    ("SESSION_CLEANUP_INTERVAL", "", Reading::Same),
];

/// Names of the pool's size, which bounds the requests under way.
const POOL_SIZES: [&str; 2] = ["REDIS_MAX_CONNECTIONS", "REDIS_CONNECTION_POOL_SIZE"];

/// Lays the aliases over the file. Returns warnings; what is wrong goes to `problems`.
pub(super) fn apply(env: &Environment, layers: &mut Layers, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut earlier: Vec<(&str, &str, String)> = Vec::new();
    let pool_sizes = POOL_SIZES.map(|name| (name, "store.max_in_flight", Reading::Same));
    for (name, path, reading) in ALIASES.into_iter().chain(pool_sizes) {
        let Some(text) = given(env, name) else {
            continue;
        };
        if path.is_empty() {
            warnings.push(format!("{name} has no effect: expired sessions need no clean-up interval"));
            continue;
        }
        let text = converted(text, reading);
        if let Some((other, ..)) = earlier.iter().find(|(_, other_path, other)| *other_path == path && *other != text) {
            problems.push(Problem::at(
                Some(Source::Alias(name.to_owned())),
                format!("{path}: {other} says otherwise; keep one of them"),
            ));
            continue;
        }
        let source = Source::Alias(name.to_owned());
        if let (Reading::Seconds | Reading::Minutes, Some(idle)) = (reading, Duration::parse(&text))
            && path == "sessions.idle_timeout"
        {
            raise_lifetimes(layers, idle, &source);
        }
        layers.set(path, Raw::Word(text.clone()), source);
        earlier.push((name, path, text));
    }
    apply_redis_url(env, layers);
    warnings
}

/// Empty variables are those of a template that nobody has filled in.
fn given<'a>(env: &'a Environment, name: &str) -> Option<&'a str> {
    env.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn converted(text: &str, reading: Reading) -> String {
    let duration = |unit: &str| Duration::parse(&format!("{text}{unit}")).map(|duration| duration.show());
    match reading {
        Reading::Same => text.to_owned(),
        // What is not a number is passed on, for the reader of the setting to refuse it by name.
        Reading::Seconds => duration("s").unwrap_or_else(|| text.to_owned()),
        Reading::Minutes => duration("m").unwrap_or_else(|| text.to_owned()),
    }
}

/// The address of Redis, from whichever names give it: a URL, Sentinels, cluster nodes, or a host and a port.
fn apply_redis_url(env: &Environment, layers: &mut Layers) {
    let is_on = |name: &str| given(env, name).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1");
    let set = |layers: &mut Layers, name: &str, path: &str, text: String| {
        layers.set(path, Raw::Word(text), Source::Alias(name.to_owned()));
    };
    let sentinels = given(env, "REDIS_SENTINEL_HOSTS").filter(|_| is_on("REDIS_SENTINEL_ENABLED"));
    let nodes = given(env, "REDIS_CLUSTER_NODES").filter(|_| is_on("REDIS_CLUSTER_ENABLED"));
    if let Some(hosts) = sentinels {
        let master = given(env, "REDIS_MASTER_NAME").unwrap_or("mymaster");
        set(layers, "REDIS_SENTINEL_HOSTS", "store.url", format!("redis+sentinel://{hosts}/{master}"));
    } else if let Some(nodes) = nodes {
        set(layers, "REDIS_CLUSTER_NODES", "store.url", format!("redis+cluster://{nodes}"));
    } else if let Some(url) = given(env, "REDIS_URL") {
        set(layers, "REDIS_URL", "store.url", url.to_owned());
    } else if let Some(file) = given(env, "REDIS_URL_FILE") {
        set(layers, "REDIS_URL_FILE", "store.url_file", file.to_owned());
    } else if let Some(host) = given(env, "REDIS_HOST") {
        let port = given(env, "REDIS_PORT").unwrap_or("6379");
        set(layers, "REDIS_HOST", "store.url", format!("redis://{host}:{port}"));
    }
    if let Some(url) = given(env, "DATABASE_URL") {
        set(layers, "DATABASE_URL", "record.url", url.to_owned());
    }
    if let Some(file) = given(env, "DATABASE_URL_FILE") {
        set(layers, "DATABASE_URL_FILE", "record.url_file", file.to_owned());
    }
}
