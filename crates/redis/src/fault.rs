//! What an error of Redis means for the caller, and what the operator can do about it.

use redis::{ErrorKind, RedisError};
use std::{borrow::Cow, error::Error, io, sync::Arc};
use vestibule_core::fault::Fault;

/// What a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Nothing: asking again is safe.
    Read,
    /// It may have been applied.
    Write,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// The command did not leave, or the server refused it before it did anything.
    NotSent(Fault),
    /// The server or the connection says so.
    Answered(RedisError),
}

impl Failure {
    pub(crate) fn fault(self, call: Call) -> Fault {
        match self {
            Self::NotSent(fault) => fault,
            Self::Answered(error) => fault(&error, call),
        }
    }
}

/// What an error means.
pub(crate) fn fault(error: &RedisError, call: Call) -> Fault {
    let misconfigured = |text: &'static str| Fault::Misconfigured(Cow::Borrowed(text));
    match error.code() {
        Some("OOM") => misconfigured("Redis is out of memory: raise maxmemory; endings go on meanwhile"),
        Some("MISCONF") => misconfigured("Redis cannot save to its disk and refuses writes: see its log, free space"),
        Some("READONLY") => misconfigured("this Redis is a read-only replica: name the master"),
        Some("MOVED" | "ASK") => misconfigured("this Redis is a node of a Cluster: name it as redis+cluster://"),
        Some("ERR") if error.detail().is_some_and(|text| text.contains("cluster support disabled")) => {
            misconfigured("this Redis is no node of a Cluster: name it as redis://")
        }
        Some("ERR") if error.detail().is_some_and(|text| text.contains("DB index")) => {
            misconfigured("this Redis has no database of that number")
        }
        Some("ERR") if error.detail().is_some_and(|text| text.contains("unknown command")) => {
            misconfigured("what answers does not know a command that is needed: it may be a Sentinel, or older than 7.0")
        }
        Some("NOAUTH" | "WRONGPASS") => misconfigured("Redis refuses the password"),
        Some("NOPERM") => misconfigured("the Redis user may not run a command that is needed: see docs/keyspace.md"),
        Some("WRONGTYPE") => Fault::Corrupt("a key of ours holds something else".into()),
        Some("LOADING") => Fault::Unavailable("Redis is loading its data".into()),
        Some(code @ ("BUSY" | "MASTERDOWN" | "TRYAGAIN" | "CLUSTERDOWN")) => {
            Fault::Unavailable(format!("Redis answers {code}").into())
        }
        _ => fault_without_code(error, call),
    }
}

fn fault_without_code(error: &RedisError, call: Call) -> Fault {
    if let Some(trouble) = tls_trouble(error) {
        return Fault::Misconfigured(format!("no TLS connection to Redis: {trouble}").into());
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => Fault::Misconfigured("Redis refuses the password".into()),
        ErrorKind::InvalidClientConfig => Fault::Misconfigured("the address of Redis cannot be used".into()),
        ErrorKind::RESP3NotSupported => Fault::Misconfigured("this Redis is older than 7.0: upgrade it".into()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Fault::Corrupt("Redis gave an answer of another form".into()),
        _ if error.is_connection_refusal() => Fault::Unavailable("Redis refuses the connection".into()),
        ErrorKind::Io if call == Call::Write => Fault::Timeout,
        ErrorKind::Io => Fault::Unavailable("the connection to Redis broke".into()),
        _ => Fault::Unavailable(format!("Redis answers {}", error.code().unwrap_or("an error")).into()),
    }
}

/// What TLS says about the other side: no secret, and the only clue that the operator has.
fn tls_trouble(error: &RedisError) -> Option<String> {
    let cause = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let trouble = inner.map_or_else(|| cause.downcast_ref::<rustls::Error>(), |inner| inner.downcast_ref());
    trouble.map(ToString::to_string)
}

/// An answer that cannot be.
pub(crate) fn odd(what: &'static str) -> Fault {
    Fault::Corrupt(Cow::Borrowed(what))
}
