//! The small sections: listeners, cookie, events, devices, passwords, import, log, metrics and HTTP.

use super::{
    Mode, bounds,
    reader::Reader,
    secret::{SecretText, Strictness},
    value::words,
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use vestibule::{
    http::{
        client_address::TrustedProxies,
        cookie::{CookieConfig, Exposure, SameSite, SessionCookie, is_cookie_name},
        origin::AllowedOrigins,
    },
    password::{HashParams, PasswordProfile, bounds as password_bounds},
    time::Timestamp,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `[public]`: the listener for browsers and proxies.
#[derive(Debug, Clone)]
pub(crate) struct Public {
    /// Where it listens. Default `127.0.0.1:8378`; port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// Whether a proxy in front of it terminates TLS; without it only loopback is listened on. Default false.
    pub(crate) behind_proxy: bool,
    /// Networks whose forwarding headers are believed. Default none; in development mode loopback.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Origins beside our own that may send unsafe requests with a session. Default none.
    pub(crate) allowed_origins: AllowedOrigins,
    /// Whether a logout tells the browser to forget everything of this origin (`Clear-Site-Data`). Default false.
    pub(crate) clear_site_data: bool,
}

/// `[management]`: the listener for backends and operators.
#[derive(Debug, Clone)]
pub(crate) struct Management {
    /// Where it listens. Default `127.0.0.1:8379`; port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// A key with all scopes, never stored. Default none: one is generated into `<data_dir>/management.key`.
    pub(crate) key: Option<SecretText>,
}

/// Where both listeners are, before anything else is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listeners {
    pub(super) public: SocketAddr,
    pub(super) management: SocketAddr,
}

impl Listeners {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("public");
        reader.section("management");
        Self {
            public: reader.value("public.listen", SocketAddr::from(([127, 0, 0, 1], 8378))),
            management: reader.value("management.listen", SocketAddr::from(([127, 0, 0, 1], 8379))),
        }
    }

    pub(super) fn are_loopback(self) -> bool {
        self.public.ip().to_canonical().is_loopback() && self.management.ip().to_canonical().is_loopback()
    }
}

/// Refuses a listener that the network can reach without TLS.
fn check_exposure(reader: &mut Reader, section: &str, listen: SocketAddr, behind_proxy: bool) {
    if !listen.ip().to_canonical().is_loopback() && !behind_proxy {
        reader.problem(
            &format!("{section}.listen"),
            format!("{listen} can be reached from the network without TLS; put a proxy in front of it and set {section}.behind_proxy = true"),
        );
    }
}

impl Public {
    pub(super) fn read(reader: &mut Reader, mode: Mode, listeners: Listeners) -> Self {
        let listen = listeners.public;
        let behind_proxy = reader.value("public.behind_proxy", false);
        check_exposure(reader, "public", listen, behind_proxy);
        let trusted_proxies = read_trusted_proxies(reader, mode);
        if behind_proxy && trusted_proxies == TrustedProxies::default() {
            reader.warn(
                "public.behind_proxy without public.trusted_proxies: every client seems to have the proxy's address".to_owned(),
            );
        }
        Self {
            listen,
            behind_proxy,
            trusted_proxies,
            allowed_origins: read_allowed_origins(reader),
            clear_site_data: reader.value("public.clear_site_data", false),
        }
    }
}

fn read_trusted_proxies(reader: &mut Reader, mode: Mode) -> TrustedProxies {
    const PATH: &str = "public.trusted_proxies";
    let Some(entries) = reader.list(PATH) else {
        let (value, shown) = match mode {
            Mode::Dev => (TrustedProxies::loopback(), "[127.0.0.0/8, ::1]"),
            Mode::Production => (TrustedProxies::default(), "[]"),
        };
        reader.note(PATH, shown.to_owned());
        return value;
    };
    reader.note(PATH, format!("[{}]", entries.join(", ")));
    TrustedProxies::parse(entries.iter().map(String::as_str)).unwrap_or_else(|error| {
        reader.problem(PATH, error);
        TrustedProxies::default()
    })
}

fn read_allowed_origins(reader: &mut Reader) -> AllowedOrigins {
    const PATH: &str = "public.allowed_origins";
    let entries = reader.list(PATH).unwrap_or_default();
    reader.note(PATH, format!("[{}]", entries.join(", ")));
    AllowedOrigins::parse(entries.iter().map(String::as_str)).unwrap_or_else(|error| {
        reader.problem(PATH, error);
        AllowedOrigins::default()
    })
}

impl Management {
    /// The proxy in front of the public listener is taken to stand in front of this one too, unless told otherwise.
    pub(super) fn read(reader: &mut Reader, listeners: Listeners, public: &Public, strictness: Strictness) -> Self {
        let behind_proxy = reader.value("management.behind_proxy", public.behind_proxy);
        check_exposure(reader, "management", listeners.management, behind_proxy);
        if listeners.management == listeners.public && listeners.public.port() != 0 {
            reader.problem("management.listen", "is the same as public.listen");
        }
        let key = reader.secret("management.key", strictness);
        if key.as_ref().is_some_and(|key| !key.expose().bytes().all(|byte| byte.is_ascii_graphic())) {
            reader.problem("management.key", "has characters that cannot stand in a header; take letters and digits");
        }
        Self { listen: listeners.management, key }
    }
}

/// `[cookie]`: the session cookie. Its name follows from the mode and the domain.
#[derive(Debug, Clone)]
pub(crate) struct Cookie {
    /// The cookie, ready to be checked into a [`SessionCookie`].
    pub(crate) config: CookieConfig,
    /// Who can reach the listener that sets it.
    pub(crate) exposure: Exposure,
}

impl Cookie {
    pub(super) fn read(reader: &mut Reader, mode: Mode, listeners: Listeners) -> Self {
        reader.section("cookie");
        let base = match mode {
            Mode::Dev => CookieConfig::development(),
            Mode::Production => CookieConfig::default(),
        };
        let config = CookieConfig {
            domain: reader.optional("cookie.domain"),
            persistent: reader.value("cookie.persistent", false),
            same_site: reader.value("cookie.same_site", SameSite::Lax),
            ..base
        };
        let exposure = match listeners.public.ip().to_canonical().is_loopback() {
            true => Exposure::Loopback,
            false => Exposure::Network,
        };
        match SessionCookie::new(config.clone(), exposure) {
            Ok((_, warnings)) => warnings.iter().for_each(|warning| reader.warn(warning.to_string())),
            // The name is ours, so it is the domain; or a forced development mode, which has its own problem already.
            Err(error) if config.domain.is_some() => reader.problem("cookie.domain", error),
            Err(_) => {}
        }
        Self { config, exposure }
    }

    /// The cookie by which a device is known again: beside the session cookie, and longer with the browser than any session.
    /// Its name has nothing of the other's, which scripts look for in a jar of cookies.
    pub(crate) fn known_device(&self) -> CookieConfig {
        let name = if self.config.secure { "__Host-known-device" } else { "known-device" };
        CookieConfig { name: name.to_owned(), persistent: true, ..self.config.clone() }
    }

    /// The cookie by which a trusted device is recognised: as the one above, but a secret that is worth a second factor.
    pub(crate) fn trusted_device(&self) -> CookieConfig {
        let name = if self.config.secure { "__Host-trusted-device" } else { "trusted-device" };
        CookieConfig { name: name.to_owned(), persistent: true, ..self.config.clone() }
    }
}

/// `[events]`: what is remembered of what happened.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    /// How long events and ended sessions are kept. Default 90 days.
    pub(crate) retention: Duration,
}

impl Events {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("events");
        Self { retention: reader.value("events.retention", Duration::from_secs(90 * DAY)) }
    }
}

/// `[devices]`: trusted devices.
#[derive(Debug, Clone)]
pub(crate) struct Devices {
    /// How long a device stays trusted. Default 30 days.
    pub(crate) trust_ttl: Duration,
}

impl Devices {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("devices");
        Self { trust_ttl: reader.value("devices.trust_ttl", Duration::from_secs(30 * DAY)) }
    }
}

/// `[passwords]`: which new passwords are accepted, and how much hashing may go on.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    /// What else stands between a guesser and an account. Default `single_factor`.
    pub(crate) profile: PasswordProfile,
    /// Fewest characters. Default: the profile's (15 or 8).
    pub(crate) min_length: Option<usize>,
    /// Names of the service, which no password may be much like. Default none.
    pub(crate) service_names: Vec<String>,
    /// A sorted list of the SHA-1 digests of breached passwords. Default none.
    pub(crate) breached_file: Option<PathBuf>,
    /// What a new hash costs: `hash_memory`, `hash_passes`, `hash_lanes`. Default 19 MiB, two passes, one lane.
    pub(crate) hash_params: HashParams,
    /// Hashes at the same time; each takes `hash_memory`. Default: one per core.
    pub(crate) workers: Option<usize>,
    /// Callers that may wait for a worker; one more gets 503. Default 64.
    pub(crate) queue: usize,
}

impl Passwords {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("passwords");
        let lengths = password_bounds::MFA_CHARACTERS as u64..=password_bounds::MIN_LENGTH_CEILING as u64;
        let profile: PasswordProfile = reader.value("passwords.profile", PasswordProfile::SingleFactor);
        let min_length = reader.optional_number("passwords.min_length", lengths).and_then(|n| usize::try_from(n).ok());
        if min_length.is_some_and(|length| length < profile.min_length()) {
            reader.warn(format!("passwords.min_length is below the {} characters of passwords.profile", profile.min_length()));
        }
        let workers = reader.optional_number("passwords.workers", 1..=password_bounds::POOL_WORKERS as u64);
        let queue = reader.number(
            "passwords.queue",
            password_bounds::POOL_QUEUE as u64,
            0..=password_bounds::POOL_QUEUE_CEILING as u64,
        );
        Self {
            profile,
            min_length,
            service_names: service_names(reader),
            breached_file: reader.optional("passwords.breached_file"),
            hash_params: hash_params(reader),
            workers: workers.and_then(|n| usize::try_from(n).ok()),
            queue: usize::try_from(queue).unwrap_or(password_bounds::POOL_QUEUE_CEILING),
        }
    }
}

fn service_names(reader: &mut Reader) -> Vec<String> {
    const NAMES: &str = "passwords.service_names";
    let names = reader.list(NAMES).unwrap_or_default();
    reader.note(NAMES, format!("[{}]", names.join(", ")));
    if names.len() > password_bounds::SERVICE_WORDS {
        reader.problem(NAMES, format!("has more than {} items", password_bounds::SERVICE_WORDS));
    }
    names
}

fn hash_params(reader: &mut Reader) -> HashParams {
    const MEMORY: &str = "passwords.hash_memory";
    const KIB: u64 = 1024;
    let default = HashParams::default();
    let memory_most = u64::from(password_bounds::MEMORY_KIB) * KIB;
    let memory = reader.bytes(MEMORY, u64::from(default.memory_kib()) * KIB, KIB..=memory_most);
    let passes = reader.number("passwords.hash_passes", default.passes().into(), 1..=password_bounds::PASSES.into());
    let lanes = reader.number("passwords.hash_lanes", default.lanes().into(), 1..=password_bounds::LANES.into());
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    HashParams::new(number(memory / KIB), number(passes), number(lanes)).unwrap_or_else(|error| {
        reader.problem(MEMORY, error);
        default
    })
}

/// `[import]`: sessions of another system.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// Until when imported tokens are accepted. Default none: never.
    pub(crate) legacy_until: Option<Timestamp>,
    /// The cookies that may hold them, looked at in this order. Default: those of the systems that `import` knows.
    pub(crate) cookie_names: Vec<String>,
}

/// What build-yourself, Express, Django and tower-sessions call their cookies.
const LEGACY_COOKIES: [&str; 4] = ["session_id", "connect.sid", "sessionid", "id"];

impl Import {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const NAMES: &str = "import.cookie_names";
        reader.section("import");
        let legacy_until = reader.optional("import.legacy_until");
        let cookie_names = reader.list(NAMES).unwrap_or_else(|| LEGACY_COOKIES.map(str::to_owned).to_vec());
        reader.note(NAMES, format!("[{}]", cookie_names.join(", ")));
        if cookie_names.len() > bounds::LEGACY_COOKIES {
            reader.problem(NAMES, format!("has more than {} items", bounds::LEGACY_COOKIES));
        }
        if cookie_names.iter().any(|name| !is_cookie_name(name)) {
            reader.problem(NAMES, "a cookie name is 1 to 64 letters, digits or !#$%&'*+-.^_`|~");
        }
        Self { legacy_until, cookie_names }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

words!(LogFormat, "text or json", "text" => Text, "json" => Json);

/// `[log]`: standard error.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// A level, or a list such as `info,vestibule_sql=debug`. Default `info`.
    pub(crate) level: String,
    /// How lines are written. Default `text`.
    pub(crate) format: LogFormat,
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("log");
        let level = reader.value("log.level", "info".to_owned());
        if !level.split(',').all(is_log_directive) {
            reader.problem(
                "log.level",
                "expected off, error, warn, info, debug or trace, or a list such as info,vestibule_sql=debug",
            );
        }
        Self { level, format: reader.value("log.format", LogFormat::Text) }
    }
}

/// The log's own parser takes a misspelt level for the name of a module, and then logs nothing at all.
fn is_log_directive(directive: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let (target, level) = directive.split_once('=').unwrap_or(("any", directive));
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !target.is_empty() && target.chars().all(fits) && LEVELS.contains(&level)
}

/// `[metrics]`: figures for a scraper.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Whether `/metrics` is answered without a key. Default false.
    pub(crate) public: bool,
}

impl Metrics {
    pub(super) fn read(reader: &mut Reader) -> Self {
        reader.section("metrics");
        Self { public: reader.value("metrics.public", false) }
    }
}

/// `[http]`: bounds of both listeners.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Longest request body in bytes; a longer one gets 413. Default 64 KiB.
    pub(crate) body_limit: u64,
    /// Longest head of a request in bytes; a longer one gets 431. Default 16 KiB.
    pub(crate) header_limit: u64,
    /// Time for a request's head to arrive, after which the connection ends. Default 10 s.
    pub(crate) header_timeout: Duration,
    /// Connections at a time on each listener; more wait to be accepted. Default 10,000.
    pub(crate) max_connections: u64,
    /// Time for requests under way when the server is told to stop. Default 10 s.
    pub(crate) shutdown_grace: Duration,
}

impl Http {
    pub(super) fn read(reader: &mut Reader, data_bytes: usize) -> Self {
        reader.section("http");
        let body_limit = reader.bytes("http.body_limit", 64 << 10, bounds::BODY);
        if body_limit < data_bytes as u64 {
            reader
                .problem("http.body_limit", format!("{body_limit} bytes are less than sessions.max_data_bytes ({data_bytes})"));
        }
        Self {
            body_limit,
            header_limit: reader.bytes("http.header_limit", 16 << 10, bounds::HEADERS),
            header_timeout: reader.value("http.header_timeout", Duration::from_secs(10)),
            max_connections: reader.number("http.max_connections", 10_000, bounds::CONNECTIONS),
            shutdown_grace: reader.value("http.shutdown_grace", Duration::from_secs(10)),
        }
    }
}
