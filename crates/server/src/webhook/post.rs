//! One delivery: find the address, look whether it may be reached, connect to that very address, send, read the status.
//!
//! No redirect is followed and no proxy asked: both would lead past the look at the address.

use super::{ANSWER, Authorities, CONNECT, guard};
use crate::config::{Webhook, WebhookUrl};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, crypto::aws_lc_rs, pki_types::ServerName},
};

/// Why a delivery failed: what an operator reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PostError {
    #[error("the name of the host leads to no address")]
    Unresolved,
    #[error("the host is in a private network; allow_private = true would let it be reached")]
    Private,
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error("no answer: {0}")]
    Broken(String),
    #[error("no answer in time")]
    Late,
    #[error("answered by status {0}")]
    Refused(u16),
}

/// A message to be posted.
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    /// Seconds since 1970.
    pub(super) time: u64,
    pub(super) body: &'a str,
}

/// Posts.
pub(crate) struct Poster {
    tls: TlsConnector,
}

impl Poster {
    /// Speaks over TLS only to those for whom one of these authorities vouches.
    pub(crate) fn new(authorities: &Authorities) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions of TLS")
            .with_root_certificates(authorities.roots())
            .with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Posts a message. Any 2xx is a success.
    ///
    /// # Errors
    /// Why it failed. The receiver may have got it all the same.
    pub(super) async fn post(&self, hook: &Webhook, message: &Message<'_>) -> Result<(), PostError> {
        match self.ask(&hook.url, hook.allow_private, request(hook, message)?, 0).await? {
            (200..300, _) => Ok(()),
            (status, _) => Err(PostError::Refused(status)),
        }
    }

    /// Sends a request: the status of the answer, and its body if it has no more than so many bytes. With 0 it is not read.
    ///
    /// # Errors
    /// Why it failed. The receiver may have got it all the same.
    pub(crate) async fn ask(
        &self,
        url: &WebhookUrl,
        allow_private: bool,
        request: Request<Full<Bytes>>,
        longest: usize,
    ) -> Result<(u16, Bytes), PostError> {
        let exchange = async {
            let stream = timeout(CONNECT, connect(url, allow_private)).await.map_err(|_| PostError::Late)??;
            if !url.is_secure() {
                return exchange(stream, request, longest).await;
            }
            let name = ServerName::try_from(url.host().to_owned()).map_err(|error| PostError::Tls(error.to_string()))?;
            let secured = timeout(CONNECT, self.tls.connect(name, stream)).await.map_err(|_| PostError::Late)?;
            exchange(secured.map_err(|error| PostError::Tls(error.to_string()))?, request, longest).await
        };
        timeout(ANSWER, exchange).await.map_err(|_| PostError::Late)?
    }
}

/// A connection to an address that was looked at: not to the name, which may lead elsewhere a moment later.
async fn connect(url: &WebhookUrl, allow_private: bool) -> Result<TcpStream, PostError> {
    let found = lookup_host((url.host(), url.port())).await.map_err(|_| PostError::Unresolved)?;
    let found: Vec<SocketAddr> = found.collect();
    let mut failure = if found.is_empty() { PostError::Unresolved } else { PostError::Private };
    for address in found.into_iter().filter(|address| allow_private || guard::is_public(address.ip())) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = PostError::Unreachable(error.to_string()),
        }
    }
    Err(failure)
}

fn request(hook: &Webhook, message: &Message<'_>) -> Result<Request<Full<Bytes>>, PostError> {
    Request::post(hook.url.target())
        .header(header::HOST, hook.url.authority())
        .header(header::USER_AGENT, concat!("vestibule/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header("webhook-id", message.id)
        .header("webhook-timestamp", message.time)
        .header("webhook-signature", hook.key.sign(message.id, message.time, message.body))
        .body(Full::from(message.body.to_owned()))
        .map_err(|error| PostError::Broken(error.to_string()))
}

/// The status of the answer, and its body if it is wanted.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, longest: usize) -> Result<(u16, Bytes), PostError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: hyper::Error| PostError::Broken(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        if longest == 0 {
            return Ok((status, Bytes::new()));
        }
        let body = Limited::new(answer.into_body(), longest).collect().await;
        let body = body.map_err(|_| PostError::Broken("its body is too long, or broke off".to_owned()))?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(connection, answer);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            // What was read last may hold the answer.
            Ok(()) => answer.await,
            Err(error) => Err(broken(error)),
        },
    }
}
