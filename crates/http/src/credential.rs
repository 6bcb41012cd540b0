//! The session token of a request, by which way it came, and what a refusal tells its holder.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::USER_AGENT;
use http::{Extensions, HeaderMap};
use vestibule_core::session::binding::Client;
use vestibule_core::session::service::validate::Refusal;

use crate::client_address::TrustedProxies;
use crate::cookie::SessionCookie;
use crate::headers::{Single, single};
use crate::problem::ProblemCode;
use crate::token_header::{BearerRead, read_bearer};

/// A session token, not yet validated.
#[derive(Clone, Copy)]
pub(crate) struct Credential<'a> {
    pub(crate) token: &'a str,
    /// A browser adds a cookie by itself, so only a cookie can be abused by another site.
    pub(crate) by_cookie: bool,
}

impl<'a> Credential<'a> {
    /// The cookie, else a bearer token, else the cookie of a system that ours replaces.
    pub(crate) fn read(cookie: &SessionCookie, headers: &'a HeaderMap) -> Option<Self> {
        if let Some(token) = cookie.read(headers).value() {
            return Some(Self { token, by_cookie: true });
        }
        match read_bearer(headers) {
            BearerRead::One(token) => Some(Self { token, by_cookie: false }),
            BearerRead::None | BearerRead::Invalid => cookie.read_legacy(headers).map(|token| Self { token, by_cookie: true }),
        }
    }
}

impl Credential<'_> {
    /// Whether this is of the form of an access token and not of a session token: three parts, the first of which begins with `{"`.
    pub(crate) fn is_access_token(self) -> bool {
        !self.by_cookie && self.token.starts_with("eyJ") && self.token.bytes().filter(|byte| *byte == b'.').count() == 2
    }
}

/// The client, with its address as the trusted proxies tell it. Without axum's `ConnectInfo` there is no address.
pub(crate) fn client<'a>(trusted: &TrustedProxies, headers: &'a HeaderMap, extensions: &Extensions) -> Client<'a> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    Client {
        ip: peer.map(|ConnectInfo(peer)| trusted.client_address(peer.ip(), headers).ip),
        user_agent: text(single(headers, &USER_AGENT)),
    }
}

pub(crate) fn text(single: Single<'_>) -> Option<&str> {
    match single {
        Single::One(text) => Some(text),
        Single::Absent | Single::Invalid => None,
    }
}

/// What whoever holds the token is told. Which of several reasons ended a session is for the backend.
pub(crate) fn code_of(refusal: Refusal) -> ProblemCode {
    match refusal {
        Refusal::CsrfFailed => ProblemCode::CsrfFailed,
        Refusal::StepUpRequired => ProblemCode::StepUpRequired,
        _ => ProblemCode::Unauthenticated,
    }
}
