//! Sessions inside an axum application: a tower layer that validates once for each request, and extractors that ask it.
//!
//! ```text
//! Router ── .layer(SessionLayer) ──► reads the cookie or bearer token, one lookup, nothing without a token
//!    handlers ── CurrentUser, Option<CurrentUser>, RequireMfa     who is it, and may they
//!             ── Session                                          data, rotation, logout
//!             ── Login                                            starts a session after your own check of who it is
//! ```
//!
//! The layer refuses nothing by itself; extractors do. Unsafe requests that came by cookie need the CSRF token in
//! `X-CSRF-Token`, and come from our own or an allowed origin (OWASP CSRF cheat sheet); a bearer token needs neither, because
//! no browser adds it. Cookies that handlers set leave with the layer's answer.
//!
//! The client's address is known where the application is served by
//! `into_make_service_with_connect_info::<SocketAddr>()`; without it no session is bound to an address.

mod extract;
mod handle;
mod visit;

pub use extract::{CurrentUser, RequireMfa};
pub use handle::{Login, Session, Started};

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::extract::Request;
use axum::response::Response;
use tower::{Layer, Service};
use vestibule_core::id::UserTag;
use vestibule_core::session::Sessions;

use crate::client_address::TrustedProxies;
use crate::cookie::SessionCookie;
use crate::origin::AllowedOrigins;
use visit::Visit;

/// The tag of the user whose valid session the layer found.
pub(crate) fn tag_in(extensions: &http::Extensions) -> Option<UserTag> {
    let visit = extensions.get::<Arc<Visit>>()?;
    let valid = visit.found.as_ref().ok()?.as_ref()?;
    Some(valid.session().id.tag())
}

/// Validates the session of each request. Cheap to clone.
#[derive(Clone)]
pub struct SessionLayer(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    sessions: Arc<Sessions>,
    cookie: SessionCookie,
    trusted: TrustedProxies,
    allowed: AllowedOrigins,
}

impl std::fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionLayer")
    }
}

impl SessionLayer {
    /// A layer with this cookie. No proxy is trusted and no other origin allowed, unless said below.
    #[must_use]
    pub fn new(sessions: Arc<Sessions>, cookie: SessionCookie) -> Self {
        Self(Arc::new(Shared { sessions, cookie, trusted: TrustedProxies::default(), allowed: AllowedOrigins::default() }))
    }

    /// Proxies whose word on the client's address, scheme and host is taken.
    #[must_use]
    pub fn trusting(mut self, proxies: TrustedProxies) -> Self {
        Arc::make_mut(&mut self.0).trusted = proxies;
        self
    }

    /// Origins beside our own that may send unsafe requests with a cookie.
    #[must_use]
    pub fn allowing(mut self, origins: AllowedOrigins) -> Self {
        Arc::make_mut(&mut self.0).allowed = origins;
        self
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { shared: self.0.clone(), inner }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Clone)]
pub struct SessionService<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> std::fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionService")
    }
}

impl<S> Service<Request> for SessionService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        // The one that was polled ready serves this request; its clone waits for the next.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let shared = self.shared.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let visit = Arc::new(Visit::of(shared, &parts).await);
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(visit.clone());
            let mut response = inner.call(request).await?;
            visit.leave(response.headers_mut());
            Ok(response)
        })
    }
}
