//! nginx from the distribution, in front of a server under test.

use super::{Program, free_port, wait_for};
use crate::bounds::START;
use std::{net::TcpStream, process::Command};
use tempfile::TempDir;

/// A running nginx on a free port, as one process, with all its files in a folder of its own.
#[derive(Debug)]
pub struct Nginx {
    /// Its address, as `http://127.0.0.1:PORT`.
    pub address: String,
    program: Program,
    dir: TempDir,
}

/// Tries of a start, since another program may take the free port first.
const TRIES: usize = 5;

impl Nginx {
    /// Starts nginx with what stands inside `http { server { listen ...; HERE } }`, and waits until it listens.
    ///
    /// # Panics
    /// Where nginx is not installed, refuses the configuration, or does not listen in time.
    #[must_use]
    pub fn start(server_block: &str) -> Self {
        Self::start_with("", server_block)
    }

    /// Like [`Self::start`], with directives inside `http { HERE server { ... } }` (upstreams, maps, zones).
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(http_block: &str, server_block: &str) -> Self {
        for _ in 0..TRIES {
            if let Some(nginx) = Self::try_start(http_block, server_block) {
                return nginx;
            }
        }
        panic!("nginx found no free port {TRIES} times");
    }

    fn try_start(http_block: &str, server_block: &str) -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-nginx-").tempdir().expect("a folder for nginx");
        let port = free_port();
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, configuration(port, http_block, server_block)).expect("a file in the test's folder");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir.path()).arg("-c").arg(&file).arg("-e").arg(dir.path().join("error.log"));
        let mut program = Program::start("nginx", &mut command, dir.path());
        let listens = wait_for(START, || match program.ended() {
            Some(_) => Some(false),
            None => TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true),
        });
        let log = std::fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
        match listens {
            Some(true) => Some(Self { address: format!("http://127.0.0.1:{port}"), program, dir }),
            Some(false) if log.contains("Address already in use") => None,
            _ => panic!("nginx does not listen\n{log}{}", program.stderr()),
        }
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default();
        log + &self.program.stderr()
    }
}

/// One process in the foreground, so that ending it ends all of it; every path in its own folder, so that it needs no rights.
fn configuration(port: u16, http_block: &str, server_block: &str) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log error.log notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {http_block}
    server {{
        listen 127.0.0.1:{port};
        {server_block}
    }}
}}
"
    )
}
