//! `vestibule bench`

use super::{client::Client, failure::Failure, output::Output, sessions};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};
use vestibule::time::parse_duration;

/// The longest load.
const DURATION: Duration = Duration::from_secs(3_600);
/// Every how many requests a worker moves the bar.
const STEP: usize = 64;

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// Check one token per worker again and again
    Validate,
    /// Start sessions, each of which pushes out an older one of its user once there are as many as allowed
    Create,
}

#[derive(Args)]
pub(super) struct Bench {
    /// What to ask
    #[arg(value_enum, default_value = "validate")]
    work: Work,
    /// Connections at the same time
    #[arg(long, default_value_t = 8, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=512))]
    concurrency: u16,
    /// How long, e.g. 5s
    #[arg(long, default_value = "5s")]
    duration: String,
}

/// What one worker measured.
#[derive(Default)]
struct Measured {
    latencies_us: Vec<u32>,
    failed: u64,
}

impl Bench {
    /// Runs the load, ends the sessions it made, and prints what it measured. Exit code 1 where a request failed.
    pub(super) fn run(self, client: &Client, output: Output) -> Result<ExitCode, Failure> {
        let duration = parse_duration(&self.duration).ok().filter(|duration| !duration.is_zero() && *duration <= DURATION);
        let duration = duration.ok_or_else(|| Failure::usage("--duration is a time such as 5s or 1m, an hour at most"))?;
        // A name of its own for every run: two runs side by side do not end each other's sessions.
        let run = run_name();
        let bar = ProgressBar::new(duration.as_millis() as u64).with_style(style());
        let started = Instant::now();
        let measured: Result<Vec<Measured>, Failure> = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.concurrency)
                .map(|worker| {
                    let (client, bar, user) = (client.another(), bar.clone(), format!("bench-{run}-{worker}"));
                    scope.spawn(move || work(&client, self.work, &user, started, duration, &bar))
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err(Failure::usage("a worker panicked"))))
                .collect()
        });
        bar.finish_and_clear();
        let elapsed = started.elapsed();
        for worker in 0..self.concurrency {
            sessions::end_all(client, &format!("bench-{run}-{worker}"), None, false)?;
        }
        let report = report(measured?, elapsed, self.concurrency);
        output.object(&report, &report)?;
        Ok(if report["failed"] == json!(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// A name that no other run has.
fn run_name() -> String {
    let bytes: [u8; 6] = vestibule::id::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:40} {percent}% {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn work(
    client: &Client,
    work: Work,
    user: &str,
    started: Instant,
    duration: Duration,
    bar: &ProgressBar,
) -> Result<Measured, Failure> {
    let new = json!({ "user_id": user });
    // The first request also opens the connection and tells early that the key or the address is wrong.
    let session = client.post("/v1/sessions", &new)?;
    let (path, body) = match work {
        Work::Validate => ("/v1/sessions/validate", json!({ "token": session["token"] })),
        Work::Create => ("/v1/sessions", new),
    };
    let mut measured = Measured::default();
    while started.elapsed() < duration {
        let sent = Instant::now();
        match client.send("POST", path, Some(&body)) {
            Ok(answer) if answer.status < 300 => {
                measured.latencies_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(_) | Err(_) => measured.failed += 1,
        }
        if measured.latencies_us.len().is_multiple_of(STEP) {
            bar.set_position(started.elapsed().as_millis() as u64);
        }
    }
    Ok(measured)
}

fn report(measured: Vec<Measured>, elapsed: Duration, concurrency: u16) -> Value {
    let failed: u64 = measured.iter().map(|worker| worker.failed).sum();
    let mut latencies: Vec<u32> = measured.into_iter().flat_map(|worker| worker.latencies_us).collect();
    latencies.sort_unstable();
    json!({
        "requests": latencies.len(),
        "failed": failed,
        "concurrency": concurrency,
        "seconds": round(elapsed.as_secs_f64()),
        "requests_per_second": round(latencies.len() as f64 / elapsed.as_secs_f64()),
        "p50_ms": percentile(&latencies, 50.0),
        "p90_ms": percentile(&latencies, 90.0),
        "p99_ms": percentile(&latencies, 99.0),
        "p999_ms": percentile(&latencies, 99.9),
        "max_ms": percentile(&latencies, 100.0),
    })
}

/// The smallest latency that so many percent do not exceed (nearest rank), in milliseconds; null without any.
fn percentile(sorted_us: &[u32], percent: f64) -> Option<f64> {
    let rank = (percent / 100.0 * sorted_us.len() as f64).ceil() as usize;
    sorted_us.get(rank.saturating_sub(1)).map(|us| f64::from(*us) / 1_000.0)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let latencies: Vec<u32> = (1..=100).map(|ms| ms * 1_000).collect();
        assert_eq!(percentile(&latencies, 50.0), Some(50.0));
        assert_eq!(percentile(&latencies, 99.0), Some(99.0));
        assert_eq!(percentile(&latencies, 100.0), Some(100.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
