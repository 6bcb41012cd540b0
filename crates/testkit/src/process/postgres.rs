//! Postgres from the distribution, with a fresh database for whoever asks.

use super::{Program, free_port, wait_for};
use crate::bounds::{START, STOP};
use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

/// A running Postgres on a free port. Its files are in a folder of its own, and nothing of it survives the drop.
#[derive(Debug)]
pub struct Postgres {
    program: Mutex<Program>,
    port: u16,
    dir: TempDir,
    owner: Option<Owner>,
    databases: AtomicU64,
}

/// Whom the server runs as: it refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

/// Tries of a start, since another program may take the free port first.
const TRIES: usize = 5;
const USER: &str = "vestibule";

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server that the tests of this process share, started where nobody holds it. It ends with its last holder.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    /// Founds a cluster and starts a server of its own. Nothing is synced to the disk: a killed server process loses
    /// nothing all the same, only a machine that loses power would.
    ///
    /// # Panics
    /// Where Postgres is not installed or does not start in time.
    #[must_use]
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("vestibule-postgres-").tempdir().expect("a folder for postgres");
        let owner = owner_of(dir.path());
        let mut init = as_owner("initdb", owner);
        init.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", USER, "-D"])
            .arg(dir.path().join("data"));
        let made = init.stdout(Stdio::null()).output().expect("initdb is installed");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..TRIES {
            let port = free_port();
            if let Some(program) = launch(dir.path(), port, owner) {
                return Self { program: Mutex::new(program), port, dir, owner, databases: AtomicU64::new(0) };
            }
        }
        panic!("postgres found no free port {TRIES} times");
    }

    /// The address of a fresh, empty database.
    ///
    /// # Panics
    /// Where the server does not answer.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs a statement as an operator would and returns what it printed.
    ///
    /// # Panics
    /// Where it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new(binary("psql"));
        psql.args(["-h", "127.0.0.1", "-U", USER, "-d", database, "-v", "ON_ERROR_STOP=1", "-qAtc", statement]);
        let done = psql.arg("-p").arg(self.port.to_string()).output().expect("psql is installed");
        assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Ends the server as power loss of its process would.
    ///
    /// # Panics
    /// Where the operating system refuses.
    pub fn kill(&self) {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let children = children_of(program.pid());
        program.kill();
        // The postmaster's children notice its death by themselves, and until then they serve whoever is connected.
        let all_gone = || children.iter().all(|child| is_gone(child)).then_some(());
        wait_for(STOP, all_gone).expect("postgres ends as a whole");
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// Where it does not start in time.
    pub fn restart(&self) {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.kill();
        let again = wait_for(START, || launch(self.dir.path(), self.port, self.owner));
        *program = again.expect("postgres starts again");
    }
}

fn children_of(pid: u32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// A process that nobody has waited for yet is gone as well.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// Where Debian keeps the programs of Postgres, newest version first; else the search path.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin").join(name)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| name.into())
}

/// Root cannot run Postgres: the user of the package, else nobody, does, and gets the folder.
fn owner_of(dir: &Path) -> Option<Owner> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata(dir).expect("it was just made").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("there are users");
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Owner { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    let owner = find("postgres").or_else(|| find("nobody")).expect("there is a user without rights");
    chown(dir, Some(owner.uid), Some(owner.gid)).expect("root may give a folder away");
    Some(owner)
}

fn as_owner(name: &str, owner: Option<Owner>) -> Command {
    let mut command = Command::new(binary(name));
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

/// Starts the server and waits until it takes connections; `None` where it ended, as it does when the port was taken.
fn launch(dir: &Path, port: u16, owner: Option<Owner>) -> Option<Program> {
    let mut command = as_owner("postgres", owner);
    command.arg("-D").arg(dir.join("data")).arg("-p").arg(port.to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=400",
        "shared_buffers=32MB",
        "logging_collector=off",
    ] {
        command.args(["-c", setting]);
    }
    let before = fs::read_to_string(dir.join("stderr.log")).map_or(0, |log| log.len());
    let mut program = Program::start("postgres", command.current_dir(dir), dir);
    let ready = wait_for(START, || match program.ended() {
        Some(_) => Some(false),
        None => program.stderr()[before..].contains("ready to accept connections").then_some(true),
    });
    ready.expect("postgres says when it is ready").then_some(program)
}
