//! The benchmarks behind `cargo xtask bench`: each figure beside its reference, measured in the same run, and its bar.
//!
//! `cargo xtask bench [--quick] [NAMES]`, where a name is a module below: `validate`, `verify`, `memory`, `forward_auth`, `create`,
//! `start`, and over Redis `redis_forward_auth`, `redis_create`, `redis_memory`, `redis_end_all`, `redis_limit`, `redis_lease`. A run of everything writes the table of `docs/performance.md`.
//!
//! What is measured runs in a process of its own, pinned to the first core; load comes from the second. This program starts
//! itself again for the parts that it plays, see [`role`]. Deliberately absent: thresholds in tests. A shared machine is too
//! noisy for them, and what can be counted exactly is counted there instead.

mod bounds;
mod callers;
mod create;
mod fixture;
mod forward_auth;
mod load;
mod memory;
mod process;
mod raw_log;
mod redis;
mod reference;
mod report;
mod role;
mod start;
mod validate;
mod verify;

use bounds::Scale;
use report::Report;
use std::process::ExitCode;

/// One line for the terminal is all that a failed benchmark tells.
type Error = Box<dyn std::error::Error + Send + Sync>;

const NAMES: [&str; 12] = [
    "validate",
    "verify",
    "memory",
    "forward_auth",
    "create",
    "start",
    "redis_forward_auth",
    "redis_create",
    "redis_memory",
    "redis_end_all",
    "redis_limit",
    "redis_lease",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "role" => role::play(rest),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Error> {
    let (flags, names): (Vec<&str>, Vec<&str>) = arguments.iter().map(String::as_str).partition(|word| word.starts_with("--"));
    if flags.iter().any(|flag| *flag != "--quick") || names.iter().any(|name| !NAMES.contains(name)) {
        return Err(format!("usage: bench [--quick] [{}]", NAMES.join("|")).into());
    }
    let scale = if flags.is_empty() { Scale::FULL } else { Scale::QUICK };
    let wanted = |name| names.is_empty() || names.contains(&name);
    let mut report = Report::default();
    // One after the other: each wants the machine for itself.
    if wanted("validate") {
        validate::measure(&scale, &mut report)?;
    }
    if wanted("verify") {
        verify::measure(&scale, &mut report)?;
    }
    if wanted("memory") {
        memory::measure(&scale, &mut report)?;
    }
    if wanted("forward_auth") {
        forward_auth::measure(&scale, &mut report)?;
    }
    if wanted("create") {
        create::measure(&scale, &mut report)?;
    }
    if wanted("start") {
        start::measure(&scale, &mut report)?;
    }
    if wanted("redis_forward_auth") {
        redis::forward_auth::measure(&scale, &mut report)?;
    }
    if wanted("redis_create") {
        redis::create::measure(&scale, &mut report)?;
    }
    if wanted("redis_memory") {
        redis::memory::measure(&mut report)?;
    }
    if wanted("redis_end_all") {
        redis::end_all::measure(&scale, &mut report)?;
    }
    if wanted("redis_limit") {
        redis::limit::measure(&scale, &mut report)?;
    }
    if wanted("redis_lease") {
        redis::lease::measure(&scale, &mut report)?;
    }
    println!("\n{}", report.table());
    if names.is_empty() && flags.is_empty() { report.write() } else { Ok(()) }
}
