//! Running other programs, with the command shown first.

use crate::failure::Failure;
use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

/// The root of the repository. Cargo names the package's folder at run time, so a moved checkout needs no rebuild.
pub(crate) fn root() -> PathBuf {
    let package =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or(package.clone(), PathBuf::from)
}

/// The cargo that runs this program, at the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command with the terminal's input and output.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    show(command);
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    check(command, status)
}

/// Becomes a command, so that signals reach it and nothing else. Returns only where that fails.
pub(crate) fn replace(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;
    show(command);
    let error = command.exec();
    Err(cannot_start(command, &error))
}

/// Runs a command and returns what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| cannot_start(command, &error))?;
    check(command, output.status)?;
    String::from_utf8(output.stdout).map_err(|_| Failure::new(format!("{} printed bytes that are not UTF-8", name(command))))
}

/// Prints a command as one could type it.
pub(crate) fn show(command: &Command) {
    let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    println!("$ {} {}", name(command), words.join(" "));
}

/// The failure of a command that could not even start.
pub(crate) fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start {}: {error}", name(command)))
}

/// The exit code of a finished command; 1 where a signal ended it.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn check(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{} failed: {status}", name(command))).with_code(exit_code(status)))
}

fn name(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}
