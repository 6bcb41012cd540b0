//! The commands of development: `cargo xtask <command>`.
//!
//! Everything that a contributor or a build machine must do in a fixed way is a command here, so that both do the same.
//! Deliberately absent: anything that a released program needs.

mod bounds;
mod chaos;
mod ci;
mod failure;
mod need;
mod openapi;
mod process;
mod test;
mod tidy;

use failure::Failure;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--no-install] [ARGS]     install what the tests need, then run all of them; ARGS go to cargo test
  ci                             everything that must hold before a change lands; stops at the first failure
  tidy [--fix-requirements]      rules about the sources: imports, requirements, sizes, leftovers, links, paths
  openapi [--check]              write docs/openapi.json from the server, or compare it
  chaos [SECONDS]                break Redis under load in every way, SECONDS for each phase, and print the figures
  up [SET ...]                   start redis, sentinel, cluster or postgres for a server beside them, until Ctrl-C
  bench [ARGS]                   run the benchmarks of vestibule-bench";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match dispatch(command, rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(text) = failure.text() {
                eprintln!("xtask {command}: {text}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn dispatch(command: &str, args: &[String]) -> Result<(), Failure> {
    match command {
        "test" => test::command(args),
        "ci" => ci::command(),
        "tidy" => tidy::command(args),
        "openapi" => openapi::command(args),
        "chaos" => chaos::command(args),
        "up" => up(args),
        "bench" => bench(args),
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::new(format!("there is no such command\n\n{USAGE}"))),
    }
}

fn bench(args: &[String]) -> Result<(), Failure> {
    process::run(
        process::cargo().args(["run", "--release", "-p", "vestibule-bench", "--features", "references", "--"]).args(args),
    )
}

/// The fixtures of the tests, which this program does not depend on: `tidy` is to be built in a moment.
fn up(args: &[String]) -> Result<(), Failure> {
    process::replace(
        process::cargo().args(["run", "--quiet", "-p", "vestibule-testkit", "--bin", "vestibule-up", "--"]).args(args),
    )
}
