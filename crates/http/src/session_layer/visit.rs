//! One request on its way through the layer.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CACHE_CONTROL, HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use vestibule_core::bounds::{REQUEST_ID_BYTES, USER_AGENT_BYTES};
use vestibule_core::event::Origin;
use vestibule_core::session::binding::Client;
use vestibule_core::session::model::cut;
use vestibule_core::session::service::validate::{Presented, ValidSession, Validation};

use super::Shared;
use crate::credential::{Credential, client, code_of, text};
use crate::headers::{CSRF_TOKEN, NO_STORE, REQUEST_ID, single};
use crate::origin::{OriginFacts, OriginVerdict, Scheme, is_safe_method};
use crate::problem::ProblemCode;

/// What the layer found, and what handlers want the answer to carry.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    /// The session; `None` without a token; a code where the token or the request is refused.
    pub(super) found: Result<Option<ValidSession>, ProblemCode>,
    /// Whether another site made the browser send this.
    pub(super) is_foreign: bool,
    /// The token of the cookie, good or not: a login takes its place.
    pub(super) cookie_token: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<Box<str>>,
    request_id: Option<Box<str>>,
    set_cookie: Mutex<Option<HeaderValue>>,
}

impl Visit {
    pub(super) async fn of(shared: Arc<Shared>, parts: &Parts) -> Self {
        let headers = &parts.headers;
        let client = client(&shared.trusted, headers, &parts.extensions);
        let is_foreign = verdict(&shared, parts) == OriginVerdict::Foreign;
        let request_id = text(single(headers, &REQUEST_ID)).filter(|id| id.len() <= REQUEST_ID_BYTES);
        let found = match Credential::read(&shared.cookie, headers) {
            // No token, no question to the store.
            None => Ok(None),
            // For the layer of access tokens, if there is one.
            Some(credential) if credential.is_access_token() => Ok(None),
            Some(credential) if credential.by_cookie && is_foreign => Err(ProblemCode::CsrfFailed),
            Some(credential) => validate(&shared, credential, parts, client, request_id).await,
        };
        Self {
            found,
            is_foreign,
            cookie_token: shared.cookie.read(headers).value().or_else(|| shared.cookie.read_legacy(headers)).map(str::to_owned),
            ip: client.ip,
            user_agent: client.user_agent.map(|agent| cut(agent, USER_AGENT_BYTES).into()),
            request_id: request_id.map(Into::into),
            set_cookie: Mutex::new(None),
            shared,
        }
    }

    /// Where a command of this request comes from.
    pub(super) fn origin(&self, actor: Option<&str>) -> Origin {
        Origin {
            actor: actor.map(Into::into),
            ip: self.ip,
            user_agent: self.user_agent.clone(),
            request_id: self.request_id.clone(),
        }
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    pub(super) fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// The last one that a handler sets is the one that leaves.
    pub(super) fn set_cookie(&self, cookie: HeaderValue) {
        *self.set_cookie.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
    }

    /// Puts the cookie on the answer, which no cache may then keep.
    pub(super) fn leave(&self, headers: &mut HeaderMap) {
        if let Some(cookie) = self.set_cookie.lock().unwrap_or_else(PoisonError::into_inner).take() {
            headers.append(SET_COOKIE, cookie);
            headers.insert(CACHE_CONTROL, NO_STORE.clone());
        }
    }
}

fn verdict(shared: &Shared, parts: &Parts) -> OriginVerdict {
    let peer = parts.extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>();
    let forwarded = peer.map(|peer| shared.trusted.forwarded_target(peer.0.ip(), &parts.headers)).unwrap_or_default();
    let host = forwarded.host.or_else(|| parts.headers.get(HOST)?.to_str().ok()).unwrap_or_default();
    let scheme = forwarded.scheme.unwrap_or(Scheme::Http);
    shared.allowed.verdict(&OriginFacts::from_headers(&parts.headers, parts.method.as_str(), scheme, host))
}

async fn validate(
    shared: &Shared,
    credential: Credential<'_>,
    parts: &Parts,
    client: Client<'_>,
    request_id: Option<&str>,
) -> Result<Option<ValidSession>, ProblemCode> {
    let presented = Presented {
        token: credential.token,
        csrf_token: text(single(&parts.headers, &CSRF_TOKEN)),
        demands_csrf: credential.by_cookie && !is_safe_method(parts.method.as_str()),
        client,
        activity: None,
        request_id,
    };
    match shared.sessions.validate(presented).await {
        Ok(Validation::Valid(valid)) => Ok(Some(valid)),
        Ok(Validation::Refused(refusal)) => Err(code_of(refusal)),
        Err(fault) => {
            tracing::error!(class = fault.class(), error = %fault, "the store failed");
            Err(ProblemCode::StoreUnavailable)
        }
    }
}
