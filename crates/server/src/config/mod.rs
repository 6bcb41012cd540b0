//! The server's configuration: defaults, a file, the names of older systems, variables and options, laid over each other.
//!
//! [`load`] gives a [`Config`] in which every value has been judged, alone and against its neighbours; or all problems at
//! once, one line each, with the file's line or the variable's name. [`check`] tells every setting in effect and where it
//! comes from. Nothing here reads the process's environment or keeps a global: sources are arguments.
//!
//! Deliberately absent: when it is read again (`serve::reload`), and values computed from other machines. A generated secret is not part of the
//! configuration either; the server asks [`secret`] for one when it starts in development mode.

mod alias;
mod bounds;
mod cache;
mod layers;
mod limit;
mod limit_override;
mod login;
mod reader;
mod record;
mod report;
pub(crate) mod secret;
mod sections;
mod session;
mod siteverify;
mod store;
mod token;
mod value;
mod webhook;

#[cfg(test)]
mod tests;

pub(crate) use cache::CacheType;
pub(crate) use limit::{LimitRule, Limits};
pub(crate) use login::LoginPage;
pub(crate) use record::Record;
pub(crate) use report::{CheckReport, ConfigError, Problem, Setting};
pub(crate) use secret::SecretText;
pub(crate) use sections::{Cookie, Devices, Events, Http, Import, Log, LogFormat, Management, Metrics, Passwords, Public};
pub(crate) use siteverify::SiteVerify;
pub(crate) use store::{RedisUrl, Store, TlsFiles, Topology};
pub(crate) use token::Tokens;
pub(crate) use webhook::{Webhook, WebhookUrl};

use layers::{Layers, Raw, Source};
use reader::Reader;
use secret::Strictness;
use sections::Listeners;
use std::{collections::BTreeMap, io, io::Read as _, path::Path, path::PathBuf};
use vestibule::{account::throttle::Budgets, session::Policies};

/// The default configuration file: every setting with its default, and a comment.
pub(crate) const DEFAULT_FILE: &str = include_str!("default.toml");

/// Variables by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// Variables with our prefix that belong to the command line and not to the server.
const CLIENT_VARIABLES: [&str; 6] =
    ["VESTIBULE_CODE", "VESTIBULE_CSRF_TOKEN", "VESTIBULE_KEY", "VESTIBULE_KEY_FILE", "VESTIBULE_TOKEN", "VESTIBULE_URL"];
const PREFIX: &str = "VESTIBULE_";

/// Where settings come from. Later fields override earlier ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The configuration file; none is read that was not asked for.
    pub(crate) file: Option<&'a Path>,
    /// The process's environment.
    pub(crate) environment: &'a Environment,
    /// Options of the command line: setting, value, and the option as it was written.
    pub(crate) flags: &'a [(&'static str, String, &'static str)],
}

/// What the server is for, which decides how much it forgives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// A developer's machine: loopback only, secrets are generated.
    Dev,
    /// Everything else.
    Production,
}

value::words!(Mode, "dev or production", "dev" => Dev, "production" => Production);

/// The whole configuration, judged.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What the server is for. Default `dev` without a configuration file and with both listeners on loopback, else
    /// `production`.
    pub(crate) mode: Mode,
    /// The folder of the record and of generated secrets. Default `vestibule-data`.
    pub(crate) data_dir: PathBuf,
    /// The secret of the deployment, from which every key derives. Default none: refused in production, generated into
    /// `data_dir` in development mode.
    pub(crate) secret: Option<SecretText>,
    /// The secret before it, which still verifies and opens. Default none.
    pub(crate) secret_previous: Option<SecretText>,
    /// A secret of its own for CSRF tokens. Default none: derived from `secret`.
    pub(crate) csrf_secret: Option<SecretText>,
    /// The listener for browsers and proxies.
    pub(crate) public: Public,
    /// The listener for backends and operators.
    pub(crate) management: Management,
    /// The session cookie.
    pub(crate) cookie: Cookie,
    /// The hot state.
    pub(crate) store: Store,
    /// The durable record.
    pub(crate) record: Record,
    /// Events.
    pub(crate) events: Events,
    /// Who is told of events.
    pub(crate) webhooks: Vec<Webhook>,
    /// Policies of sessions.
    pub(crate) sessions: Policies,
    /// Trusted devices.
    #[allow(dead_code, reason = "judged already, read by the device capability")]
    pub(crate) devices: Devices,
    /// Passwords.
    pub(crate) passwords: Passwords,
    /// The page of built-in accounts.
    pub(crate) login_page: LoginPage,
    /// How often a password may be wrong.
    pub(crate) login_throttle: Budgets,
    /// Access and refresh tokens.
    pub(crate) tokens: Tokens,
    /// Rate limits.
    pub(crate) limits: Limits,
    /// Cached types by name.
    #[allow(dead_code, reason = "judged already, read by the cache capability")]
    pub(crate) cache: BTreeMap<String, CacheType>,
    /// Sessions of another system.
    pub(crate) import: Import,
    /// The log.
    pub(crate) log: Log,
    /// Figures for a scraper.
    pub(crate) metrics: Metrics,
    /// Bounds of both listeners.
    pub(crate) http: Http,
}

impl Config {
    fn read(reader: &mut Reader, has_file: bool) -> Self {
        let listeners = Listeners::read(reader);
        let mode = read_mode(reader, listeners, has_file);
        let strictness = match (mode, listeners.are_loopback()) {
            (Mode::Dev, true) => Strictness::Lenient,
            _ => Strictness::Strict,
        };
        let data_dir = reader.value("data_dir", PathBuf::from("vestibule-data"));
        let secrets = Secrets::read(reader, mode, strictness);
        let public = Public::read(reader, mode, listeners);
        let management = Management::read(reader, listeners, &public, strictness);
        let cookie = Cookie::read(reader, mode, listeners);
        let store = Store::read(reader, strictness);
        let record = Record::read(reader, &store, &data_dir);
        let sessions = session::read(reader);
        Self {
            mode,
            data_dir,
            secret: secrets.current,
            secret_previous: secrets.previous,
            csrf_secret: secrets.csrf,
            public,
            management,
            cookie,
            store,
            record,
            events: Events::read(reader),
            webhooks: webhook::read(reader, strictness),
            http: Http::read(reader, sessions.data_bound()),
            sessions,
            devices: Devices::read(reader),
            passwords: Passwords::read(reader),
            login_page: LoginPage::read(reader),
            login_throttle: login::throttle(reader),
            tokens: Tokens::read(reader),
            limits: limit::read(reader),
            cache: cache::read(reader),
            import: Import::read(reader),
            log: Log::read(reader),
            metrics: Metrics::read(reader),
        }
    }
}

fn read_mode(reader: &mut Reader, listeners: Listeners, has_file: bool) -> Mode {
    let is_loopback = listeners.are_loopback();
    let default = if is_loopback && !has_file { Mode::Dev } else { Mode::Production };
    let mode = reader.value("mode", default);
    if mode == Mode::Dev && !is_loopback {
        reader.problem("mode", "development mode is for loopback only, and a listener can be reached from the network");
    }
    mode
}

struct Secrets {
    current: Option<SecretText>,
    previous: Option<SecretText>,
    csrf: Option<SecretText>,
}

impl Secrets {
    fn read(reader: &mut Reader, mode: Mode, strictness: Strictness) -> Self {
        let secrets = Self {
            current: reader.secret("secret", strictness),
            previous: reader.secret("secret_previous", strictness),
            csrf: reader.secret("csrf_secret", strictness),
        };
        if secrets.current.is_none() && !reader.is_given("secret") && mode == Mode::Production {
            reader.problem(
                "secret",
                "production needs VESTIBULE_SECRET or VESTIBULE_SECRET_FILE; `openssl rand -base64 32` makes a good one",
            );
        }
        if secrets.previous.is_some() && secrets.previous == secrets.current {
            reader.problem("secret_previous", "is the same as secret");
        }
        secrets
    }
}

/// Reads and judges all sources.
///
/// # Errors
/// [`ConfigError`] with every problem that was found.
pub(crate) fn load(sources: &Sources<'_>) -> Result<(Config, CheckReport), ConfigError> {
    let (config, report) = resolve(sources);
    if report.problems.is_empty() { Ok((config, report)) } else { Err(ConfigError { problems: report.problems }) }
}

/// Tells what is in effect, and what is wrong with it.
pub(crate) fn check(sources: &Sources<'_>) -> CheckReport {
    resolve(sources).1
}

fn resolve(sources: &Sources<'_>) -> (Config, CheckReport) {
    let mut layers = Layers::default();
    let mut problems = Vec::new();
    if let Some(path) = sources.file
        && let Err(problem) = add_file(&mut layers, path)
    {
        problems.push(problem);
    }
    let aliases = alias::apply(sources.environment, &mut layers, &mut problems);
    add_environment(&mut layers, sources.environment);
    for (path, text, flag) in sources.flags {
        layers.set(path, Raw::Word(text.clone()), Source::Flag((*flag).to_owned()));
    }
    let mut reader = Reader::new(layers, problems);
    aliases.warnings().into_iter().for_each(|warning| reader.warn(warning));
    let config = Config::read(&mut reader, sources.file.is_some());
    let findings = reader.finish();
    let report = CheckReport {
        mode: config.mode,
        variables: aliases.variables(&findings.settings),
        settings: findings.settings,
        warnings: findings.warnings,
        problems: findings.problems,
    };
    (config, report)
}

fn add_file(layers: &mut Layers, path: &Path) -> Result<(), Problem> {
    let name = path.display().to_string();
    let fault = |text: String| Problem::at(None, format!("cannot read the configuration file {name}: {text}"));
    let text = read_file(path).map_err(|error| fault(error.to_string()))?;
    if text.len() as u64 > bounds::FILE_BYTES {
        return Err(fault(format!("it is longer than {} bytes", bounds::FILE_BYTES)));
    }
    layers.add_file(&name, &text)
}

/// The text of a configuration file; of one that is too long, no more than shows it.
///
/// # Errors
/// Where it cannot be read, or is no text.
pub(crate) fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(bounds::FILE_BYTES + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// `VESTIBULE_SECTION__KEY` is `section.key`; a single underscore belongs to the name.
fn add_environment(layers: &mut Layers, env: &Environment) {
    for (name, text) in env {
        let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !CLIENT_VARIABLES.contains(&name.as_str())) else {
            continue;
        };
        let path = rest.to_ascii_lowercase().replace("__", ".");
        layers.set(&path, Raw::Word(text.clone()), Source::Environment(name.clone()));
    }
}
