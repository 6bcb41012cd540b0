//! What handlers do with sessions: start one, read and change its data, replace its token, end it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use vestibule_core::fault::Fault;
use vestibule_core::id::SessionId;
use vestibule_core::session::EndReason;
use vestibule_core::session::service::create::{Creation, NewSession};
use vestibule_core::session::service::validate::ValidSession;
use vestibule_core::session::service::{Data, Issued, SessionInfo, change::Changed};

use super::extract::{valid, visit};
use super::visit::Visit;
use crate::problem::{Problem, ProblemCode};

/// The session of this request, anonymous ones included. What it changes is stored when the call returns; a new token is in the
/// cookie of the answer.
#[derive(Clone)]
pub struct Session {
    visit: Arc<Visit>,
    valid: ValidSession,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.id())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let visit = visit(parts)?;
        Ok(Self { valid: valid(&visit)?, visit })
    }
}

fn unavailable(fault: Fault) -> Problem {
    tracing::error!(class = fault.class(), error = %fault, "the store failed");
    Problem::new(ProblemCode::StoreUnavailable)
}

/// What came of a change, or why not.
fn changed<T>(changed: Changed<T>) -> Result<T, Problem> {
    match changed {
        Changed::Done(done) => Ok(done),
        Changed::Gone => Err(Problem::new(ProblemCode::Unauthenticated)),
        Changed::Conflict { .. } => Err(Problem::new(ProblemCode::VersionConflict)),
        Changed::Refused => Err(Problem::new(ProblemCode::ShareForbidden)),
        Changed::Invalid(invalid) => Err(Problem::invalid_field(invalid.field, invalid.reason)),
    }
}

/// Puts a token into the cookie of the answer.
fn hand_out(visit: &Visit, issued: &Issued) -> Result<(), Problem> {
    let session = &issued.info.session;
    let age = session.expires_at.since_ms(visit.shared.sessions.clock().now());
    let cookie = visit.shared.cookie.set_header(&issued.token.expose(), Duration::from_millis(age));
    visit.set_cookie(cookie.map_err(|_| Problem::new(ProblemCode::Internal))?);
    Ok(())
}

impl Session {
    /// Public name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.valid.id()
    }

    /// The session and its data as this request found them.
    ///
    /// # Errors
    /// 503 where the data do not open.
    pub fn info(&self) -> Result<SessionInfo, Problem> {
        self.visit.shared.sessions.info(&self.valid).map_err(unavailable)
    }

    /// The CSRF token that a page sends back in `X-CSRF-Token` with unsafe requests.
    #[must_use]
    pub fn csrf_token(&self) -> String {
        self.visit.shared.sessions.csrf_token(&self.valid.session())
    }

    /// Changes the data by a JSON merge patch (RFC 7396): writers of different fields all succeed. Returns the data then.
    ///
    /// # Errors
    /// 401 where the session ended meanwhile, 422 where the data are too large, 503.
    pub async fn patch(&self, patch: &Data) -> Result<Data, Problem> {
        let sessions = &self.visit.shared.sessions;
        let patched = sessions.patch_data(self.id(), patch, None, self.visit.origin(self.valid.user_id())).await;
        Ok(changed(patched.map_err(unavailable)?)?.data)
    }

    /// Replaces the token, as after a change of rights. The cookie of the answer has the new one; the old one works on for the
    /// overlap. Returns the new CSRF token.
    ///
    /// # Errors
    /// 401 where the session ended meanwhile, 503.
    pub async fn rotate(&self) -> Result<String, Problem> {
        let origin = self.visit.origin(self.valid.user_id());
        let rotated = self.visit.shared.sessions.rotate(self.id(), None, origin).await;
        let issued = changed(rotated.map_err(unavailable)?)?;
        hand_out(&self.visit, &issued)?;
        Ok(issued.csrf_token)
    }

    /// Ends the session, and clears the cookie.
    ///
    /// # Errors
    /// 503; the session may then go on.
    pub async fn log_out(self) -> Result<(), Problem> {
        let origin = self.visit.origin(self.valid.user_id());
        self.visit.shared.sessions.end(self.id(), EndReason::Logout, origin).await.map_err(unavailable)?;
        self.visit.set_cookie(self.visit.shared.cookie.clear_header());
        Ok(())
    }
}

/// Starts sessions: for the handler that has made sure who it is. A request that another site made is refused (login CSRF).
#[derive(Clone)]
pub struct Login(Arc<Visit>);

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Login {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let visit = visit(parts)?;
        if visit.is_foreign { Err(Problem::new(ProblemCode::CsrfFailed)) } else { Ok(Self(visit)) }
    }
}

impl Login {
    /// Starts a session and puts its token into the cookie of the answer. The session of the cookie from before ends, and an
    /// anonymous one passes its data on. Address and agent are the request's, unless `new` says otherwise. Returns the session
    /// with its CSRF token; the token itself is in the cookie alone.
    ///
    /// # Errors
    /// 409 where the user has as many sessions as allowed, 403 where they are disabled, 422 for what `new` may not say, 503.
    pub async fn start(&self, mut new: NewSession) -> Result<Started, Problem> {
        new.ip = new.ip.or(self.0.ip());
        new.user_agent = new.user_agent.or_else(|| self.0.user_agent().map(str::to_owned));
        new.replace_token = new.replace_token.or_else(|| self.0.cookie_token.clone());
        let origin = self.0.origin(new.user_id.as_ref().map(|user| user.as_str()));
        match self.0.shared.sessions.create(new, origin).await.map_err(unavailable)? {
            Creation::Created(issued) => {
                hand_out(&self.0, &issued)?;
                Ok(Started { csrf_token: issued.csrf_token, info: issued.info })
            }
            Creation::LimitReached { .. } => Err(Problem::new(ProblemCode::SessionLimit)),
            Creation::UserDisabled => Err(Problem::new(ProblemCode::UserDisabled)),
            Creation::ImpersonationNested => Err(Problem::new(ProblemCode::ImpersonationNested)),
            Creation::Invalid(invalid) => Err(Problem::invalid_field(invalid.field, invalid.reason)),
        }
    }
}

/// A session that [`Login::start`] began.
#[derive(Debug)]
pub struct Started {
    /// What a page sends back in `X-CSRF-Token` with unsafe requests.
    pub csrf_token: String,
    /// The session and its data.
    pub info: SessionInfo,
}
