//! `vestibule passwords calibrate`

use super::{Failure, Output};
use clap::Args;
use serde_json::json;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use vestibule::{
    password::{HashParams, Hasher, Password, PoolConfig, bounds},
    time::parse_duration,
};

/// Hashes that are made to find out how long one takes; the quickest counts, since nothing makes one quicker than it is.
const ROUNDS: u32 = 3;
/// A step of memory, so that what is printed reads well.
const STEP_KIB: u32 = 1_024;

/// Finds the cost of a hash that takes as long as wished on this machine.
#[derive(Args)]
pub(in super::super) struct Calibrate {
    /// How long one hash should take
    #[arg(long, default_value = "250ms", value_name = "DURATION")]
    target: String,
    /// Most memory of one hash, in MiB
    #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u32).range(19..=256))]
    memory: u32,
}

impl Calibrate {
    pub(super) fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let target = parse_duration(&self.target).map_err(|_| Failure::usage("--target: expected a duration such as 250ms"))?;
        let params = find(target, self.memory * 1_024);
        let took = time(params);
        let workers = PoolConfig::default().workers;
        let text = told(params, took, workers, took > target * 2);
        let answer = json!({
            "hash_memory_kib": params.memory_kib(),
            "hash_passes": params.passes(),
            "hash_lanes": params.lanes(),
            "hash_ms": millis(took),
            "workers": workers,
            "toml": text,
        });
        if output.json {
            output.json(&answer)?
        } else {
            output.text(&text)?
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// As much memory as is allowed, since that is dearest to whoever guesses, and then passes; never less than the default.
fn find(target: Duration, memory_most_kib: u32) -> HashParams {
    let least = HashParams::default();
    let least_work = u64::from(least.memory_kib()) * u64::from(least.passes());
    let nanos = time(least).as_nanos().max(1);
    let affordable = u64::try_from(target.as_nanos() * u128::from(least_work) / nanos).unwrap_or(u64::MAX);
    let affordable = affordable.clamp(least_work, bounds::WORK_KIB);
    let memory = u32::try_from(affordable / u64::from(least.passes())).unwrap_or(u32::MAX).min(memory_most_kib);
    let memory = (memory / STEP_KIB * STEP_KIB).max(least.memory_kib());
    let passes = u32::try_from(affordable / u64::from(memory)).unwrap_or(bounds::PASSES).clamp(least.passes(), bounds::PASSES);
    HashParams::new(memory, passes, least.lanes()).unwrap_or(least)
}

fn time(params: HashParams) -> Duration {
    let hasher = Hasher::new(params);
    let Ok(password) = Password::new("a password like any other") else { return Duration::MAX };
    let round = |_| {
        let began = Instant::now();
        hasher.hash(&password).map_or(Duration::MAX, |_| began.elapsed())
    };
    (0..ROUNDS).map(round).min().unwrap_or(Duration::MAX)
}

fn told(params: HashParams, took: Duration, workers: usize, is_over: bool) -> String {
    let memory = params.memory_kib() / 1_024;
    let (passes, lanes) = (params.passes(), params.lanes());
    let a_second = workers as f64 / took.as_secs_f64();
    let over = if is_over { "# This is the least that may be configured, and takes longer than wished.\n" } else { "" };
    format!(
        "# argon2id here: {} ms a hash; {workers} workers make {a_second:.0} a second and take {} MiB.\n{over}[passwords]\n\
         hash_memory = \"{memory}MiB\"\nhash_passes = {passes}\nhash_lanes = {lanes}",
        millis(took),
        memory as usize * workers,
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_can_be_configured_and_follows_the_wish() {
        let quick = find(Duration::from_millis(1), 64 * 1_024);
        assert_eq!(quick, HashParams::default(), "never less than the default");
        let slow = find(Duration::from_secs(3_600), 64 * 1_024);
        assert_eq!((slow.memory_kib(), slow.passes()), (65_536, 16), "bounded by the work of one hash");
    }
}
