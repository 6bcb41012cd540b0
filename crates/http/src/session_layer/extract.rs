//! Extractors that ask who it is and whether they may. Without [`super::SessionLayer`] around the route they answer 500.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use vestibule_core::id::{SessionId, UserId};
use vestibule_core::session::Actor;
use vestibule_core::session::service::validate::ValidSession;

use super::visit::Visit;
use crate::problem::{Problem, ProblemCode};

/// What the layer left with the request.
pub(super) fn visit(parts: &Parts) -> Result<Arc<Visit>, Problem> {
    parts.extensions.get::<Arc<Visit>>().cloned().ok_or_else(|| {
        tracing::error!("a handler asks for the session, but no SessionLayer is around its route");
        Problem::new(ProblemCode::Internal)
    })
}

/// The valid session of a request, or 401, 403 or 503.
pub(super) fn valid(visit: &Visit) -> Result<ValidSession, Problem> {
    match &visit.found {
        Ok(Some(valid)) => Ok(valid.clone()),
        Ok(None) => Err(Problem::new(ProblemCode::Unauthenticated)),
        Err(code) => Err(Problem::new(*code)),
    }
}

/// The user who is logged in. As `Option<CurrentUser>` nobody is no error; a request that another site made, and a store that
/// does not answer, still are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentUser {
    /// Their id.
    pub id: UserId,
    /// Their rights in this session.
    pub roles: Vec<Box<str>>,
    /// Whether the session has a second factor.
    pub mfa: bool,
    /// Who acts as the user, if somebody does.
    pub actor: Option<Actor>,
    /// The session.
    pub session_id: SessionId,
}

impl CurrentUser {
    fn of(valid: &ValidSession) -> Option<Self> {
        let session = valid.session();
        Some(Self {
            id: session.user_id?,
            roles: session.roles,
            mfa: session.mfa,
            actor: session.actor,
            session_id: session.id,
        })
    }

    /// Whether the user has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| **held == *role)
    }

    /// Goes on only with a role.
    ///
    /// # Errors
    /// 403 `role_missing`.
    pub fn require_role(&self, role: &str) -> Result<(), Problem> {
        if self.has_role(role) { Ok(()) } else { Err(Problem::new(ProblemCode::RoleMissing)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&valid(&*visit(parts)?)?).ok_or_else(|| Problem::new(ProblemCode::Unauthenticated))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        match valid(&*visit(parts)?) {
            Ok(valid) => Ok(Self::of(&valid)),
            Err(problem) if problem.code() == ProblemCode::Unauthenticated => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// A session with a second factor. Others are told to step up (RFC 9470).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequireMfa;

impl<S: Send + Sync> FromRequestParts<S> for RequireMfa {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if valid(&*visit(parts)?)?.mfa() { Ok(Self) } else { Err(Problem::new(ProblemCode::StepUpRequired)) }
    }
}
