//! JSON bodies, read strictly: what is ambiguous or unknown is refused with the field's name, never guessed.
//!
//! A body is read in two passes. The first takes it as plain JSON and refuses what two parsers could read differently
//! (duplicate members anywhere, also inside free-form values) or what is nested too deeply; the second fills the type, and
//! takes no list for an object.

mod objects;
mod scan;

use axum::body::Body;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_path_to_error::Path;

use crate::bounds::{DETAIL_BYTES, JSON_BODY_BYTES};
use crate::headers::{Single, single};
use crate::problem::{Problem, ProblemCode, cut};

/// The field that a problem names where all of the body is at fault.
const WHOLE_BODY: &str = "body";

/// What a body may have in bytes, as the operator set it: in the extensions of a request it replaces the bound of
/// [`StrictJson`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

/// Extracts a JSON body of at most `MAX_BYTES`, or of at most the [`BodyLimit`] in the request's extensions.
///
/// The type decides about unknown members by `#[serde(deny_unknown_fields)]`; request types have it.
/// As `Option<StrictJson<T>>` an empty body is `None`.
///
/// # Errors
/// A [`Problem`]: 415 `unsupported_media_type`, 413 `body_too_large`, 400 `malformed_json`, 422 `invalid_field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrictJson<T, const MAX_BYTES: usize = JSON_BODY_BYTES>(pub T);

impl<T, S, const MAX_BYTES: usize> FromRequest<S> for StrictJson<T, MAX_BYTES>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        check_content_type(&parts.headers)?;
        let body = collect(&parts, body, MAX_BYTES).await?;
        from_bytes(&body).map(Self)
    }
}

impl<T, S, const MAX_BYTES: usize> OptionalFromRequest<S> for StrictJson<T, MAX_BYTES>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Option<Self>, Problem> {
        let (parts, body) = request.into_parts();
        let body = collect(&parts, body, MAX_BYTES).await?;
        if body.is_empty() {
            return Ok(None);
        }
        check_content_type(&parts.headers)?;
        from_bytes(&body).map(|value| Some(Self(value)))
    }
}

/// Reads a value from the bytes of a body.
///
/// # Errors
/// 400 `malformed_json` where the bytes are not strict JSON, 422 `invalid_field` where the JSON is not a `T`.
pub fn from_bytes<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let malformed = |detail: String| Problem::new(ProblemCode::MalformedJson).with_detail(detail);
    let text = std::str::from_utf8(body).map_err(|_| malformed("the body is not UTF-8".to_owned()))?;
    // Neither our own texts nor the parser's on syntax repeat any of the input.
    scan::check(text).map_err(|error| malformed(error.to_string()))?;
    let mut parser = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(objects::Objects(&mut parser)).map_err(|error| invalid_field(error.path(), error.inner()))
}

/// `application/json`, or `application/merge-patch+json` (RFC 7396) which is read alike; a charset other than UTF-8 is
/// refused, other parameters mean nothing to JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = match single(headers, &CONTENT_TYPE) {
        Single::One(value) => is_json_type(value),
        Single::Absent | Single::Invalid => false,
    };
    is_json.then_some(()).ok_or_else(|| Problem::new(ProblemCode::UnsupportedMediaType))
}

fn is_json_type(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim_ascii);
    let essence = parts.next().unwrap_or_default();
    let is_json = ["application/json", "application/merge-patch+json"].iter().any(|json| essence.eq_ignore_ascii_case(json));
    is_json
        && parts.all(|parameter| {
            let (name, charset) = parameter.split_once('=').unwrap_or_default();
            !name.eq_ignore_ascii_case("charset") || charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The bytes of a body, within its bound.
pub(crate) async fn collect(parts: &Parts, body: Body, max_bytes: usize) -> Result<Bytes, Problem> {
    let max_bytes = parts.extensions.get::<BodyLimit>().map_or(max_bytes, |limit| limit.0);
    let too_large = || Problem::new(ProblemCode::BodyTooLarge).with_detail(format!("the body may have {max_bytes} bytes"));
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > max_bytes)) {
        return Err(too_large());
    }
    match Limited::new(body, max_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(ProblemCode::InvalidRequest).with_detail("the body ended too early")),
    }
}

/// The parser says which field is at fault in its text (unknown and missing fields) and by the path it was on. Its texts
/// quote what the client sent, which may be a secret: only what was expected is passed on.
fn invalid_field(path: &Path, error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
    let (field, detail) = if let Some(name) = quoted(message, "missing field `") {
        (Some(member(path, name)), "the field is missing".to_owned())
    } else if message.starts_with("unknown field `") {
        // The path ends with the unknown name already.
        (field_of(path), "the field is unknown".to_owned())
    } else if let Some((_, expected)) = message.rsplit_once(", expected ") {
        (field_of(path), format!("expected {expected}"))
    } else if message.starts_with("invalid ") {
        (field_of(path), "the value is not accepted".to_owned())
    } else {
        (field_of(path), message.to_owned())
    };
    let field = field.unwrap_or_else(|| WHOLE_BODY.to_owned());
    Problem::new(ProblemCode::InvalidField).with_detail(cut(detail.into(), DETAIL_BYTES)).with_field(field)
}

fn quoted<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    message.strip_prefix(before)?.strip_suffix('`')
}

/// `None` for the whole body.
fn field_of(path: &Path) -> Option<String> {
    path.iter().next().map(|_| path.to_string())
}

fn member(path: &Path, name: &str) -> String {
    field_of(path).map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"))
}

#[cfg(test)]
mod tests;
