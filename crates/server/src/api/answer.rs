//! What handlers answer with.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use std::borrow::Borrow;
use vestibule::{
    fault::Fault,
    http::problem::{Problem, ProblemCode},
    session::service::Invalid,
};

/// An answer with a body. Nothing of the API may be kept by a cache; the outermost layer says so on every answer.
pub(super) struct Reply(Response);

/// 200 with a body.
pub(super) fn ok(body: impl Serialize) -> Reply {
    reply(StatusCode::OK, body)
}

/// A status with a body.
pub(super) fn reply(status: StatusCode, body: impl Serialize) -> Reply {
    Reply((status, Json(body)).into_response())
}

impl Reply {
    /// With a session's revision as its entity tag.
    pub(super) fn tagged(self, revision: u32) -> Response {
        let mut response = self.0;
        if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        reply.0
    }
}

/// A store fault for whoever has a management key, with what an operator can do about it.
pub(super) fn unavailable(fault: impl Borrow<Fault>) -> Problem {
    let problem = unavailable_to_browser(fault.borrow());
    match fault.borrow() {
        Fault::Misconfigured(remedy) => problem.with_detail(remedy.clone()),
        _ => problem,
    }
}

/// A store fault as anybody may read it; the operator reads the log.
pub(super) fn unavailable_to_browser(fault: impl Borrow<Fault>) -> Problem {
    let fault = fault.borrow();
    tracing::error!(class = fault.class(), error = %fault, "the store failed");
    Problem::new(ProblemCode::StoreUnavailable)
}

/// An input that core refused.
pub(super) fn invalid(invalid: &Invalid) -> Problem {
    Problem::invalid_field(invalid.field, invalid.reason)
}

/// 404: the session in the path is no more, or never was.
pub(super) fn missing() -> Problem {
    Problem::new(ProblemCode::SessionMissing).with_status(StatusCode::NOT_FOUND)
}
