//! `cargo xtask ci`: everything that must hold before a change lands. The cheap steps come first.

use crate::{failure::Failure, openapi, process, test, tidy};
use std::time::{Duration, Instant};

/// Runs all steps, stops at the first that fails, and ends with the summary of the tests.
pub(crate) fn command() -> Result<(), Failure> {
    let mut times = Times::default();
    let tested = steps(&mut times);
    times.print();
    let run = tested?;
    if run.code == 0 {
        println!("{}", run.summary);
        return Ok(());
    }
    println!("ci stopped at: test");
    println!("{}", run.summary);
    Err(Failure::told(run.code))
}

fn steps(times: &mut Times) -> Result<test::Run, Failure> {
    times.step("fmt", || process::run(process::cargo().args(["fmt", "--all", "--check"])))?;
    times.step("tidy", || tidy::command(&[]))?;
    times.step("clippy", || {
        process::run(process::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    times.step("doc", || {
        process::run(process::cargo().args(["doc", "--no-deps", "--workspace"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    times.step("openapi", openapi::check_if_there)?;
    times.step("test", || test::run(&[]))
}

/// How long each step took.
#[derive(Default)]
struct Times(Vec<(&'static str, Duration)>);

impl Times {
    /// Runs a step; its failure carries its name.
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        println!("== {name}");
        let start = Instant::now();
        let done = work();
        self.0.push((name, start.elapsed()));
        done.map_err(|failure| named(name, &failure))
    }

    fn print(&self) {
        for (name, time) in &self.0 {
            println!("{name:>8} {:7.1} s", time.as_secs_f64());
        }
    }
}

fn named(step: &str, failure: &Failure) -> Failure {
    Failure::new(format!("stopped at: {step} ({})", failure.text().unwrap_or("see above"))).with_code(failure.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_carries_the_name_of_its_step_and_its_code() {
        let mut times = Times::default();
        let failed = times.step("clippy", || Err::<(), _>(Failure::new("cargo failed").with_code(101)));
        let failure = failed.expect_err("the step fails");
        assert_eq!(failure.text(), Some("stopped at: clippy (cargo failed)"));
        assert_eq!(failure.code(), 101);
        assert_eq!(times.0.len(), 1, "a failed step has a time, too");
    }
}
