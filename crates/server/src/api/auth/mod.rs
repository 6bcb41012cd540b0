//! What browsers call: accounts, and a user's own sessions. On the public listener, by cookie.
//!
//! A browser holds the token in a cookie that scripts cannot read and sends the CSRF token in a header. An unsafe request
//! from a foreign origin is refused whatever it carries (OWASP CSRF Prevention Cheat Sheet).

mod account;
pub(super) mod cors;
mod device;
mod own;
mod page;
mod refresh;
mod reset;
mod step_up;

pub(crate) use page::LoginPage;

use super::{Server, unavailable_to_browser};
use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Serialize;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use vestibule::{
    account::KnownDeviceToken,
    bounds::KNOWN_DEVICE_TTL,
    event::Origin,
    http::{
        client_address::TrustedProxies,
        cookie::SessionCookie,
        headers::{CSRF_TOKEN, Single, single},
        origin::{AllowedOrigins, OriginFacts, OriginVerdict, Scheme, is_safe_method},
        problem::{Problem, ProblemCode},
    },
    session::{
        Session,
        binding::Client,
        service::{
            Issued, SessionInfo,
            validate::{Presented, Refusal, ValidSession, Validation},
        },
    },
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/auth/register", post(account::register))
        .route("/auth/login", get(page::show).post(account::login))
        .route("/auth/login/style.css", get(page::style))
        .route("/auth/logout", post(account::logout))
        .route("/auth/me", get(account::me))
        .route("/auth/refresh", post(refresh::refresh))
        .route("/auth/password", post(account::change_password))
        .route("/auth/reset", post(reset::reset))
        .route("/auth/step-up", post(step_up::step_up))
        .route("/auth/sessions", get(own::list).delete(own::end_all))
        .route("/auth/sessions/{id}", axum::routing::delete(own::end))
        .route("/auth/devices", get(device::list).post(device::trust).delete(device::revoke_all))
        .route("/auth/devices/{id}", axum::routing::patch(device::rename).delete(device::revoke))
}

/// What the browser routes need to know of the configuration.
pub(crate) struct Browser {
    /// The session cookie.
    pub(crate) cookie: SessionCookie,
    /// The cookie that makes a device known.
    pub(crate) known_device: SessionCookie,
    /// The cookie by which a trusted device is recognised.
    pub(crate) trusted_device: SessionCookie,
    /// The login page.
    pub(crate) login_page: LoginPage,
    /// Proxies whose word on the client is taken.
    pub(crate) trusted: TrustedProxies,
    /// Origins beside our own.
    pub(crate) allowed: AllowedOrigins,
    /// Whether a logout sends `Clear-Site-Data`.
    pub(crate) clear_site_data: bool,
}

/// A request from a browser: where it comes from, and that it may come from there.
pub(super) struct Visit {
    method: Method,
    token: Option<String>,
    csrf_token: Option<String>,
    known_device: Option<String>,
    device_token: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    request_id: Option<Box<str>>,
}

impl FromRequestParts<Arc<Server>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Problem> {
        let browser = &server.browser;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let ip = peer.map(|peer| browser.trusted.client_address(peer, &parts.headers).ip);
        let forwarded = peer.map(|peer| browser.trusted.forwarded_target(peer, &parts.headers)).unwrap_or_default();
        let host = forwarded.host.or_else(|| text(&parts.headers, header::HOST)).unwrap_or_default();
        let scheme = forwarded.scheme.unwrap_or(Scheme::Http);
        let facts = OriginFacts::from_headers(&parts.headers, parts.method.as_str(), scheme, host);
        if browser.allowed.verdict(&facts) == OriginVerdict::Foreign {
            return Err(Problem::new(ProblemCode::CsrfFailed));
        }
        let csrf_token = match single(&parts.headers, &CSRF_TOKEN) {
            Single::One(token) => Some(token.to_owned()),
            Single::Absent | Single::Invalid => None,
        };
        let cookie = browser.cookie.read(&parts.headers).value().or_else(|| browser.cookie.read_legacy(&parts.headers));
        Ok(Self {
            method: parts.method.clone(),
            token: cookie.map(ToOwned::to_owned),
            csrf_token,
            known_device: browser.known_device.read(&parts.headers).value().map(ToOwned::to_owned),
            device_token: browser.trusted_device.read(&parts.headers).value().map(ToOwned::to_owned),
            ip,
            user_agent: text(&parts.headers, header::USER_AGENT).map(ToOwned::to_owned),
            request_id: parts.extensions.get::<super::RequestId>().map(|id| id.0.clone()),
        })
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl Visit {
    fn origin(&self, session: Option<&Session>) -> Origin {
        let actor = session.and_then(|session| match &session.actor {
            Some(actor) => Some(actor.user_id.as_str().into()),
            None => session.user_id.as_ref().map(|user| user.as_str().into()),
        });
        let user_agent = self.user_agent.as_deref();
        let user_agent =
            user_agent.map(|agent| vestibule::session::model::cut(agent, vestibule::bounds::USER_AGENT_BYTES).into());
        Origin { actor, ip: self.ip, user_agent, request_id: self.request_id.clone() }
    }

    /// The session behind the cookie. Unsafe methods need its CSRF token.
    async fn session(&self, server: &Server) -> Result<ValidSession, Problem> {
        self.session_of(server, Client { ip: self.ip, user_agent: self.user_agent.as_deref() }).await
    }

    /// As [`Self::session`], wherever the request comes from: nobody gains anything by ending a session.
    async fn session_to_end(&self, server: &Server) -> Result<ValidSession, Problem> {
        self.session_of(server, Client::default()).await
    }

    async fn session_of(&self, server: &Server, client: Client<'_>) -> Result<ValidSession, Problem> {
        let presented = Presented {
            token: self.token.as_deref().unwrap_or_default(),
            csrf_token: self.csrf_token.as_deref(),
            demands_csrf: !is_safe_method(self.method.as_str()),
            client,
            activity: None,
            request_id: self.request_id.as_deref(),
        };
        match server.vestibule.sessions.validate(presented).await.map_err(|fault| unavailable_to_browser(&fault))? {
            Validation::Valid(valid) => Ok(valid),
            Validation::Refused(Refusal::CsrfFailed) => Err(Problem::new(ProblemCode::CsrfFailed)),
            Validation::Refused(Refusal::StepUpRequired) => Err(Problem::new(ProblemCode::StepUpRequired)),
            // Which of the other reasons it was is for the backend, not for whoever holds the cookie.
            Validation::Refused(_) => Err(Problem::new(ProblemCode::Unauthenticated)),
        }
    }

    /// The session behind the cookie, if it may do what concerns the security of its user: no share, no impersonation.
    async fn own_session(&self, server: &Server) -> Result<Session, Problem> {
        let session = self.session(server).await?.session();
        if session.actor.is_some() {
            return Err(Problem::new(ProblemCode::ImpersonationForbidden));
        }
        if session.parent.is_some() {
            return Err(Problem::new(ProblemCode::ShareForbidden));
        }
        Ok(session)
    }
}

/// How long a browser keeps the cookie: as long as the session may live.
fn max_age(session: &Session, server: &Server) -> Duration {
    Duration::from_millis(session.expires_at.since_ms(server.vestibule.sessions.clock().now()))
}

/// A private answer.
fn private(status: axum::http::StatusCode, body: impl Serialize) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that also hands the browser its new cookie. The token is nowhere else in it.
fn with_cookie(mut response: Response, issued: &Issued, server: &Server) -> Result<Response, Problem> {
    let age = max_age(&issued.info.session, server);
    let cookie =
        server.browser.cookie.set_header(&issued.token.expose(), age).map_err(|_| Problem::new(ProblemCode::Internal))?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// An answer that also leaves with the device that it is known.
fn with_known_device(mut response: Response, token: &KnownDeviceToken, server: &Server) -> Result<Response, Problem> {
    let cookie = server.browser.known_device.set_header(&token.expose(), KNOWN_DEVICE_TTL);
    response.headers_mut().append(header::SET_COOKIE, cookie.map_err(|_| Problem::new(ProblemCode::Internal))?);
    Ok(response)
}

/// An answer that makes the browser forget.
fn forgetting(mut response: Response, server: &Server) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(header::SET_COOKIE, server.browser.cookie.clear_header());
    if server.browser.clear_site_data {
        headers.insert("clear-site-data", HeaderValue::from_static("\"cache\", \"cookies\", \"storage\""));
    }
    response
}

/// A session as its own user sees it.
fn body_of(server: &Server, session: Session) -> Result<super::session::SessionBody, Problem> {
    let info: SessionInfo = server.vestibule.sessions.open(session).map_err(|fault| unavailable_to_browser(&fault))?;
    Ok(info.into())
}
