//! Whether the original request may pass.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::USER_AGENT;
use http::{HeaderMap, Request};
use vestibule_core::session::SessionKind;
use vestibule_core::session::binding::Client;
use vestibule_core::session::service::validate::{Presented, Refusal, ValidSession, Validation};

use super::{EXT_AUTHZ, Endpoint, Shared};
use crate::headers::{CSRF_TOKEN, Single, single};
use crate::origin::{OriginFacts, OriginVerdict, is_safe_method};
use crate::problem::{Problem, ProblemCode};
use crate::proxy::OriginalRequest;
use crate::requirements::Requirements;
use crate::token_header::{BearerRead, read_bearer};

/// The session token of the original request, and by which way it came.
#[derive(Clone, Copy)]
struct Credential<'a> {
    token: &'a str,
    /// A browser adds a cookie by itself, so only a cookie can be abused by another site.
    by_cookie: bool,
}

impl Shared {
    /// The valid session of the original request, or why it may not pass.
    pub(super) async fn judge(
        &self,
        endpoint: Endpoint,
        request: &Request<()>,
        request_id: &str,
    ) -> Result<ValidSession, Problem> {
        let headers = request.headers();
        let (original, demands) = read(endpoint, request)?;
        // No credentials, no question to the store.
        let credential = self.credential(headers).ok_or(ProblemCode::Unauthenticated)?;
        let is_unsafe = !is_safe_method(original.method);
        let demands_csrf = credential.by_cookie && is_unsafe;
        let facts = OriginFacts::from_headers(headers, original.method, original.scheme, original.host);
        if demands_csrf && self.config.allowed.verdict(&facts) == OriginVerdict::Foreign {
            return Err(Problem::new(ProblemCode::CsrfFailed));
        }
        let presented = Presented {
            token: credential.token,
            csrf_token: text(single(headers, &CSRF_TOKEN)),
            demands_csrf,
            client: self.client(request),
            activity: None,
            request_id: Some(request_id),
        };
        let valid = match self.sessions.validate(presented).await {
            Ok(Validation::Valid(valid)) => valid,
            Ok(Validation::Refused(refusal)) => return Err(problem_of(refusal)),
            Err(fault) => {
                tracing::error!(class = fault.class(), error = %fault, "the store failed");
                return Err(Problem::new(ProblemCode::StoreUnavailable));
            }
        };
        satisfies(&valid, demands, is_unsafe)?;
        Ok(valid)
    }

    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<Credential<'a>> {
        if let Some(token) = self.config.cookie.read(headers).value() {
            return Some(Credential { token, by_cookie: true });
        }
        match read_bearer(headers) {
            BearerRead::One(token) => Some(Credential { token, by_cookie: false }),
            BearerRead::None | BearerRead::Invalid => None,
        }
    }

    fn client<'a>(&self, request: &'a Request<()>) -> Client<'a> {
        let headers = request.headers();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Client {
            ip: peer.map(|ConnectInfo(peer)| self.config.trusted.client_address(peer.ip(), headers).ip),
            user_agent: text(single(headers, &USER_AGENT)),
        }
    }
}

fn read(endpoint: Endpoint, request: &Request<()>) -> Result<(OriginalRequest<'_>, Requirements<'_>), Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let demands = match endpoint {
        Endpoint::ExtAuthz => Requirements::default(),
        Endpoint::ForwardAuth | Endpoint::AuthRequest => Requirements::parse(uri.query())?,
    };
    let original = match endpoint {
        Endpoint::ForwardAuth => OriginalRequest::of_forward_auth(headers)?,
        Endpoint::AuthRequest => OriginalRequest::of_auth_request(headers)?,
        Endpoint::ExtAuthz => {
            let path = uri.path_and_query().map_or("", |path| path.as_str());
            OriginalRequest::of_ext_authz(request.method().as_str(), path, EXT_AUTHZ, headers)?
        }
    };
    Ok((original, demands))
}

fn text(single: Single<'_>) -> Option<&str> {
    match single {
        Single::One(text) => Some(text),
        Single::Absent | Single::Invalid => None,
    }
}

fn satisfies(valid: &ValidSession, demands: Requirements<'_>, is_unsafe: bool) -> Result<(), Problem> {
    // A share reads, whatever way its token came.
    if is_unsafe && valid.packed().kind() == SessionKind::Share {
        return Err(Problem::new(ProblemCode::ShareForbidden));
    }
    if demands.mfa() && !valid.mfa() {
        return Err(Problem::new(ProblemCode::StepUpRequired));
    }
    let roles: Vec<&str> = if demands == Requirements::default() { Vec::new() } else { valid.packed().roles().collect() };
    if demands.roles_satisfied_by(roles.iter().copied()) { Ok(()) } else { Err(Problem::new(ProblemCode::RoleMissing)) }
}

/// Which of several reasons ended a session is for the backend, not for whoever holds the cookie.
fn problem_of(refusal: Refusal) -> Problem {
    Problem::new(match refusal {
        Refusal::CsrfFailed => ProblemCode::CsrfFailed,
        Refusal::StepUpRequired => ProblemCode::StepUpRequired,
        _ => ProblemCode::Unauthenticated,
    })
}
