//! The names themselves, but for those that make up the address of Redis.

/// How the text of an alias becomes that of the setting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it is, to the last character.
    Secret,
    /// Without a comment behind it.
    Plain,
    /// A number of seconds.
    Seconds,
    /// A number of minutes.
    Minutes,
}

/// Name, setting, reading. Two names for one setting must agree.
pub(super) const SETTINGS: [(&str, &str, Reading); 25] = [
    ("SESSION_TTL", "sessions.idle_timeout", Reading::Seconds),
    ("SESSION_TIMEOUT_MINUTES", "sessions.idle_timeout", Reading::Minutes),
    ("SESSION_SECRET", "secret", Reading::Secret),
    ("SESSION_SECRET_KEY", "secret", Reading::Secret),
    ("SESSION_SECRET_FILE", "secret_file", Reading::Plain),
    ("SESSION_SECRET_KEY_FILE", "secret_file", Reading::Plain),
    ("CSRF_SECRET_KEY", "csrf_secret", Reading::Secret),
    ("CSRF_SECRET_KEY_FILE", "csrf_secret_file", Reading::Plain),
    ("DATABASE_URL", "record.url", Reading::Plain),
    ("DATABASE_URL_FILE", "record.url_file", Reading::Plain),
    ("REDIS_PASSWORD", "store.password", Reading::Secret),
    ("REDIS_PASSWORD_FILE", "store.password_file", Reading::Plain),
    ("REDIS_DB", "store.database", Reading::Plain),
    // The size of a pool bounds the requests under way.
    ("REDIS_MAX_CONNECTIONS", "store.max_in_flight", Reading::Plain),
    ("REDIS_CONNECTION_POOL_SIZE", "store.max_in_flight", Reading::Plain),
    ("REDIS_POOL_SIZE", "store.max_in_flight", Reading::Plain),
    ("REDIS_CONNECTION_TIMEOUT", "store.connect_timeout", Reading::Seconds),
    ("REDIS_CONNECT_TIMEOUT", "store.connect_timeout", Reading::Seconds),
    ("REDIS_SOCKET_CONNECT_TIMEOUT", "store.connect_timeout", Reading::Seconds),
    ("REDIS_SOCKET_TIMEOUT", "store.timeout", Reading::Seconds),
    ("REDIS_TIMEOUT", "store.timeout", Reading::Seconds),
    ("REDIS_HEALTH_CHECK_INTERVAL", "store.health_interval", Reading::Seconds),
    ("REDIS_SSL_CA_CERTS", "store.tls_ca_file", Reading::Plain),
    ("REDIS_SSL_CERTFILE", "store.tls_cert_file", Reading::Plain),
    ("REDIS_SSL_KEYFILE", "store.tls_key_file", Reading::Plain),
];

/// Name and setting of the places of single capabilities.
pub(super) const PURPOSES: [(&str, &str); 3] = [
    ("REDIS_SESSION_URL", "store.sessions_url"),
    ("REDIS_RATE_LIMIT_URL", "store.limits_url"),
    ("REDIS_CACHE_WARMING_URL", "store.cache_url"),
];

/// Settings that are read already, for capabilities that are not there yet.
pub(super) const LATER: [(&str, &str); 1] = [("store.cache_url", "comes with the cache")];

const NO_CLEANUP: &str = "expired sessions need no clean-up interval";
const RETRIES: &str = "what can safely be sent again is sent again within store.timeout";
const LIMITS: &str = "rate limits are rules of their own, in [[limits.rules]]";
const CACHE: &str = "comes with the cache, as [cache.types.NAME]";

/// Names that only meant something to another system, and why they mean nothing here.
pub(super) const WITHOUT_EFFECT: [(&str, &str); 17] = [
    ("SESSION_CLEANUP_INTERVAL", NO_CLEANUP),
    ("REDIS_CLEANUP_INTERVAL", NO_CLEANUP),
    ("REDIS_RETRY_ON_TIMEOUT", RETRIES),
    ("REDIS_RETRY_ATTEMPTS", RETRIES),
    ("REDIS_RETRY_DELAY", RETRIES),
    ("REDIS_MAX_RETRIES", RETRIES),
    ("REDIS_SOCKET_KEEPALIVE", "connections are probed each store.health_interval"),
    ("REDIS_MIN_CONNECTIONS", "all requests share few connections"),
    ("REDIS_DECODE_RESPONSES", "what is stored is in a format of its own"),
    ("REDIS_KEY_PREFIX", "keys of one deployment have one prefix already"),
    ("RATE_LIMIT_ENABLED", LIMITS),
    ("RATE_LIMIT_WINDOW", LIMITS),
    ("RATE_LIMIT_WINDOW_MS", LIMITS),
    ("RATE_LIMIT_MAX_REQUESTS", LIMITS),
    ("CACHE_ENABLED", CACHE),
    ("CACHE_TTL", CACHE),
    ("CACHE_DEFAULT_TTL", CACHE),
];

/// Beginnings of names that are meant for us. Of the others an environment is full.
pub(super) const OURS: [&str; 3] = ["REDIS_", "SESSION_", "CSRF_"];

/// Beginnings of names that machines set beside them: Kubernetes for each service called `redis`, and desktops.
pub(super) const FOREIGN: [&str; 3] = ["REDIS_SERVICE_", "REDIS_PORT_", "SESSION_MANAGER"];
