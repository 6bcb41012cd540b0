//! What the configuration alone tells: whether it is good, who can reach what, and where data goes.

use super::Check;
use crate::config::{CheckReport, Config, ConfigError, Mode, Record, RedisUrl, Topology};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

/// Addresses of documentation (RFC 5737), where no proxy is: whoever trusts them all trusts everybody.
const NOBODY: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)),
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
];

/// What stops a start.
pub(super) fn problems(error: &ConfigError) -> Vec<Check> {
    let check = |problem: &crate::config::Problem| {
        Check::failed("configuration", problem.to_string(), "correct it; `vestibule config check` tells every setting")
    };
    error.problems.iter().map(check).collect()
}

/// What a configuration that can be started with has in it.
pub(super) fn look(config: &Config, report: &CheckReport) -> Vec<Check> {
    let mode = match config.mode {
        Mode::Dev => "development mode, for this machine alone",
        Mode::Production => "production mode",
    };
    let mut checks = vec![Check::ok("configuration", format!("can be started with, in {mode}")), secret(config)];
    let fix = "change it, or leave it where it is meant so";
    checks.extend(report.warnings.iter().map(|warning| Check::degraded("configuration", warning.as_str(), fix)));
    checks.push(folder(config));
    checks.extend(exposure(config));
    if config.mode == Mode::Production {
        checks.extend(encryption(config));
    }
    checks
}

fn secret(config: &Config) -> Check {
    match config.secret {
        Some(_) => Check::ok("secret", "set, long enough and no placeholder"),
        None => Check::ok("secret", format!("one is kept in {}", config.data_dir.display())),
    }
}

/// Who can reach the listeners, and whose word about clients is taken.
fn exposure(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if NOBODY.iter().all(|address| config.public.trusted_proxies.trusts(*address)) {
        checks.push(Check::degraded(
            "proxy",
            "public.trusted_proxies trusts every address, so every client can say that it is another one",
            "name only the addresses of your proxies",
        ));
    }
    if config.management.listen.ip().is_unspecified() {
        checks.push(Check::degraded(
            "listeners",
            format!("management.listen = {} can be reached from every network", config.management.listen),
            "listen on an address that only your backends reach",
        ));
    }
    if checks.is_empty() {
        let (public, management) = (config.public.listen, config.management.listen);
        checks.push(Check::ok("listeners", format!("public {public}, management {management}")));
    }
    checks
}

/// Whether what goes to the stores over a network can be read on its way.
fn encryption(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(url) = config.store.sessions_on_redis().filter(|url| !url.tls && leaves_the_machine(url)) {
        checks.push(Check::degraded(
            "tls",
            format!("{url} is another machine, and what goes there is not encrypted"),
            "take rediss://, with store.tls_ca_file where the authority is your own",
        ));
    }
    if let Record::Postgres(url) = &config.record
        && !database_is_safe(url.expose())
    {
        checks.push(Check::degraded(
            "tls",
            "DATABASE_URL names another machine, and nothing there makes the connection encrypted",
            "add ?sslmode=verify-full, with sslrootcert where the authority is your own",
        ));
    }
    checks
}

fn leaves_the_machine(url: &RedisUrl) -> bool {
    !matches!(url.topology, Topology::Socket { .. }) && !url.hosts.iter().all(|(host, _)| is_this_machine(host))
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn database_is_safe(url: &str) -> bool {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let is_encrypted = ["require", "verify-ca", "verify-full"];
    let mode = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="));
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    };
    // Without a host it is a socket of this machine.
    host.is_empty() || is_this_machine(host) || mode.is_some_and(|mode| is_encrypted.contains(&mode))
}

/// Whether the data folder can be written to, where anything goes there.
fn folder(config: &Config) -> Check {
    let folder = &config.data_dir;
    if config.record != Record::Sqlite && config.secret.is_some() && config.management.key.is_some() {
        return Check::skipped("data folder", "nothing is kept in one");
    }
    let existing = folder.ancestors().map(|part| if part.as_os_str().is_empty() { Path::new(".") } else { part });
    let Some(existing) = existing.into_iter().find(|part| part.exists()) else {
        return Check::failed("data folder", format!("{} is nowhere", folder.display()), "set data_dir to a folder");
    };
    match tempfile::tempfile_in(existing) {
        Ok(_) if existing == folder => Check::ok("data folder", format!("{} can be written to", folder.display())),
        Ok(_) => Check::ok("data folder", format!("{} will be made", folder.display())),
        Err(error) => Check::failed(
            "data folder",
            format!("{} cannot be written to: {error}", folder.display()),
            "give the folder to the user that the server runs as, or set data_dir to another",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_elsewhere_needs_an_encrypted_connection() {
        for safe in [
            "postgres://localhost/db",
            "postgres://ada:s%40crt@127.0.0.1:5432/db",
            "postgres://[::1]:5432/db",
            "postgres:///db?host=/run/postgresql",
            "postgres://db.example.com/db?sslmode=verify-full",
            "postgres://db.example.com/db?application_name=x&sslmode=require",
        ] {
            assert!(database_is_safe(safe), "{safe}");
        }
        for unsafe_url in ["postgres://db.example.com/db", "postgres://ada:secret@10.0.0.7:5432/db?sslmode=prefer"] {
            assert!(!database_is_safe(unsafe_url), "{unsafe_url}");
        }
    }
}
