//! `[store]`: where the hot state lives, and how long it may take.

use super::{
    bounds,
    reader::Reader,
    secret::{SecretText, Strictness},
    value::Value,
};
use std::{fmt, path::PathBuf, time::Duration};

/// The port of a Redis node whose URL names none.
const REDIS_PORT: u16 = 6379;
/// The port of a Sentinel whose URL names none.
const SENTINEL_PORT: u16 = 26_379;

/// The hot state.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// Where it lives. Default: in this process's memory.
    pub(crate) backend: Backend,
    /// Places of single capabilities that have one of their own. Default none: everything in `backend`.
    pub(crate) purposes: Purposes,
    /// Whether a Redis that is set up so that it endangers sessions is refused at the start. Default false: it is told.
    pub(crate) strict: bool,
    /// Deadline of one call, after which the answer is 503. Default 250 ms.
    pub(crate) timeout: Duration,
    /// Bytes that the state may take in this process's memory. With a record the least used users leave it first; without
    /// one nothing more is taken in. Default 1 GiB.
    pub(crate) memory_limit: u64,
    /// Deadline of a new connection to Redis. Default 1 s.
    pub(crate) connect_timeout: Duration,
    /// Requests to Redis that may be under way at a time; more wait inside their deadline. Default 1,024.
    pub(crate) max_in_flight: u64,
    /// Time between two probes of Redis. Default 1 s.
    pub(crate) health_interval: Duration,
    /// Replicas that must have the end of sessions before it is acknowledged, where there is no record. Default 0.
    pub(crate) wait_replicas: u64,
    /// What connections by TLS trust and show.
    pub(crate) tls: TlsFiles,
}

/// Files in PEM form for connections by TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Authorities that may vouch for Redis. Default: those of the system.
    pub(crate) authorities: Option<PathBuf>,
    /// The certificate that Redis asks its clients for. Default none.
    pub(crate) certificate: Option<PathBuf>,
    /// Its key. Default none.
    pub(crate) key: Option<PathBuf>,
}

/// Where the state lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// In this process.
    Memory,
    /// On Redis or Valkey.
    Redis(RedisUrl),
}

/// Places of single capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Purposes {
    /// Of sessions.
    pub(crate) sessions: Option<RedisUrl>,
    /// Of rate limits.
    pub(crate) limits: Option<RedisUrl>,
    /// Of the cache.
    pub(crate) cache: Option<RedisUrl>,
    /// Of live connections.
    pub(crate) live: Option<RedisUrl>,
}

/// How the nodes of a Redis deployment relate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One node.
    Single,
    /// Sentinels that know the node in charge of this name.
    Sentinel {
        /// The name.
        master: String,
    },
    /// Redis Cluster; the hosts are where to begin asking.
    Cluster,
    /// One node on this machine, behind a socket in the file system. There are no hosts.
    Socket {
        /// Where the socket is.
        path: String,
    },
}

/// The address of a Redis deployment. `Debug` and `Display` show no credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    /// How its nodes relate.
    pub(crate) topology: Topology,
    /// Whether connections use TLS.
    pub(crate) tls: bool,
    /// Host names or addresses, with ports; at least one, but for a socket.
    pub(crate) hosts: Vec<(String, u16)>,
    /// The user, where it is not the default one.
    pub(crate) user: Option<String>,
    /// The password.
    pub(crate) password: Option<SecretText>,
    /// The database number.
    pub(crate) database: Option<u64>,
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "s" } else { "" };
        let (kind, end) = match &self.topology {
            Topology::Single => ("", self.database.map(|database| database.to_string())),
            Topology::Cluster => ("+cluster", None),
            Topology::Sentinel { master } => ("+sentinel", Some(master.clone())),
            Topology::Socket { path } => {
                let database = self.database.map(|database| format!("?db={database}"));
                return write!(f, "unix:{path}{}", database.unwrap_or_default());
            }
        };
        write!(f, "redis{tls}{kind}://")?;
        for (index, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{host}:{port}")?;
        }
        end.map_or(Ok(()), |end| write!(f, "/{end}"))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for RedisUrl {
    const EXPECTED: &'static str =
        "a URL such as redis://host:6379/0, rediss://host, redis+cluster://h1,h2, redis+sentinel://h1,h2/master or unix:/path";

    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("redis+").unwrap_or(text).strip_prefix("unix:") {
            return parse_socket(rest);
        }
        let (scheme, rest) = text.split_once("://")?;
        let (tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis")?),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let topology = topology(kind, hosts, path, query)?;
        let is_sentinel = matches!(topology, Topology::Sentinel { .. });
        let port = if is_sentinel { SENTINEL_PORT } else { REDIS_PORT };
        let named_by_path = kind == "+sentinel";
        let database = if named_by_path || path.is_empty() { None } else { Some(u64::parse(path)?) };
        if database.is_some_and(|number| number > *bounds::DATABASE.end()) {
            return None;
        }
        let (user, password) = credentials.map_or(Some((None, None)), parse_credentials)?;
        Some(Self { topology, tls, hosts: parse_hosts(hosts, port)?, user, password, database })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The scheme says it; without its word several hosts are a cluster, or Sentinels where the query names their master.
fn topology(kind: &str, hosts: &str, path: &str, query: &str) -> Option<Topology> {
    let sentinel = |master: &str| (!master.is_empty()).then(|| Topology::Sentinel { master: master.to_owned() });
    match (kind, query) {
        ("+sentinel", "") => sentinel(path),
        ("+cluster", "") => Some(Topology::Cluster),
        ("", "") if hosts.contains(',') => Some(Topology::Cluster),
        ("", "") => Some(Topology::Single),
        ("", query) => sentinel(query.strip_prefix("sentinel=")?),
        _ => None,
    }
}

/// `/path`, `///path`, either with `?db=`.
fn parse_socket(rest: &str) -> Option<RedisUrl> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    let database = match query {
        "" => None,
        query => Some(u64::parse(query.strip_prefix("db=")?).filter(|number| bounds::DATABASE.contains(number))?),
    };
    let topology = Topology::Socket { path: path.to_owned() };
    let is_path = path.len() > 1 && path.starts_with('/');
    is_path.then(|| RedisUrl { topology, tls: false, hosts: Vec::new(), user: None, password: None, database })
}

fn parse_hosts(text: &str, default_port: u16) -> Option<Vec<(String, u16)>> {
    let hosts: Option<Vec<_>> = text.split(',').map(|host| parse_host(host.trim(), default_port)).collect();
    hosts.filter(|hosts| hosts.len() <= bounds::REDIS_HOSTS)
}

fn parse_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    let after_bracket = text.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match text[after_bracket..].find(':') {
        Some(colon) => {
            let (host, port) = text.split_at(after_bracket + colon);
            (host, port[1..].parse().ok()?)
        }
        None => (text, default_port),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!host.is_empty() && port != 0 && host.chars().all(fits)).then(|| (host.to_owned(), port))
}

fn parse_credentials(text: &str) -> Option<(Option<String>, Option<SecretText>)> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user = percent_decode(user)?;
    let password = percent_decode(password)?;
    Some(((!user.is_empty()).then_some(user), (!password.is_empty()).then(|| SecretText::new(password))))
}

/// Credentials of URLs write reserved characters as `%40` (RFC 3986 2.1).
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

impl Store {
    pub(super) fn read(reader: &mut Reader, strictness: Strictness) -> Self {
        reader.section("store");
        let backend = read_backend(reader, strictness);
        Self {
            purposes: read_purposes(reader, &backend),
            backend,
            strict: reader.value("store.strict", false),
            timeout: reader.value("store.timeout", Duration::from_millis(250)),
            memory_limit: reader.bytes("store.memory_limit", 1 << 30, bounds::MEMORY),
            connect_timeout: reader.value("store.connect_timeout", Duration::from_secs(1)),
            max_in_flight: reader.number("store.max_in_flight", 1_024, bounds::IN_FLIGHT),
            health_interval: reader.value("store.health_interval", Duration::from_secs(1)),
            wait_replicas: reader.number("store.wait_replicas", 0, bounds::REPLICAS),
            tls: TlsFiles::read(reader),
        }
    }

    /// The Redis that holds the sessions, if one does.
    pub(crate) fn sessions_on_redis(&self) -> Option<&RedisUrl> {
        match &self.backend {
            Backend::Memory => None,
            Backend::Redis(url) => Some(self.purposes.sessions.as_ref().unwrap_or(url)),
        }
    }

    /// Whether any capability is to live on Redis.
    pub(crate) fn uses_redis(&self) -> bool {
        self.backend != Backend::Memory || self.purposes != Purposes::default()
    }
}

impl TlsFiles {
    fn read(reader: &mut Reader) -> Self {
        let files = Self {
            authorities: reader.optional("store.tls_ca_file"),
            certificate: reader.optional("store.tls_cert_file"),
            key: reader.optional("store.tls_key_file"),
        };
        if files.certificate.is_some() != files.key.is_some() {
            reader.problem("store.tls_cert_file", "a certificate needs its key, store.tls_key_file, and the other way round");
        }
        files
    }
}

fn read_backend(reader: &mut Reader, strictness: Strictness) -> Backend {
    let url = read_url(reader, "store.url", "memory");
    let password = reader.text_or_file("store.password");
    reader.note("store.password", if password.is_some() { "(set)" } else { "(not set)" }.to_owned());
    let database = reader.optional_number("store.database", bounds::DATABASE);
    let Some(mut url) = url else {
        if password.is_some() || database.is_some() {
            reader.warn("store.password and store.database have no effect without store.url".to_owned());
        }
        return Backend::Memory;
    };
    for (path, password) in [("store.url", &url.password), ("store.password", &password)] {
        if let Some(password) = password {
            reader.refuse_example(path, password, strictness);
        }
    }
    // What the URL says itself is nearer to the point than what stands beside it.
    url.password = url.password.or(password);
    url.database = url.database.or(database);
    if url.topology == Topology::Cluster && url.database.is_some_and(|number| number != 0) {
        reader.problem("store.url", "a Redis Cluster has only database 0");
    }
    Backend::Redis(url)
}

/// A URL with its password redacted in the report. `memory` is none.
fn read_url(reader: &mut Reader, path: &str, absent: &str) -> Option<RedisUrl> {
    let text = reader.text_or_file(path).filter(|text| text.expose() != "memory");
    let url = text.as_ref().and_then(|text| RedisUrl::parse(text.expose()));
    reader.note(path, url.as_ref().map_or_else(|| absent.to_owned(), RedisUrl::show));
    if text.is_some() && url.is_none() {
        reader.problem(path, format!("expected {}", RedisUrl::EXPECTED));
    }
    url
}

fn read_purposes(reader: &mut Reader, backend: &Backend) -> Purposes {
    let mut read = |path: &str| {
        let url = read_url(reader, path, "(none)");
        if url.is_some() && *backend == Backend::Memory {
            reader.problem(path, "needs store.url beside it");
        }
        url
    };
    Purposes {
        sessions: read("store.sessions_url"),
        limits: read("store.limits_url"),
        cache: read("store.cache_url"),
        live: read("store.live_url"),
    }
}
