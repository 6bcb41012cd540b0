//! What is printed at the start: addresses, and in development mode commands to try.
//!
//! A generated key is shown once, when it is made, and only on a terminal: what goes into a file or a log has the place of
//! the key and not the key.

use crate::config::{Config, Mode, Record, secret::Generated};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    sync::Once,
};

/// Where the management key comes from.
pub(super) enum KeySource<'a> {
    /// Set by the operator.
    Configured,
    /// In `<data dir>/management.key`.
    File(&'a Generated),
}

/// The start text. Printed once.
pub(super) struct Greeting {
    text: String,
    once: Once,
}

impl Greeting {
    /// What is told of a server that listens on these addresses.
    pub(super) fn new(config: &Config, key: &KeySource<'_>, public: SocketAddr, management: SocketAddr) -> Self {
        let mut text = String::new();
        if config.mode == Mode::Dev {
            text.push_str(&introduction(config));
        }
        let _ = write!(
            text,
            "public  listening on http://{public}\nmanagement listening on http://{management}\n{}",
            key_lines(config, key, io::stdout().is_terminal())
        );
        if config.mode == Mode::Dev {
            text.push_str(&transcript(config, key, public, management));
        }
        Self { text, once: Once::new() }
    }

    /// Prints it, unless that was done before. A closed standard output stops no server.
    pub(super) fn print(&self) {
        self.once.call_once(|| {
            let mut out = io::stdout().lock();
            let _ = out.write_all(self.text.as_bytes()).and_then(|()| out.flush());
        });
    }
}

fn introduction(config: &Config) -> String {
    let place = match config.record {
        Record::None if config.store.sessions_on_redis().is_some() => "data in Redis".to_owned(),
        Record::None => "everything is in memory and gone at the end".to_owned(),
        Record::Postgres(_) => "data in Postgres".to_owned(),
        Record::Sqlite => format!("data in {}", config.data_dir.display()),
    };
    format!("Vestibule {} in development mode: loopback only, {place}\n", env!("CARGO_PKG_VERSION"))
}

fn key_lines(config: &Config, key: &KeySource<'_>, is_terminal: bool) -> String {
    let KeySource::File(generated) = key else { return String::new() };
    let mut text = format!("management key in {}\n", key_file(config).display());
    if generated.is_new && is_terminal {
        let _ = writeln!(text, "management key, shown this once: {}", generated.text.expose());
    }
    text
}

/// Whole, because the other terminal may be in another folder.
fn key_file(config: &Config) -> PathBuf {
    let file = config.data_dir.join("management.key");
    std::path::absolute(&file).unwrap_or(file)
}

fn transcript(config: &Config, key: &KeySource<'_>, public: SocketAddr, management: SocketAddr) -> String {
    let key = match key {
        KeySource::Configured => "$VESTIBULE_MANAGEMENT__KEY".to_owned(),
        KeySource::File(_) => format!("$(cat '{}')", key_file(config).display()),
    };
    let mut text = format!(
        r#"
Try it, in another terminal. A backend logs a user in, asks who a token is, and logs the user out everywhere:

  KEY="{key}"
  TOKEN=$(curl -s http://{management}/v1/sessions -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
    -d '{{"user_id": "ada", "roles": ["admin"]}}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
  curl -s http://{management}/v1/sessions/validate -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
    -d "{{\"token\": \"$TOKEN\"}}"
  curl -s http://{management}/v1/users/ada/sessions -H "Authorization: Bearer $KEY"
  curl -s -X DELETE http://{management}/v1/users/ada/sessions -H "Authorization: Bearer $KEY"
"#
    );
    if !matches!(config.record, Record::None) {
        let _ = write!(
            text,
            r#"
A browser with a built-in account:

  curl -s http://{public}/auth/register -H 'Content-Type: application/json' \
    -d '{{"email": "ada@example.com", "password": "correct horse battery staple"}}'
  curl -s -c cookies.txt http://{public}/auth/login -H 'Content-Type: application/json' \
    -d '{{"email": "ada@example.com", "password": "correct horse battery staple"}}'
  curl -s -b cookies.txt http://{public}/auth/me
"#
        );
    }
    text.push('\n');
    text
}
