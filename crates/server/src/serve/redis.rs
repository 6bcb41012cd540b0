//! Redis as configured, for the library.

use super::Refusal;
use crate::config::{RedisUrl, SecretText, Store, TlsFiles, Topology};
use std::path::Path;
use vestibule::{
    Options,
    redis::{RedisAddress, RedisNode, RedisOptions, RedisTls},
};

/// Tells the library where the Redis of the sessions is, and how to treat it.
pub(super) fn set(options: &mut Options, store: &Store) -> Result<(), Refusal> {
    if let Some((of_sessions, redis_options)) = of(store)? {
        options.redis = Some(of_sessions);
        options.redis_options = redis_options;
        options.limits_redis = store.purposes.limits.as_ref().map(|url| address(url, &store.tls)).transpose()?;
    }
    Ok(())
}

/// Where the Redis of the sessions is, and how to treat it; `None` where there is none.
pub(crate) fn of(store: &Store) -> Result<Option<(RedisAddress, RedisOptions)>, Refusal> {
    let Some(url) = store.sessions_on_redis() else { return Ok(None) };
    let options = RedisOptions {
        deadline: store.timeout,
        connect_timeout: store.connect_timeout,
        max_in_flight: usize::try_from(store.max_in_flight)?,
        check_interval: store.health_interval,
        wait_replicas: usize::try_from(store.wait_replicas)?,
        ..RedisOptions::default()
    };
    Ok(Some((address(url, &store.tls)?, options)))
}

fn address(url: &RedisUrl, files: &TlsFiles) -> Result<RedisAddress, Refusal> {
    let nodes: Vec<_> = url.hosts.iter().map(|(host, port)| node(url, host, *port)).collect();
    let first = || nodes.first().ok_or("store.url names no host");
    let address = match &url.topology {
        Topology::Single => RedisAddress::of(first()?)?,
        Topology::Sentinel { master } => RedisAddress::of_sentinels(&nodes, master)?,
        Topology::Cluster => RedisAddress::of_cluster(&nodes)?,
        Topology::Socket { path } => RedisAddress::of_socket(path, &node(url, "", 0))?,
    };
    if url.tls { Ok(address.with_tls(tls(files)?)?) } else { Ok(address) }
}

fn node<'a>(url: &'a RedisUrl, host: &'a str, port: u16) -> RedisNode<'a> {
    RedisNode {
        host: host.trim_matches(['[', ']']),
        port,
        user: url.user.as_deref(),
        password: url.password.as_ref().map(SecretText::expose),
        database: url.database.unwrap_or_default(),
    }
}

fn tls(files: &TlsFiles) -> Result<RedisTls, Refusal> {
    let authorities = files.authorities.as_deref().map(|file| read("tls_ca_file", file)).transpose()?;
    let identity = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => Some((read("tls_cert_file", certificate)?, read("tls_key_file", key)?)),
        _ => None,
    };
    Ok(RedisTls { authorities, identity })
}

fn read(setting: &str, file: &Path) -> Result<Vec<u8>, Refusal> {
    std::fs::read(file).map_err(|error| format!("store.{setting}: cannot read {}: {error}", file.display()).into())
}
