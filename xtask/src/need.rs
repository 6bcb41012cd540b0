//! Programs that the tests start, and how to get them.
//!
//! A new program is one line of [`NEEDS`]. Installing is done by the system's package manager and only for what is missing.

use crate::{failure::Failure, process};
use std::{io::IsTerminal, path::PathBuf, process::Command};

/// A program that tests start.
struct Need {
    program: &'static str,
    /// The Debian package that brings it.
    package: &'static str,
    purpose: &'static str,
}

const NEEDS: &[Need] = &[
    Need { program: "nginx", package: "nginx-light", purpose: "stands in front of the server and asks it by auth_request" },
    Need { program: "initdb", package: "postgresql", purpose: "founds databases for the record on Postgres" },
    Need { program: "openssl", package: "openssl", purpose: "makes certificates for Redis by TLS" },
    Need { program: "redis-server", package: "redis-server", purpose: "holds the sessions of the store on Redis" },
];

/// Where Debian keeps the programs of Postgres, below the number of their version.
const POSTGRES: &str = "/usr/lib/postgresql";

/// Says what the tests need and installs what is missing, unless that is not wanted.
pub(crate) fn provide(install_missing: bool) -> Result<(), Failure> {
    for need in NEEDS {
        let state = if find(need.program).is_some() { "is here" } else { "is missing" };
        println!("needs {}: {}; {state}", need.program, need.purpose);
    }
    let packages: Vec<&str> = missing().map(|need| need.package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if !install_missing {
        return Err(by_hand(&packages, "installing was not wanted"));
    }
    install(&packages)?;
    match missing().next() {
        None => Ok(()),
        Some(need) => {
            Err(Failure::new(format!("the package {} was installed, but there is no {}", need.package, need.program)))
        }
    }
}

fn missing() -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(|need| find(need.program).is_none())
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    if find("apt-get").is_none() {
        return Err(by_hand(packages, "there is no apt-get"));
    }
    let root = is_root();
    if !root && find("sudo").is_none() {
        return Err(by_hand(packages, "neither root nor sudo"));
    }
    // A stale list of packages is still worth a try: the package may be in a cache.
    if process::run(apt(root).args(["update", "-q"])).is_err() {
        println!("the list of packages could not be refreshed; trying without");
    }
    process::run(apt(root).args(["install", "-q", "-y", "--no-install-recommends"]).args(packages))
        .map_err(|_| by_hand(packages, "apt-get failed"))
}

/// `apt-get` that asks nothing; `sudo` may ask for a password only where somebody can type one.
fn apt(root: bool) -> Command {
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        command.args((!std::io::stdin().is_terminal()).then_some("-n"));
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn by_hand(packages: &[&str], why: &str) -> Failure {
    Failure::new(format!("{why}: please install {} with your package manager and run this again", packages.join(" ")))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Daemons are kept outside the PATH of ordinary users.
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    let versions = std::fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file())
}
