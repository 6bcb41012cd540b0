//! `cargo xtask chaos`: the tests that break Redis under load, in their long form.

use crate::{failure::Failure, need, process};

/// How long each phase of a scenario lasts unless told otherwise, in seconds.
const SECONDS: &str = "10";
/// Sessions that begin and expire in the search for keys that stay.
const CYCLES: &str = "100000";

/// Runs the scenarios one by one with their figures, then the count of keys.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let seconds = match args {
        [] => SECONDS,
        [seconds] if seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0) => seconds,
        _ => return Err(Failure::new("usage: cargo xtask chaos [SECONDS]")),
    };
    need::provide(true)?;
    process::run(process::cargo().args(["build", "-p", "vestibule-server"]))?;
    let scenarios = ["test", "-p", "vestibule-server", "--test", "server", "--", "--nocapture", "--test-threads=1"];
    process::run(process::cargo().args(scenarios).args(["chaos::", "isolation::"]).env("VESTIBULE_CHAOS_SECONDS", seconds))?;
    let counts = ["test", "-p", "vestibule-redis", "--test", "redis", "--", "--nocapture", "cycles_leave"];
    process::run(process::cargo().args(counts).env("VESTIBULE_TEST_CYCLES", CYCLES))
}
