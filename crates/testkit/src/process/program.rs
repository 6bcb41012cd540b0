//! A child process with its output in files.

use super::wait_for;
use crate::bounds::STOP;
use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// A port of the loopback that nobody listened on a moment ago.
///
/// # Panics
/// Where the machine has no free port.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// A running program. Killed on drop.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    folder: PathBuf,
}

impl Program {
    /// Starts a program that writes into `stdout.log` and `stderr.log` of a folder; what earlier ones wrote there is kept.
    ///
    /// # Panics
    /// Where the program cannot be started.
    #[must_use]
    pub fn start(name: &'static str, command: &mut Command, folder: &Path) -> Self {
        let log = |file: &str| {
            let file = File::options().create(true).append(true).open(folder.join(file));
            Stdio::from(file.expect("a file in the test's folder"))
        };
        let started = command.stdin(Stdio::null()).stdout(log("stdout.log")).stderr(log("stderr.log")).spawn();
        let child = started.unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { name, child, folder: folder.into() }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it and its forerunners in the same folder printed.
    #[must_use]
    pub fn stdout(&self) -> String {
        read_log(&self.folder, "stdout.log")
    }

    /// What it and its forerunners in the same folder logged.
    #[must_use]
    pub fn stderr(&self) -> String {
        read_log(&self.folder, "stderr.log")
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// Where the operating system does not tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it has not ended within [`STOP`].
    pub fn wait(&mut self) -> ExitStatus {
        let ended = wait_for(STOP, || self.ended());
        ended.unwrap_or_else(|| panic!("{} does not end\n{}", self.name, self.stderr()))
    }

    /// Ends it as power loss would: it gets no chance to do anything.
    ///
    /// # Panics
    /// Where the operating system refuses.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.child.kill().expect("a child can be killed");
            self.child.wait().expect("a child can be waited for");
        }
    }

    /// Asks it to end and waits for it.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal by its name without `SIG`.
    ///
    /// # Panics
    /// Where the shell cannot be started.
    pub fn signal(&mut self, signal: &str) {
        if self.ended().is_none() {
            let kill = format!("kill -{signal} {}", self.pid());
            Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- {} ----\n{}{}", self.name, self.stdout(), self.stderr());
        }
    }
}

fn read_log(folder: &Path, file: &str) -> String {
    std::fs::read(folder.join(file)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
