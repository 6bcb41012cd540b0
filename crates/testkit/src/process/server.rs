//! The server, started as its users start it.

use super::{Program, get, wait_for};
use crate::bounds::START;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};
use tempfile::TempDir;

/// What a test wants different from a plain start.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Environment beside addresses, secret, key and data folder; wins over them.
    pub env: Vec<(String, String)>,
    /// Arguments after `serve`.
    pub args: Vec<String>,
    /// Text of a configuration file; none is written without.
    pub config: Option<String>,
    /// Words of a shell that run in its process before it, such as `trap '' XFSZ`.
    pub shell: Option<String>,
}

impl ServerOptions {
    /// Sets a variable of the environment, e.g. `VESTIBULE_SESSIONS__CAP`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets the text of the configuration file.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.into());
        self
    }

    /// Sets what a shell does before it becomes the server.
    #[must_use]
    pub fn shell(mut self, words: &str) -> Self {
        self.shell = Some(words.into());
        self
    }
}

/// A server that did not start.
#[derive(Debug)]
pub struct Refused {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

/// A running server on two free ports of the loopback, with a data folder of its own.
#[derive(Debug)]
pub struct Server {
    /// Address of the public listener, as `http://127.0.0.1:PORT`.
    pub public: String,
    /// Address of the management listener.
    pub management: String,
    /// A management key with all scopes.
    pub key: String,
    // Dropped before the folder with its logs, which it shows where a test fails.
    program: Program,
    /// The folder of the test: `data/`, `vestibule.toml` if any, `stdout.log`, `stderr.log`.
    pub dir: TempDir,
    options: ServerOptions,
    secret: String,
}

fn random_text(prefix: &str) -> String {
    let bytes: [u8; 24] = vestibule_core::id::random();
    bytes.iter().fold(prefix.to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

impl Server {
    /// Starts a server and waits until it is ready.
    ///
    /// # Panics
    /// Where it ends or is not ready in time, with what it logged.
    #[must_use]
    pub fn start(options: ServerOptions) -> Self {
        match Self::try_start(options) {
            Ok(server) => server,
            Err(refused) => panic!("the server ended: {}\n{}{}", refused.status, refused.stdout, refused.stderr),
        }
    }

    /// Starts a server that may refuse to.
    ///
    /// # Errors
    /// [`Refused`] where it ended before it was ready.
    ///
    /// # Panics
    /// Where it neither ends nor gets ready in time.
    pub fn try_start(options: ServerOptions) -> Result<Self, Refused> {
        Self::begin(options, is_ready)
    }

    /// Starts a server whose stores are not there: it has told its addresses and need not be ready.
    ///
    /// # Panics
    /// Where it ends, or tells no addresses in time.
    #[must_use]
    pub fn start_waiting(options: ServerOptions) -> Self {
        match Self::begin(options, |_| true) {
            Ok(server) => server,
            Err(refused) => panic!("the server ended: {}\n{}{}", refused.status, refused.stdout, refused.stderr),
        }
    }

    fn begin(options: ServerOptions, has_begun: fn(&str) -> bool) -> Result<Self, Refused> {
        let dir = tempfile::Builder::new().prefix("vestibule-test-").tempdir().expect("a folder for the test");
        std::fs::create_dir(dir.path().join("data")).expect("a folder for the data");
        if let Some(text) = &options.config {
            std::fs::write(dir.path().join("vestibule.toml"), text).expect("a file in the test's folder");
        }
        let (secret, key) = (random_text("test-secret-"), random_text("vk_test_"));
        let mut program = launch(&options, dir.path(), &secret, &key);
        let (public, management) = await_addresses(&mut program, 0, has_begun)?;
        Ok(Self { public, management, key, dir, options, secret, program })
    }

    /// The folder with the record.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// What it printed since its first start.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.program.stdout()
    }

    /// What it logged since its first start.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.program.stderr()
    }

    /// Its configured secret, for tests that look for it where it must not be.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Ends it like `kill -9`.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Asks it to end and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.program.terminate()
    }

    /// Sends it a signal by its name without `SIG`.
    pub fn signal(&mut self, signal: &str) {
        self.program.signal(signal);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        self.program.wait()
    }

    /// Starts it again, killed first if need be, on the same data with the same secret and key, on new ports.
    ///
    /// # Panics
    /// Where it does not come back.
    pub fn restart(&mut self) {
        if let Err(refused) = self.try_restart() {
            panic!("the server did not come back: {}\n{}{}", refused.status, refused.stdout, refused.stderr);
        }
    }

    /// Like [`Self::restart`], for data that a server may refuse.
    ///
    /// # Errors
    /// [`Refused`] where it ended before it was ready.
    ///
    /// # Panics
    /// Where it neither ends nor gets ready in time.
    pub fn try_restart(&mut self) -> Result<(), Refused> {
        self.kill();
        let printed = self.stdout().len();
        self.program = launch(&self.options, self.dir.path(), &self.secret, &self.key);
        (self.public, self.management) = await_addresses(&mut self.program, printed, is_ready)?;
        Ok(())
    }

    /// A command of the same binary (`sessions list`, ...) with the management address and key in its environment.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().current_dir(self.dir.path());
        command.env("VESTIBULE_URL", &self.management).env("VESTIBULE_KEY", &self.key).env("HOME", self.dir.path());
        command
    }
}

fn launch(options: &ServerOptions, dir: &Path, secret: &str, key: &str) -> Program {
    let mut command = match &options.shell {
        None => Command::new(binary()),
        Some(words) => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &format!("{words}; exec \"$0\" \"$@\"")]).arg(binary());
            shell
        }
    };
    command.arg("serve");
    if options.config.is_some() {
        command.arg("--config").arg(dir.join("vestibule.toml"));
    }
    command.args(&options.args).env_clear().current_dir(dir);
    command.env("HOME", dir).env("VESTIBULE_DATA_DIR", dir.join("data"));
    command.env("VESTIBULE_SECRET", secret).env("VESTIBULE_MANAGEMENT__KEY", key);
    // A machine that builds and tests at once may hold a call up for longer than a user would wait. What is tested is not the
    // deadline, unless a test sets it.
    command.env("VESTIBULE_STORE__TIMEOUT", "10s");
    command.env("VESTIBULE_PUBLIC__LISTEN", "127.0.0.1:0").env("VESTIBULE_MANAGEMENT__LISTEN", "127.0.0.1:0");
    command.envs(options.env.iter().map(|(name, value)| (name, value)));
    Program::start("vestibule", &mut command, dir)
}

fn is_ready(public: &str) -> bool {
    get("/readyz").try_send(public).is_ok_and(|answer| answer.status == 200)
}

/// Waits for both addresses behind what was printed before, and then for what is asked of the public one.
fn await_addresses(program: &mut Program, printed: usize, has_begun: fn(&str) -> bool) -> Result<(String, String), Refused> {
    let addresses = wait_for(START, || {
        let stdout = program.stdout();
        let news = stdout.get(printed..).unwrap_or_default();
        if let (Some(public), Some(management)) = (address(news, "public"), address(news, "management"))
            && has_begun(&public)
        {
            return Some(Ok((public, management)));
        }
        let status = program.ended()?;
        Some(Err(Refused { status, stdout: program.stdout(), stderr: program.stderr() }))
    });
    addresses.unwrap_or_else(|| panic!("the server is not ready in time\n{}{}", program.stdout(), program.stderr()))
}

/// The address in a line such as `public  listening on http://127.0.0.1:8378`.
fn address(stdout: &str, listener: &str) -> Option<String> {
    let line = stdout.lines().find(|line| line.trim_start().starts_with(listener) && line.contains(" listening on "))?;
    let from = line.find("http://")?;
    let complete = stdout.contains(&format!("{line}\n"));
    complete.then(|| line[from..].split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_owned())
}

/// The built server: `VESTIBULE_BIN`, what cargo names in tests of its package, or the one beside the test.
///
/// # Panics
/// Where there is none.
fn binary() -> PathBuf {
    for name in ["VESTIBULE_BIN", "CARGO_BIN_EXE_vestibule"] {
        if let Some(path) = std::env::var_os(name) {
            return path.into();
        }
    }
    let test = std::env::current_exe().expect("a test has a path");
    let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join("vestibule")).find(|path| path.is_file());
    beside.expect("the server is built: cargo build -p vestibule-server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_whole_lines_only() {
        let printed =
            "Vestibule\n  public     listening on http://127.0.0.1:4001\nmanagement listening on http://127.0.0.1:4002 (key)\n";
        assert_eq!(address(printed, "public").as_deref(), Some("http://127.0.0.1:4001"));
        assert_eq!(address(printed, "management").as_deref(), Some("http://127.0.0.1:4002"));
        assert_eq!(address("public listening on http://127.0.0.1:40", "public"), None);
    }
}
