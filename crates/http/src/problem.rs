//! Problems: what a client is told when a request is refused or fails (RFC 9457).
//!
//! A problem has a stable `code`, which programs compare, and texts for people. The texts are ours: nothing that a client
//! or a store said is repeated, except the name of a field. What the operator needs to know is logged where it happened.

mod code;

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use crate::bounds::{FIELD_BYTES, RETRY_AFTER_S};
use crate::headers::{NO_STORE, REQUEST_ID};

pub use code::ProblemCode;

static PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal or failure, ready to be answered.
///
/// The request id is not known where most problems are made: [`stamp`] puts it into the finished response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(Box<Occurrence>);

/// Boxed, because a problem is the error half of many results whose other half is small and usual.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Occurrence {
    code: ProblemCode,
    status: StatusCode,
    detail: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    reasons: Vec<Cow<'static, str>>,
    error: Option<&'static str>,
    request_id: Option<String>,
    retry_after_s: Option<u64>,
    allow: Option<&'static str>,
    challenge: Option<HeaderValue>,
}

impl Problem {
    /// A problem with the status and the texts of its code.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        let waits = code.status() == StatusCode::SERVICE_UNAVAILABLE;
        Self(Box::new(Occurrence {
            code,
            status: code.status(),
            detail: Cow::Borrowed(code.detail()),
            field: None,
            reasons: Vec::new(),
            error: None,
            request_id: None,
            retry_after_s: waits.then_some(RETRY_AFTER_S),
            allow: None,
            challenge: code.challenge().map(HeaderValue::from_static),
        }))
    }

    /// A field of the request that is unknown, missing or not acceptable: 422. `field` is its JSON path (`device.name`).
    #[must_use]
    pub fn invalid_field(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::InvalidField).with_field(field).with_detail(detail)
    }

    /// A method that the path does not have: 405 with its `Allow` header, such as `"GET, POST"`.
    #[must_use]
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let mut problem = Self::new(ProblemCode::MethodNotAllowed);
        problem.0.allow = Some(allow);
        problem
    }

    /// More requests than a limit allows: 429; the next one may pass after this many seconds.
    #[must_use]
    pub fn rate_limited(retry_after_s: u64) -> Self {
        Self::new(ProblemCode::RateLimited).with_retry_after(retry_after_s)
    }

    /// A session whose last authentication is too old or too weak: 403 with the step-up challenge of RFC 9470.
    /// `max_age_s` is the age in seconds that would be accepted.
    #[must_use]
    pub fn step_up_required(max_age_s: Option<u64>) -> Self {
        let mut problem = Self::new(ProblemCode::StepUpRequired);
        if let Some(max_age_s) = max_age_s {
            let base = ProblemCode::StepUpRequired.challenge().unwrap_or_default();
            let challenge = format!("{base}, max_age=\"{max_age_s}\"");
            problem.0.challenge = HeaderValue::try_from(challenge).ok();
        }
        problem
    }

    /// Answers with another status than the code's own: `session_missing` is 404 where the session is the resource.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        if status != StatusCode::UNAUTHORIZED && self.0.code.status() == StatusCode::UNAUTHORIZED {
            self.0.challenge = None;
        }
        if status == StatusCode::UNAUTHORIZED && self.0.challenge.is_none() {
            self.0.challenge = Some(HeaderValue::from_static(code::INVALID_TOKEN));
        }
        self
    }

    /// Says it in the words of OAuth as well: the member `error` (RFC 6749 5.2).
    #[must_use]
    pub fn with_error(mut self, error: &'static str) -> Self {
        self.0.error = Some(error);
        self
    }

    /// Says more about this occurrence, in a sentence that repeats no secret and no input.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Names the field, parameter or header at fault; cut at [`FIELD_BYTES`].
    #[must_use]
    pub fn with_field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.0.field = Some(cut(field.into(), FIELD_BYTES));
        self
    }

    /// Lists reasons, each a stable word or sentence: why a password is too weak, say.
    #[must_use]
    pub fn with_reasons(mut self, reasons: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        self.0.reasons = reasons.into_iter().map(Into::into).collect();
        self
    }

    /// Sets `Retry-After` in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The field at fault, where one is named.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The sentence about this occurrence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The body that a client reads.
    fn body(&self) -> String {
        let wire = Wire {
            kind: self.0.code.type_uri(),
            title: self.0.code.title(),
            status: self.0.status.as_u16(),
            code: self.0.code.as_str(),
            detail: &self.0.detail,
            field: self.0.field.as_deref(),
            reasons: &self.0.reasons,
            error: self.0.error,
            request_id: self.0.request_id.as_deref(),
        };
        serde_json::to_string(&wire).expect("strings and a number always serialise")
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, PROBLEM_JSON.clone());
        headers.insert(CACHE_CONTROL, NO_STORE.clone());
        if let Some(seconds) = self.0.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.0.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(challenge) = &self.0.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

/// Member order is the one of the documentation.
#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reasons: &'a [Cow<'static, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    request_id: Option<&'a str>,
}

impl IntoResponse for Problem {
    /// The response carries the problem as an extension too, for [`stamp`] and for access logs.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.0.status;
        self.write_headers(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ProblemCode {
    fn into_response(self) -> Response {
        Problem::new(self).into_response()
    }
}

/// Puts the request id into a response: always as `X-Request-Id`, and into the body where the response is a problem.
///
/// `request_id` is the server's own or one that it checked; bytes that no header may have leave the response as it is.
#[must_use]
pub fn stamp(mut response: Response, request_id: &str) -> Response {
    let Ok(value) = HeaderValue::from_str(request_id) else {
        return response;
    };
    response.headers_mut().insert(&REQUEST_ID, value);
    if let Some(problem) = response.extensions_mut().get_mut::<Problem>() {
        problem.0.request_id = Some(request_id.to_owned());
        let body = problem.body();
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    response
}

/// Cuts at a character boundary.
pub(crate) fn cut(text: Cow<'static, str>, max_bytes: usize) -> Cow<'static, str> {
    if text.len() <= max_bytes {
        return text;
    }
    Cow::Owned(text[..text.floor_char_boundary(max_bytes)].to_owned())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = response.into_body().collect().await.expect("a body in memory").to_bytes();
        serde_json::from_slice(&bytes).expect("a JSON body")
    }

    #[tokio::test]
    async fn the_shape_is_rfc_9457() {
        let response = stamp(Problem::invalid_field("device.name", "too long").into_response(), "req_1");
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()["x-request-id"], "req_1");
        assert_eq!(
            body(response).await,
            json!({
                "type": "urn:vestibule:problem:invalid_field",
                "title": "Invalid field",
                "status": 422,
                "code": "invalid_field",
                "detail": "too long",
                "field": "device.name",
                "request_id": "req_1",
            })
        );
    }

    #[tokio::test]
    async fn a_response_that_is_no_problem_keeps_its_body() {
        let response = stamp(axum::Json(json!({"a": 1})).into_response(), "req_2");
        assert_eq!(response.headers()["x-request-id"], "req_2");
        assert_eq!(body(response).await, json!({"a": 1}));
        let response = stamp(ProblemCode::NotFound.into_response(), "bad\nid");
        assert!(!response.headers().contains_key("x-request-id"));
    }

    // S94
    #[test]
    fn unavailable_says_when_to_retry() {
        for code in ProblemCode::ALL {
            let response = code.into_response();
            let is_503 = code.status() == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(response.headers().contains_key(RETRY_AFTER), is_503, "{code:?}");
        }
        let response = Problem::rate_limited(7).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "7");
    }

    #[test]
    fn every_401_has_a_challenge() {
        for code in ProblemCode::ALL {
            let response = code.into_response();
            if code.status() == StatusCode::UNAUTHORIZED {
                assert!(response.headers().contains_key(WWW_AUTHENTICATE), "{code:?}");
            }
        }
        let gone = Problem::new(ProblemCode::SessionMissing).with_status(StatusCode::NOT_FOUND).into_response();
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        assert!(!gone.headers().contains_key(WWW_AUTHENTICATE));
    }

    // S46
    #[test]
    fn step_up_hints_at_what_is_missing() {
        let response = Problem::step_up_required(Some(900)).into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().expect("ASCII");
        assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
        assert!(challenge.ends_with("max_age=\"900\""));
    }

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = std::collections::HashSet::new();
        for code in ProblemCode::ALL {
            let text = code.as_str();
            assert!(text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{text}");
            assert!(seen.insert(text), "{text}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{text}");
        }
    }

    #[test]
    fn method_not_allowed_names_the_methods() {
        let response = Problem::method_not_allowed("GET, POST").into_response();
        assert_eq!(response.headers()[ALLOW], "GET, POST");
    }

    #[tokio::test]
    async fn long_fields_are_cut_at_a_character() {
        let problem = Problem::invalid_field("ä".repeat(10_000), "unknown field");
        assert!(problem.field().is_some_and(|field| field.len() <= FIELD_BYTES));
        let reasons = Problem::new(ProblemCode::WeakPassword).with_reasons(["too_common"]).into_response();
        assert_eq!(body(reasons).await["reasons"], json!(["too_common"]));
    }
}
