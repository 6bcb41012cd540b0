//! [`RedisAddress`]: where a Redis is, and who is there.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::fmt;

/// Where a Redis is: one server, or Sentinels that know it. Never shown, since it may hold a password.
#[derive(Clone)]
pub struct RedisAddress(pub(crate) Place);

/// See [`RedisAddress`].
#[derive(Clone)]
pub(crate) enum Place {
    /// One server.
    Single(ConnectionInfo),
    /// Whichever server the Sentinels name.
    Sentinels(SentinelPlace),
}

/// Sentinels, and what their master is asked for.
#[derive(Clone)]
pub(crate) struct SentinelPlace {
    /// The Sentinels, without credentials.
    pub(crate) sentinels: Vec<ConnectionInfo>,
    /// The name of the master.
    pub(crate) name: String,
    /// Credentials and database at the master.
    pub(crate) settings: RedisConnectionInfo,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisAddress(redacted)")
    }
}

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read.
    #[error("expected redis://user:password@host:port/database or unix:/path")]
    Malformed,
    /// It asks for TLS.
    #[error("TLS to Redis is not available yet")]
    Tls,
}

/// A server and who is to be there, in parts.
#[derive(Clone, Default)]
pub struct RedisNode<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// User; `None` is the default one.
    pub user: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
    /// Number of the database. Default 0.
    pub database: u64,
}

impl fmt::Debug for RedisNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisNode({}:{})", self.host, self.port)
    }
}

impl RedisNode<'_> {
    fn at(&self) -> Result<ConnectionInfo, AddressError> {
        (self.host, self.port).into_connection_info().map_err(|_| AddressError::Malformed)
    }

    fn settings(&self) -> Result<RedisConnectionInfo, AddressError> {
        let database = i64::try_from(self.database).map_err(|_| AddressError::Malformed)?;
        let mut settings = RedisConnectionInfo::default().set_db(database);
        if let Some(user) = self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = self.password {
            settings = settings.set_password(password);
        }
        Ok(settings)
    }
}

impl RedisAddress {
    /// An address from its parts, which need no escapes.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn of(node: &RedisNode<'_>) -> Result<Self, AddressError> {
        Ok(Self(Place::Single(node.at()?.set_redis_settings(node.settings()?))))
    }

    /// Whichever server these Sentinels name for `master`, at any time. Credentials and database of the first one are those at the
    /// master; a Sentinel hears the credentials only where it refuses who gives none.
    ///
    /// # Errors
    /// [`AddressError::Malformed`], also without a Sentinel.
    pub fn of_sentinels(sentinels: &[RedisNode<'_>], master: &str) -> Result<Self, AddressError> {
        let settings = sentinels.first().ok_or(AddressError::Malformed)?.settings()?;
        let sentinels = sentinels.iter().map(RedisNode::at).collect::<Result<_, _>>()?;
        Ok(Self(Place::Sentinels(SentinelPlace { sentinels, name: master.to_owned(), settings })))
    }

    /// Reads the address of one server: `redis://user:password@host:port/database`, `unix:/path` or `redis+unix:/path`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("rediss:") || text.starts_with("valkeys:") {
            return Err(AddressError::Tls);
        }
        let info = text.into_connection_info().map_err(|_| AddressError::Malformed)?;
        match info.addr() {
            ConnectionAddr::TcpTls { .. } => Err(AddressError::Tls),
            _ => Ok(Self(Place::Single(info))),
        }
    }
}
