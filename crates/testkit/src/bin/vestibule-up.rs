//! `cargo xtask up`: the servers that the tests start, in the foreground, for a `vestibule` beside them.
//!
//! Everything listens on free ports of the loopback, lives in temporary folders and is gone at the end.

use std::{any::Any, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};
use vestibule_testkit::process::{Cluster, MASTER, Postgres, Redis, Sentinels};

const USAGE: &str = "\
usage: cargo xtask up [SET ...]

  redis       one Redis; what starts where no set is named
  sentinel    a master, a replica and three Sentinels
  cluster     a Redis Cluster of three masters and three replicas
  postgres    a Postgres with an empty database; may stand beside one of the others";

/// What was started, and the setting by which a server finds it.
struct Set {
    setting: String,
    /// Ends with its drop.
    _servers: Box<dyn Any>,
}

impl Set {
    fn start(name: &str) -> Option<Self> {
        Some(match name {
            "redis" => Self::of("REDIS_URL", Redis::start(), Redis::url),
            "sentinel" => Self::of("REDIS_URL", Sentinels::start(), sentinel_url),
            "cluster" => Self::of("REDIS_URL", Cluster::start(), Cluster::url),
            "postgres" => Self::of("DATABASE_URL", Postgres::start(), Postgres::database),
            _ => return None,
        })
    }

    fn of<T: 'static>(variable: &str, servers: T, url: impl Fn(&T) -> String) -> Self {
        Self { setting: format!("{variable}={}", url(&servers)), _servers: Box::new(servers) }
    }
}

fn sentinel_url(set: &Sentinels) -> String {
    let hosts = set.ports().map(|port| format!("127.0.0.1:{port}"));
    format!("redis+sentinel://{}/{MASTER}", hosts.join(","))
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names.push("redis".to_owned());
    }
    if names.iter().filter(|name| *name != "postgres").count() > 1
        || names.iter().filter(|name| *name == "postgres").count() > 1
    {
        eprintln!("one kind of Redis at a time\n\n{USAGE}");
        return ExitCode::from(2);
    }
    // Before anything is started, so that no server outlives a signal.
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        eprintln!("signals cannot be heard");
        return ExitCode::FAILURE;
    };
    let sets: Option<Vec<Set>> = tokio::task::block_in_place(|| names.iter().map(|name| Set::start(name)).collect());
    let Some(sets) = sets else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let settings: Vec<_> = sets.iter().map(|set| set.setting.as_str()).collect();
    println!("\n{} cargo run --release\n\nCtrl-C ends it.", settings.join(" "));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    ExitCode::SUCCESS
}
