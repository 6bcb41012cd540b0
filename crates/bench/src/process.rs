//! Processes that are measured: started on a core of their own, looked at through `/proc`, ended with their value.

use crate::{Error, bounds, fixture};
use std::{
    ffi::OsStr,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Ticks of a second in which the kernel counts a process's time.
const TICKS: f64 = 100.0;

/// A command that runs on one core only, where the machine has more than one.
fn pinned(core: usize, program: &Path) -> Command {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > core) {
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).arg(program);
        return command;
    }
    Command::new(program)
}

/// This program in another part, on the first core.
pub(crate) fn role(words: &[&str]) -> Result<Command, Error> {
    let mut command = pinned(0, &std::env::current_exe()?);
    command.arg("role").args(words);
    Ok(command)
}

/// The load, on the second core: one request of the file after the other over each connection. Returns numbers, see
/// [`crate::load::run`].
pub(crate) fn load(address: &str, requests: &Path, time: Duration) -> Result<Vec<f64>, Error> {
    let mut command = pinned(1, &std::env::current_exe()?);
    command.args(["role", "load", address]).arg(requests).arg(time.as_millis().to_string());
    numbers(command)
}

/// Runs a part to its end and reads the numbers that it printed.
pub(crate) fn numbers(mut command: Command) -> Result<Vec<f64>, Error> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a part of the measurement failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().map(|word| Ok(word.parse()?)).collect()
}

/// A free address of the loopback.
pub(crate) fn free_address() -> Result<String, Error> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// A server under measurement.
pub(crate) struct Running {
    child: Child,
    /// Where it answers browsers and proxies.
    pub(crate) public: String,
    /// Where it answers backends.
    pub(crate) management: String,
    /// From its start to its first answer.
    pub(crate) started_in: Duration,
}

impl Running {
    /// The floor: bare axum.
    pub(crate) fn bare() -> Result<Self, Error> {
        let address = free_address()?;
        let command = role(&["bare", &address])?;
        Self::start(command, address.clone(), address)
    }

    /// The reference for sessions on Redis.
    pub(crate) fn reference(redis: &str) -> Result<Self, Error> {
        let address = free_address()?;
        let command = role(&["reference", &address, redis])?;
        Self::start(command, address.clone(), address)
    }

    /// The server on this folder.
    pub(crate) fn server(folder: &Path) -> Result<Self, Error> {
        Self::server_with(folder, "memory")
    }

    /// The server with its state at this URL.
    pub(crate) fn server_with(folder: &Path, store: &str) -> Result<Self, Error> {
        let (public, management) = (free_address()?, free_address()?);
        let mut command = pinned(0, &server_program()?);
        let [throttle, deadline] = [bounds::THROTTLE, bounds::STORE_DEADLINE].map(|time| format!("{}s", time.as_secs()));
        let settings: [(&str, &OsStr); 9] = [
            ("VESTIBULE_DATA_DIR", folder.as_os_str()),
            ("VESTIBULE_SECRET", fixture::SECRET.as_ref()),
            ("VESTIBULE_MANAGEMENT__KEY", fixture::KEY.as_ref()),
            ("VESTIBULE_PUBLIC__LISTEN", public.as_ref()),
            ("VESTIBULE_MANAGEMENT__LISTEN", management.as_ref()),
            ("VESTIBULE_STORE__URL", store.as_ref()),
            ("VESTIBULE_SESSIONS__TOUCH_THROTTLE", throttle.as_ref()),
            ("VESTIBULE_STORE__TIMEOUT", deadline.as_ref()),
            ("VESTIBULE_STORE__MEMORY_LIMIT", "4GiB".as_ref()),
        ];
        command.arg("serve").envs(settings).stdout(Stdio::null());
        Self::start(command, public, management)
    }

    fn start(mut command: Command, public: String, management: String) -> Result<Self, Error> {
        let start = Instant::now();
        let mut running = Self { child: command.spawn()?, public, management, started_in: Duration::ZERO };
        while running.status("/livez").is_err() {
            if let Some(status) = running.child.try_wait()? {
                return Err(format!("a server ended before its first answer: {status}").into());
            }
            if start.elapsed() > bounds::START {
                return Err("a server did not answer in time".into());
            }
            std::thread::sleep(bounds::POLL);
        }
        running.started_in = start.elapsed();
        Ok(running)
    }

    fn status(&self, path: &str) -> Result<u16, Error> {
        status(&self.public, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// Seconds of processor time so far, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Result<f64, Error> {
        cpu(self.child.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<f64, Error> {
        resident(&self.child.id().to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; nothing of it is needed either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of a process so far, in user and kernel mode.
pub(crate) fn cpu(process: u32) -> Result<f64, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold spaces; after it, user and system time are the 12th and 13th field.
    let (_, fields) = stat.rsplit_once(')').ok_or("the kernel shows no times")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).ok_or("no processor time");
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

/// Moves a running process to one core, where the machine has more than one.
pub(crate) fn pin(process: u32, core: usize) -> Result<(), Error> {
    if std::thread::available_parallelism()?.get() > core {
        Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &process.to_string()]).output()?;
    }
    Ok(())
}

/// Resident memory of a process in bytes; `self` is this one.
pub(crate) fn resident(process: &str) -> Result<f64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the kernel shows no memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

/// The status that answers one request.
pub(crate) fn status(address: &str, request: &[u8]) -> Result<u16, Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(bounds::START))?;
    stream.write_all(request)?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(std::str::from_utf8(&line[9..])?.parse()?)
}

/// The server beside this program, see [`build_server`].
fn server_program() -> Result<PathBuf, Error> {
    let program = std::env::current_exe()?.with_file_name("vestibule");
    if program.exists() { Ok(program) } else { Err("first: cargo build --release -p vestibule-server".into()) }
}

/// Builds the server as this program was built.
pub(crate) fn build_server() -> Result<(), Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--release", "-q", "-p", "vestibule-server"]).status()?;
    if built.success() { Ok(()) } else { Err("the server does not build".into()) }
}
