//! Whether the original request may pass.

use std::sync::Arc;

use http::Request;
use vestibule_core::session::SessionKind;
use vestibule_core::session::service::validate::{Presented, ValidSession, Validation};

use vestibule_core::token::AccessClaims;

use super::{EXT_AUTHZ, Endpoint, Shared};
use crate::bearer_layer;
use crate::credential::{Credential, client, code_of, text};
use crate::headers::{CSRF_TOKEN, single};
use crate::origin::{OriginFacts, OriginVerdict, is_safe_method};
use crate::problem::{Problem, ProblemCode};
use crate::proxy::OriginalRequest;
use crate::requirements::Requirements;

/// By what the original request may pass.
pub(super) enum Identity {
    Session(ValidSession),
    Token(Arc<AccessClaims>),
}

impl Shared {
    /// Who sent the original request, or why it may not pass.
    pub(super) async fn judge(
        &self,
        request: &Request<()>,
        Question { original, demands }: Question<'_>,
        request_id: &str,
    ) -> Result<Identity, Problem> {
        let headers = request.headers();
        // No credentials, no question to the store.
        let credential = Credential::read(&self.config.cookie, headers).ok_or(ProblemCode::Unauthenticated)?;
        if let Some(tokens) = self.config.tokens.as_ref().filter(|_| credential.is_access_token()) {
            let claims = bearer_layer::judge(tokens, credential.token, None)?;
            allows(&claims, demands)?;
            return Ok(Identity::Token(claims));
        }
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
            client: client(&self.config.trusted, headers, request.extensions()),
            activity: None,
            request_id: Some(request_id),
        };
        let valid = match self.sessions.validate(presented).await {
            Ok(Validation::Valid(valid)) => valid,
            Ok(Validation::Refused(refusal)) => return Err(Problem::new(code_of(refusal))),
            Err(fault) => {
                tracing::error!(class = fault.class(), error = %fault, "the store failed");
                return Err(Problem::new(ProblemCode::StoreUnavailable));
            }
        };
        satisfies(&valid, demands, is_unsafe)?;
        Ok(Identity::Session(valid))
    }
}

/// What a proxy asks: which request, and what is demanded of it.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) original: OriginalRequest<'a>,
    pub(super) demands: Requirements<'a>,
}

impl<'a> Question<'a> {
    pub(super) fn read(endpoint: Endpoint, request: &'a Request<()>) -> Result<Self, Problem> {
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
        Ok(Self { original, demands })
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

/// An access token does not say whether a second factor was done, so it never is enough where one is demanded.
fn allows(claims: &AccessClaims, demands: Requirements<'_>) -> Result<(), Problem> {
    if demands.mfa() {
        return Err(Problem::new(ProblemCode::StepUpRequired));
    }
    let satisfied = demands.roles_satisfied_by(claims.roles.iter().map(|role| &**role));
    if satisfied { Ok(()) } else { Err(Problem::new(ProblemCode::RoleMissing)) }
}
