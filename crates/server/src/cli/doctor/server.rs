//! A server of ours that runs already: what it says of its health, and how fast it is.

use super::{Check, Client, Failure, Running};
use crate::config::{Config, Environment};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};
use vestibule::id::random;

/// Sessions that are begun, looked up and ended.
const ROUNDS: usize = 10;
/// A step that takes longer leaves little of a deadline of 250 ms.
const SLOW: Duration = Duration::from_millis(100);

/// Asks the server, if one is there. One that nobody named need not run.
pub(super) fn look(running: &Running<'_>, config: Option<&Config>, environment: &Environment) -> Vec<Check> {
    let url = match (running.url, config) {
        (Some(url), _) => url.to_owned(),
        (None, Some(config)) => format!("http://{}", reachable(config.management.listen)),
        (None, None) => return vec![Check::skipped("server", "where it would run is not known")],
    };
    let client = match client(&url, running, config, environment) {
        Ok(client) => client,
        Err(failure) if running.url.is_some() => {
            return vec![Check::failed("server", failure.to_string(), "set VESTIBULE_KEY or VESTIBULE_KEY_FILE")];
        }
        Err(_) => return vec![Check::skipped("server", "none has been started here")],
    };
    match client.send("GET", "/health", None) {
        Ok(answer) => asked(&client, answer.status, &answer.body),
        Err(failure) if running.url.is_some() => {
            vec![Check::failed("server", failure.to_string(), "start it with `vestibule serve`, or correct VESTIBULE_URL")]
        }
        Err(_) => vec![Check::skipped("server", format!("none runs at {url}"))],
    }
}

/// An address that listens everywhere is reached on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        false => listen,
    }
}

/// With the key of the environment, else the one of the configuration, else the one in its data folder.
fn client(url: &str, running: &Running<'_>, config: Option<&Config>, environment: &Environment) -> Result<Client, Failure> {
    let is_given = running.key_file.is_some() || environment.contains_key("VESTIBULE_KEY");
    match config {
        Some(config) if !is_given => match &config.management.key {
            Some(key) => Client::with_key(url, key.expose()),
            None => Client::new(url, Some(&generated(config)), environment),
        },
        _ => Client::new(url, running.key_file, environment),
    }
}

fn generated(config: &Config) -> PathBuf {
    config.data_dir.join("management.key")
}

fn asked(client: &Client, status: u16, health: &Value) -> Vec<Check> {
    let Some(components) = health["components"].as_object() else {
        let failure = Failure::Problem { status, body: health.clone() };
        return vec![Check::failed("server", failure.to_string(), "give the key of this server in VESTIBULE_KEY")];
    };
    let mut checks: Vec<Check> = components.iter().flat_map(|(name, component)| describe(name, component)).collect();
    if checks.is_empty() {
        checks.push(Check::ok("server", "runs, and every component is well"));
    }
    checks.push(speed(client));
    checks
}

/// What a component that is not well says of itself.
fn describe(name: &str, component: &Value) -> Vec<Check> {
    let status = component["status"].as_str().unwrap_or("unknown");
    if status == "ok" {
        return Vec::new();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = component["findings"].as_array().into_iter().flatten();
    let mut checks: Vec<Check> = findings
        .map(|found| Check::degraded("server", format!("{name}: {}", text(&found["what"])), text(&found["remedy"])))
        .collect();
    let detail = component["detail"].as_str();
    if detail.is_some() || checks.is_empty() {
        let detail = format!("{name} is {status}: {}", detail.unwrap_or("its log says why"));
        let fix = "see `vestibule health` and the log of the server";
        checks.push(match status {
            "degraded" => Check::degraded("server", detail, fix),
            _ => Check::failed("server", detail, fix),
        });
    }
    checks
}

/// Begins, looks up and ends a few sessions of a user who is nobody.
fn speed(client: &Client) -> Check {
    let user = format!("doctor-{:016x}", u64::from_le_bytes(random()));
    let measured = measure(client, &user);
    // Nothing of it is left, whatever came of it.
    let _ = client.delete(&format!("/v1/users/{user}"));
    let [create, validate, end] = match measured {
        Ok(medians) => medians,
        Err(failure) => {
            let fix = "see the log of the server by the request's id";
            return Check::failed("sessions", failure.to_string(), fix);
        }
    };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let text =
        format!("create {:.1} ms, validate {:.1} ms, end {:.1} ms (median of {ROUNDS})", ms(create), ms(validate), ms(end));
    match create.max(validate).max(end) <= SLOW {
        true => Check::ok("sessions", text),
        false => Check::degraded("sessions", text, "look at the load of this machine, and put the stores nearer to it"),
    }
}

fn measure(client: &Client, user: &str) -> Result<[Duration; 3], Failure> {
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let created = client.post("/v1/sessions", &json!({"user_id": user}))?;
        times[0].push(began.elapsed());
        let began = Instant::now();
        client.post("/v1/sessions/validate", &json!({"token": created["token"]}))?;
        times[1].push(began.elapsed());
        let id = created["session"]["id"].as_str().unwrap_or_default();
        let began = Instant::now();
        client.delete(&format!("/v1/sessions/{id}"))?;
        times[2].push(began.elapsed());
    }
    Ok(times.map(median))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
