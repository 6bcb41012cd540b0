//! Development commands.

use std::process::{Command, ExitCode};

/// Programs that the tests start, and the Debian packages that bring them.
const NEEDED: &[(&str, &str)] = &[("/usr/sbin/nginx", "nginx-light")];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("test") => test(),
        _ => {
            eprintln!("usage: cargo xtask test");
            ExitCode::FAILURE
        }
    }
}

fn test() -> ExitCode {
    for (program, package) in NEEDED {
        if !std::path::Path::new(program).exists() && !install(package) {
            eprintln!("the tests need {program}: install the package {package}");
            return ExitCode::FAILURE;
        }
    }
    for arguments in [&["build", "--package", "vestibule-server"][..], &["test", "--workspace"]] {
        println!("running: cargo {}", arguments.join(" "));
        if !run("cargo", arguments) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn install(package: &str) -> bool {
    println!("installing {package}: apt-get install {package}");
    run("apt-get", &["update", "-qq"]) && run("apt-get", &["install", "-y", "-qq", package])
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
}
