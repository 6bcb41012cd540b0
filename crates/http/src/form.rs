//! Bodies of HTML forms, for pages that work without a script.

use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::bounds::FORM_BODY_BYTES;
use crate::headers::{Single, single};
use crate::json;
use crate::problem::{Problem, ProblemCode};
use crate::urlencoded::{decode, pairs};

/// The fields of a form, in order. `Debug` shows none: one may be a password.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Whether a request has a body of this kind.
    #[must_use]
    pub fn is_sent_with(headers: &HeaderMap) -> bool {
        let Single::One(kind) = single(headers, &CONTENT_TYPE) else { return false };
        let essence = kind.split(';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }

    /// A field that was given once; given twice it is none.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    /// As [`Self::field`], for OAuth: a field without a value counts as left out, and one that is given twice is an error (RFC 6749
    /// 3.2).
    ///
    /// # Errors
    /// 400 `invalid_request` where it is given twice.
    pub fn parameter(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str());
        let value = values.next().filter(|value| !value.is_empty());
        if values.next().is_some() { Err(invalid("A parameter is given twice.")) } else { Ok(value) }
    }

    /// As [`Self::parameter`], where there must be one.
    ///
    /// # Errors
    /// 400 `invalid_request` where it is left out, or given twice.
    pub fn required(&self, name: &str) -> Result<&str, Problem> {
        self.parameter(name)?.ok_or_else(|| invalid("A parameter is missing."))
    }
}

fn invalid(detail: &'static str) -> Problem {
    Problem::new(ProblemCode::InvalidRequest).with_error("invalid_request").with_detail(detail)
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Form({} fields)", self.0.len())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !Self::is_sent_with(&parts.headers) {
            return Err(Problem::new(ProblemCode::UnsupportedMediaType));
        }
        let body = json::collect(&parts, body, FORM_BODY_BYTES).await?;
        let body = std::str::from_utf8(&body).ok();
        let fields = body.and_then(|body| {
            let decoded = |(name, value)| Some((decode(name)?.into_owned(), decode(value)?.into_owned()));
            pairs(body).map(decoded).collect::<Option<Vec<_>>>()
        });
        fields.map(Self).ok_or_else(|| Problem::new(ProblemCode::InvalidRequest).with_detail("the form cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderValue;

    use super::*;

    fn request(kind: &'static str, body: &'static str) -> Request {
        let mut request = Request::new(Body::from(body));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        request
    }

    #[tokio::test]
    async fn fields_are_read_once_each() {
        let kind = "application/x-www-form-urlencoded; charset=UTF-8";
        let body = "email=ada%40example.com&password=four+brown%26foxes&twice=1&twice=2";
        let form = Form::from_request(request(kind, body), &()).await.expect("a form");
        assert_eq!(form.field("email"), Some("ada@example.com"));
        assert_eq!(form.field("password"), Some("four brown&foxes"));
        assert_eq!((form.field("twice"), form.field("absent")), (None, None));
        assert_eq!(format!("{form:?}"), "Form(4 fields)");
        assert_eq!((form.required("email").ok(), form.parameter("absent").ok()), (Some("ada@example.com"), Some(None)));
        for wrong in ["twice", "absent"] {
            assert_eq!(form.required(wrong).map_err(|problem| problem.code()), Err(ProblemCode::InvalidRequest));
        }
    }

    #[tokio::test]
    async fn other_types_broken_and_long_bodies_are_refused() {
        for broken in ["a=%", "a=%zz", "a=%ff"] {
            let refused = Form::from_request(request("application/x-www-form-urlencoded", broken), &()).await;
            assert_eq!(refused.map_err(|problem| problem.code()), Err(ProblemCode::InvalidRequest), "{broken}");
        }
        let refused = Form::from_request(request("multipart/form-data; boundary=x", "a=b"), &()).await;
        assert_eq!(refused.map_err(|problem| problem.code()), Err(ProblemCode::UnsupportedMediaType));
        let mut long = request("application/x-www-form-urlencoded", "");
        *long.body_mut() = Body::from("a".repeat(FORM_BODY_BYTES + 1));
        let refused = Form::from_request(long, &()).await;
        assert_eq!(refused.map_err(|problem| problem.code()), Err(ProblemCode::BodyTooLarge));
    }
}
