//! Redis from the distribution, without persistence.

use super::{
    Program, free_port,
    tls::{Certificates, text},
    wait_for,
};
use crate::bounds::START;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
};
use tempfile::TempDir;

/// A running Redis on a free port of the loopback. Its folder is its own, and nothing of it survives the drop.
#[derive(Debug)]
pub struct Redis {
    program: Mutex<Program>,
    port: u16,
    bus: Option<u16>,
    arguments: Vec<String>,
    dir: TempDir,
}

/// Databases of a server, so that tests may share one.
const DATABASES: usize = 1_024;

/// Tries of a start, since another program may take the free port first.
pub(super) const TRIES: usize = 5;

impl Redis {
    /// Starts a server.
    ///
    /// # Panics
    /// Where `redis-server` is not installed or does not start in time.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more arguments, such as `--requirepass` and a password. It must answer without one all the same, or
    /// say that it wants one.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let dir = folder();
        for _ in 0..TRIES {
            let port = free_port();
            if let Some(program) = launch(&mut server(&dir, port, None, &arguments), &dir, port) {
                return Self { program: Mutex::new(program), port, bus: None, arguments, dir };
            }
        }
        panic!("redis found no free port {TRIES} times");
    }

    /// Starts a server that also speaks TLS, on the returned port, by a certificate of this name, and only to clients with a
    /// certificate of the same authority.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_tls(certificates: &Certificates, name: &str) -> (Self, u16) {
        let port = free_port();
        let (certificate, key) = (text(&certificates.certificate(name)), text(&certificates.key(name)));
        let (port_text, authority) = (port.to_string(), text(&certificates.certificate("ca")));
        let server = Self::start_with(&[
            "--tls-port",
            &port_text,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &authority,
        ]);
        (server, port)
    }

    /// Starts a server that waits for others to form a cluster with.
    pub(super) fn start_clustered() -> Self {
        let dir = folder();
        for _ in 0..TRIES {
            let (port, bus) = (free_port(), free_port());
            if let Some(program) = launch(&mut server(&dir, port, Some(bus), &[]), &dir, port) {
                return Self { program: Mutex::new(program), port, bus: Some(bus), arguments: Vec::new(), dir };
            }
        }
        panic!("a node of a cluster found no free port {TRIES} times");
    }

    /// The port by which the nodes of a cluster talk to each other.
    #[must_use]
    pub fn bus_port(&self) -> Option<u16> {
        self.bus
    }

    /// Its name in a cluster.
    ///
    /// # Panics
    /// Where it does not answer.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        let answer = self.command("CLUSTER MYID");
        answer.lines().nth(1).expect("a node has a name").trim().to_owned()
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.lock().unwrap_or_else(PoisonError::into_inner).pid()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Like [`Self::command`], of a server that may be gone.
    #[must_use]
    pub fn try_command(&self, line: &str) -> Option<String> {
        ask(self.port, line).ok()
    }

    /// Sends a command, as an operator would, and returns the answer as it came.
    ///
    /// # Panics
    /// Where the server does not answer.
    #[must_use]
    pub fn command(&self, line: &str) -> String {
        ask(self.port, line).expect("redis answers")
    }

    /// Ends the server as power loss of its process would.
    ///
    /// # Panics
    /// Where the operating system refuses.
    pub fn kill(&self) {
        self.program.lock().unwrap_or_else(PoisonError::into_inner).kill();
    }

    /// Starts it again on the same port, with what its command SAVE last kept, if it was ever sent.
    ///
    /// # Panics
    /// Where it does not start in time.
    pub fn restart(&self) {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.kill();
        *program =
            wait_for(START, || launch(&mut server(&self.dir, self.port, self.bus, &self.arguments), &self.dir, self.port))
                .expect("redis starts again");
    }
}

/// One line out, one answer back, without the one to our good-bye.
pub(super) fn ask(port: u16, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(format!("{line}\r\nQUIT\r\n").as_bytes())?;
    // A Sentinel knows no QUIT and ends with the end of what it is sent.
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Ok(answer.strip_suffix("+OK\r\n").map_or(answer.clone(), str::to_owned))
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("vestibule-redis-").tempdir().expect("a folder for redis")
}

fn server(dir: &TempDir, port: u16, bus: Option<u16>, arguments: &[String]) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.arg("--port").arg(port.to_string()).arg("--dir").arg(dir.path());
    match bus {
        None => command.arg("--databases").arg(DATABASES.to_string()),
        Some(bus) => command.args(CLUSTERED).arg("--cluster-port").arg(bus.to_string()),
    };
    command.args(arguments);
    command
}

/// A silence of a second is a death, and what others have is served on.
const CLUSTERED: [&str; 6] =
    ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"];

/// Starts a server and waits until it answers; `None` where it ended, as it does when the port was taken.
pub(super) fn launch(command: &mut Command, dir: &TempDir, port: u16) -> Option<Program> {
    let mut program = Program::start("redis-server", command, dir.path());
    let ready = wait_for(START, || match program.ended() {
        Some(_) => Some(false),
        None => ask(port, "PING").is_ok_and(|answer| answer.contains("PONG") || answer.contains("NOAUTH")).then_some(true),
    });
    ready.expect("redis answers when it is ready").then_some(program)
}
