//! Accepting connections and serving HTTP/1.1 on them, within bounds.
//!
//! Bounds hold where the bytes arrive: the head of a request in size and time, connections in number. A body is bounded by
//! whoever reads it and finds its bound in the request ([`BodyLimit`]). TLS is the business of the proxy in front.

use super::{
    bounds,
    stage::Staged,
    stop::{Phase, Stop},
};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io::ErrorKind,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::AsyncWrite as _,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::task::TaskTracker;
use tower::Service;
use vestibule::http::json::BodyLimit;

/// What both listeners share: bounds, and the count of connections that are open.
#[derive(Clone)]
pub(super) struct Connections {
    http: http1::Builder,
    header_timeout: Duration,
    body_limit: BodyLimit,
    /// Connections of one listener at most. Each has its own bound: whoever fills the public one must not lock the operator out.
    max_connections: usize,
    open: TaskTracker,
    stop: Stop,
}

impl Connections {
    pub(super) fn new(config: &crate::config::Http, stop: Stop) -> Self {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let header_limit = bytes(config.header_limit);
        let mut http = http1::Builder::new();
        // hyper's own timer would be armed and taken down again for each request; see `Head`.
        http.header_read_timeout(None)
            .max_header_size(header_limit)
            .max_buf_size(header_limit.max(bounds::BUFFER))
            .max_headers(bounds::HEADERS);
        Self {
            http,
            header_timeout: config.header_timeout,
            body_limit: BodyLimit(bytes(config.body_limit)),
            max_connections: bytes(config.max_connections).min(Semaphore::MAX_PERMITS),
            open: TaskTracker::new(),
            stop,
        }
    }

    /// Waits until no connection is open, for some time at most. Whether it came to that.
    pub(super) async fn ended_within(&self, time: Duration) -> bool {
        self.open.close();
        timeout(time, self.open.wait()).await.is_ok()
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Accepts connections until the server closes. More than the bound wait in the operating system's queue.
    pub(super) async fn accept<S>(self, listener: TcpListener, service: Staged<S>)
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        let mut stop = self.stop.clone();
        let slots = Arc::new(Semaphore::new(self.max_connections));
        loop {
            let accepted = tokio::select! {
                accepted = next(&listener, &slots) => accepted,
                () = stop.reached(Phase::Closing) => return,
            };
            match accepted {
                Some((slot, stream, peer)) => {
                    let talk = self.clone().talk(stream, peer, service.clone());
                    self.open.spawn(async move {
                        talk.await;
                        drop(slot);
                    });
                }
                None => sleep(bounds::ACCEPT_PAUSE).await,
            }
        }
    }

    /// One connection from its first byte to its last.
    async fn talk<S>(self, stream: TcpStream, peer: SocketAddr, service: Staged<S>)
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        // Answers are small and whole: waiting for more to send along costs 40 ms with a client that delays its ACK.
        let _ = stream.set_nodelay(true);
        let Self { mut http, header_timeout, body_limit, mut stop, .. } = self;
        let head = Arc::new(Head::new());
        let heard = head.clone();
        let handler = service_fn(move |request: hyper::Request<Incoming>| {
            heard.arrived();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(body_limit);
            let (answer, heard) = (service.clone().answer(request), heard.clone());
            Box::pin(async move {
                let answer = answer.await;
                heard.awaited();
                answer.map(|answer| match answer.body().size_hint().exact() {
                    Some(_) => answer,
                    None => answer.map(|body| Body::new(Streamed { body, head: heard })),
                })
            })
        });
        let was_draining = stop.phase() >= Phase::Draining;
        http.keep_alive(!was_draining);
        let mut connection = http.serve_connection(TokioIo::new(stream), handler);
        let served = tokio::select! {
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
            () = head.late(header_timeout) => return,
            () = stop.reached(Phase::Draining), if !was_draining => {
                Pin::new(&mut connection).graceful_shutdown();
                let is_fresh = async {
                    sleep(bounds::FIRST_REQUEST).await;
                    if head.has_begun() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => served,
                    () = is_fresh => return,
                }
            }
        };
        if let Err(error) = &served {
            tracing::debug!(%peer, error = ?error.to_string(), "a connection ended with an error");
        }
        if served.is_err() || stop.phase() == Phase::Serving {
            linger(connection.into_parts().io.into_inner()).await;
        }
    }
}

/// An answer that is made while it is sent. The client may not be waited for while it is being made, but between two parts it is:
/// whoever takes nothing of what is there for as long as a head may take is cut.
struct Streamed {
    body: Body,
    head: Arc<Head>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.head.arrived();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.head.awaited();
        }
        polled
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.head.awaited();
    }
}

/// Whether a connection keeps us waiting for the head of its next request.
///
/// A request costs two stores; the one timer of the connection looks at them when it rings. So a head that is late is noticed
/// between one and two timeouts after it was first awaited.
struct Head {
    opened: Instant,
    /// Milliseconds after `opened`, plus one; zero while a request is being answered.
    awaited: AtomicU64,
    begun: AtomicBool,
}

impl Head {
    fn new() -> Self {
        Self { opened: Instant::now(), awaited: AtomicU64::new(1), begun: AtomicBool::new(false) }
    }

    /// It is here.
    fn arrived(&self) {
        self.begun.store(true, Ordering::Relaxed);
        self.awaited.store(0, Ordering::Relaxed);
    }

    /// The answer is made: the next one may come.
    fn awaited(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.awaited.store(since + 1, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Returns once a head has been awaited for longer than this.
    async fn late(&self, timeout: Duration) {
        loop {
            let deadline = match self.awaited.load(Ordering::Relaxed) {
                0 => Instant::now() + timeout,
                awaited => self.opened + Duration::from_millis(awaited - 1) + timeout,
            };
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((slot, stream, peer)),
        Err(error) => {
            tracing::warn!(error = ?error.to_string(), "a connection was not accepted");
            None
        }
    }
}

/// Ends our side and reads on for a moment. Closing with unread bytes would be a reset, which takes the last answer from the
/// client that is still sending: a refused upload, say.
async fn linger(mut stream: TcpStream) {
    let drain = async {
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
        let mut buffer = [0; 4 << 10];
        let mut left = bounds::LINGER_BYTES;
        while left > 0 {
            stream.readable().await?;
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // Whatever it ends with, the connection is closed.
    let _ = timeout(bounds::LINGER, drain).await;
}
