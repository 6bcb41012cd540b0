//! [`RedisAddress`]: where a Redis is, and who is there.

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};
use std::fmt;

/// Where a Redis is: one server, Sentinels that know it, or the nodes of a Cluster. Never shown, since it may hold a password.
#[derive(Clone)]
pub struct RedisAddress {
    pub(crate) place: Place,
    pub(crate) tls: Option<TlsCertificates>,
}

/// See [`RedisAddress`].
#[derive(Clone)]
pub(crate) enum Place {
    /// One server.
    Single(ConnectionInfo),
    /// Whichever server the Sentinels name.
    Sentinels(SentinelPlace),
    /// Nodes of a Cluster, where to begin asking.
    Cluster(Vec<ConnectionInfo>),
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

impl Place {
    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        match self {
            Self::Single(info) => info.redis_settings().db(),
            Self::Sentinels(place) => place.settings.db(),
            Self::Cluster(_) => 0,
        }
    }
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
    #[error("expected redis://user:password@host:port/database, rediss:// for TLS, or unix:/path")]
    Malformed,
    /// It names a database other than 0 in a Cluster.
    #[error("a Redis Cluster has only database 0")]
    ClusterDatabase,
    /// A certificate or key is none, or a key without its certificate was given.
    #[error("a certificate or key for Redis is not in PEM form, or one of the two is missing")]
    Certificate,
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
        let at = (self.host, self.port).into_connection_info().map_err(|_| AddressError::Malformed)?;
        Ok(at.set_redis_settings(plain()))
    }

    fn known_at(&self) -> Result<ConnectionInfo, AddressError> {
        Ok(self.at()?.set_redis_settings(self.settings()?))
    }

    fn settings(&self) -> Result<RedisConnectionInfo, AddressError> {
        let database = i64::try_from(self.database).map_err(|_| AddressError::Malformed)?;
        let mut settings = plain().set_db(database);
        if let Some(user) = self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = self.password {
            settings = settings.set_password(password);
        }
        Ok(settings)
    }
}

/// No credentials, and the protocol that tells of lost connections by itself.
fn plain() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3)
}

/// Whom TLS trusts, and what it shows. All in PEM form. Never shown, since it holds a key.
#[derive(Clone, Default)]
pub struct RedisTls {
    /// Certificates of the authorities that may vouch for the server. `None` asks the system's.
    pub authorities: Option<Vec<u8>>,
    /// The certificate and the key that the server asks its clients for.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisTls(redacted)")
    }
}

impl RedisAddress {
    fn plain(place: Place) -> Self {
        Self { place, tls: None }
    }

    /// An address from its parts, which need no escapes.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn of(node: &RedisNode<'_>) -> Result<Self, AddressError> {
        Ok(Self::plain(Place::Single(node.known_at()?)))
    }

    /// A server that listens on a socket in the file system. Host and port of the node mean nothing.
    ///
    /// # Errors
    /// [`AddressError::Malformed`].
    pub fn of_socket(path: &str, node: &RedisNode<'_>) -> Result<Self, AddressError> {
        let at = ConnectionAddr::Unix(path.into()).into_connection_info().map_err(|_| AddressError::Malformed)?;
        Ok(Self::plain(Place::Single(at.set_redis_settings(node.settings()?))))
    }

    /// Whichever server these Sentinels name for `master`, at any time. Credentials and database of the first one are those at the
    /// master; a Sentinel hears the credentials only where it refuses who gives none.
    ///
    /// # Errors
    /// [`AddressError::Malformed`], also without a Sentinel.
    pub fn of_sentinels(sentinels: &[RedisNode<'_>], master: &str) -> Result<Self, AddressError> {
        let settings = sentinels.first().ok_or(AddressError::Malformed)?.settings()?;
        let sentinels = sentinels.iter().map(RedisNode::at).collect::<Result<_, _>>()?;
        Ok(Self::plain(Place::Sentinels(SentinelPlace { sentinels, name: master.to_owned(), settings })))
    }

    /// A Cluster, found through any of these nodes. Credentials are those of the first one.
    ///
    /// # Errors
    /// [`AddressError::Malformed`], also without a node; [`AddressError::ClusterDatabase`].
    pub fn of_cluster(nodes: &[RedisNode<'_>]) -> Result<Self, AddressError> {
        let settings = nodes.first().ok_or(AddressError::Malformed)?.settings()?;
        if settings.db() != 0 {
            return Err(AddressError::ClusterDatabase);
        }
        let known = |node: &RedisNode<'_>| Ok(node.at()?.set_redis_settings(settings.clone()));
        Ok(Self::plain(Place::Cluster(nodes.iter().map(known).collect::<Result<_, _>>()?)))
    }

    /// Reads the address of one server: `redis://user:password@host:port/database`, `rediss://` for TLS with the authorities of
    /// the system, `unix:/path` or `redis+unix:/path`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // What stands behind `#` would switch the check of certificates off.
        let info = Some(text).filter(|text| !text.contains('#')).map(IntoConnectionInfo::into_connection_info);
        let info = info.and_then(Result::ok).ok_or(AddressError::Malformed)?;
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let address = Self::plain(Place::Single(info.set_redis_settings(settings)));
        if is_tls { address.with_tls(RedisTls::default()) } else { Ok(address) }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.place, Place::Cluster(_))
    }

    /// The same place, reached by TLS only, Sentinels too. Names are checked.
    ///
    /// # Errors
    /// [`AddressError::Certificate`]; [`AddressError::Malformed`] for a socket in the file system.
    pub fn with_tls(self, tls: RedisTls) -> Result<Self, AddressError> {
        let certificates = TlsCertificates {
            client_tls: tls.identity.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
            root_cert: tls.authorities,
        };
        // Where another part of the process has chosen a provider already, that one serves as well.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let over = |info: ConnectionInfo| match info.addr() {
            ConnectionAddr::Unix(_) => Err(AddressError::Malformed),
            _ => secured(info, &certificates).map_err(|_| AddressError::Certificate),
        };
        let place = match self.place {
            Place::Single(info) => Place::Single(over(info)?),
            Place::Sentinels(place) => Place::Sentinels(SentinelPlace {
                sentinels: place.sentinels.into_iter().map(over).collect::<Result<_, _>>()?,
                ..place
            }),
            Place::Cluster(nodes) => Place::Cluster(nodes.into_iter().map(over).collect::<Result<_, _>>()?),
        };
        Ok(Self { place, tls: Some(certificates) })
    }
}

/// The same server by TLS.
pub(crate) fn secured(info: ConnectionInfo, certificates: &TlsCertificates) -> RedisResult<ConnectionInfo> {
    let addr = match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
        other => other.clone(),
    };
    Ok(Client::build_with_tls(info.set_addr(addr), certificates.clone())?.get_connection_info().clone())
}
