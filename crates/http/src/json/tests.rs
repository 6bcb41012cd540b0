//! Bodies as clients send them, right and wrong.

use std::collections::BTreeMap;

use http::StatusCode;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Create {
    user_id: String,
    #[serde(default)]
    roles: Vec<String>,
    device: Option<Device>,
    data: Option<Value>,
    count: Option<u8>,
    mode: Option<Mode>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Device {
    id: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Strict,
    Log,
}

fn refused(body: &str) -> Problem {
    from_bytes::<Create>(body.as_bytes()).expect_err(body)
}

fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
    let mut builder = http::Request::builder().method("POST");
    if let Some(content_type) = content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    builder.body(body.into()).expect("a valid request")
}

async fn extract(request: Request) -> Result<StrictJson<Create, 64>, Problem> {
    <StrictJson<Create, 64> as FromRequest<()>>::from_request(request, &()).await
}

async fn extract_optional(request: Request) -> Result<Option<StrictJson<Create, 64>>, Problem> {
    <StrictJson<Create, 64> as OptionalFromRequest<()>>::from_request(request, &()).await
}

#[test]
fn a_good_body_is_read() {
    let body = r#"{"user_id": "u", "roles": ["a"], "device": {"id": "d"}, "data": {"a": [1, {"b": 1.5}]}}"#;
    let create: Create = from_bytes(body.as_bytes()).expect("a valid body");
    assert_eq!((create.user_id.as_str(), create.roles.len()), ("u", 1));
    assert_eq!(create.device, Some(Device { id: "d".to_owned() }));
}

// S95
#[test]
fn malformed_json_is_400() {
    let bodies = [
        "",
        " ",
        "{",
        "{\"user_id\": \"u\",}",
        "{\"user_id\": \"u\"} x",
        "{\"user_id\": \"u\"}{}",
        "{'user_id': 'u'}",
        "{\"user_id\": \"\\ud800\"}",
        "{\"user_id\": NaN}",
        "{\"user_id\": \"u\", \"data\": 1e999}",
        "{\"user_id\": \"u\", \"data\": 01}",
        "\u{feff}{\"user_id\": \"u\"}",
        "{\"user_id\": \"a\u{1}b\"}",
    ];
    for body in bodies {
        let problem = refused(body);
        assert_eq!(problem.code(), ProblemCode::MalformedJson, "{body}");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
    }
    let problem = from_bytes::<Create>(b"{\"user_id\": \"\xff\"}").expect_err("not UTF-8");
    assert_eq!(problem.code(), ProblemCode::MalformedJson);
}

#[test]
fn duplicate_members_are_refused_at_every_depth() {
    let bodies = [
        r#"{"user_id": "a", "user_id": "b"}"#,
        r#"{"user_id": "a", "user\u005fid": "b"}"#,
        r#"{"user_id": "a", "data": {"x": 1, "y": 2, "x": 1}}"#,
        r#"{"user_id": "a", "data": [[{"x": {"": 1, "": 2}}]]}"#,
        r#"{"user_id": "a", "unknown": {"x": 1, "x": 2}}"#,
    ];
    for body in bodies {
        let problem = refused(body);
        assert_eq!(problem.code(), ProblemCode::MalformedJson, "{body}");
        assert!(problem.detail().contains("twice"), "{}", problem.detail());
    }
    let apart = r#"{"user_id": "a", "data": [{"x": 1}, {"x": 1, "X": {"x": 1}}]}"#;
    assert!(from_bytes::<Create>(apart.as_bytes()).is_ok());
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(from_bytes::<Value>(nested(crate::bounds::JSON_DEPTH).as_bytes()).is_ok());
    for depth in [crate::bounds::JSON_DEPTH + 1, 20_000] {
        let problem = from_bytes::<Value>(nested(depth).as_bytes()).expect_err("too deep");
        assert_eq!(problem.code(), ProblemCode::MalformedJson);
        assert!(problem.detail().contains("deeply"), "{}", problem.detail());
    }
}

#[test]
fn the_field_at_fault_is_named() {
    let cases = [
        (r#"{}"#, Some("user_id"), "the field is missing"),
        (r#"{"user_id": "u", "device": {}}"#, Some("device.id"), "the field is missing"),
        (r#"{"user_id": "u", "rolse": []}"#, Some("rolse"), "the field is unknown"),
        (r#"{"user_id": "u", "device": {"id": "d", "os": 1}}"#, Some("device.os"), "the field is unknown"),
        (r#"{"user_id": "u", "a`b": 1}"#, Some("a`b"), "the field is unknown"),
        (r#"{"user_id": 7}"#, Some("user_id"), "expected a string"),
        (r#"{"user_id": null}"#, Some("user_id"), "expected a string"),
        (r#"{"user_id": "u", "roles": ["a", 1]}"#, Some("roles[1]"), "expected a string"),
        (r#"{"user_id": "u", "count": 256}"#, Some("count"), "expected u8"),
        (r#"{"user_id": "u", "mode": "x"}"#, Some("mode"), "expected `strict` or `log`"),
        (r#"[]"#, Some("body"), "expected an object"),
        (r#"["u", [], null, null, null, null]"#, Some("body"), "expected an object"),
        (r#""text""#, Some("body"), "expected an object"),
        (r#"null"#, Some("body"), "expected an object"),
        (r#"{"user_id": "u", "device": ["d"]}"#, Some("device"), "expected an object"),
        (r#"{"user_id": "u", "device": 7}"#, Some("device"), "expected an object"),
    ];
    for (body, field, detail) in cases {
        let problem = refused(body);
        assert_eq!(problem.code(), ProblemCode::InvalidField, "{body}");
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem.field(), field, "{body}: {}", problem.detail());
        assert!(problem.detail().starts_with(detail), "{body}: {}", problem.detail());
    }
}

// S91
#[test]
fn what_the_client_sent_is_not_repeated() {
    for body in [
        r#"{"user_id": "u", "count": "vs_secret"}"#,
        r#"{"user_id": "u", "mode": "vs_secret"}"#,
        r#"{"user_id": "u", "device": "vs_secret, expected vs"}"#,
        r#"{"user_id": "u", "data": "vs_secret"#,
    ] {
        let problem = refused(body);
        assert!(!problem.detail().contains("secret"), "{}", problem.detail());
    }
}

#[tokio::test]
async fn only_json_is_accepted() {
    let body = r#"{"user_id": "u"}"#;
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/merge-patch+json",
        "application/json;charset=\"utf-8\"",
    ] {
        let read = extract(request(Some(good), body)).await;
        assert!(read.is_ok(), "{good}");
    }
    for bad in [
        None,
        Some("text/plain"),
        Some("application/jsonx"),
        Some("application/json; charset=latin1"),
        Some(""),
        Some("application/x-www-form-urlencoded"),
    ] {
        let problem = extract(request(bad, body)).await.expect_err("not JSON");
        assert_eq!(problem.code(), ProblemCode::UnsupportedMediaType, "{bad:?}");
    }
}

#[tokio::test]
async fn large_bodies_are_413() {
    let fits = format!("{{\"user_id\": \"{}\"}}", "u".repeat(64 - 15));
    assert_eq!(fits.len(), 64);
    assert!(extract(request(Some("application/json"), fits.clone())).await.is_ok());
    let problem = extract(request(Some("application/json"), format!("{fits} "))).await.expect_err("65 bytes");
    assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let mut announced = request(Some("application/json"), "{}");
    announced.headers_mut().insert(CONTENT_LENGTH, http::HeaderValue::from_static("99999999999999999999"));
    let problem = extract(announced).await.expect_err("an empty member");
    assert_eq!(problem.code(), ProblemCode::InvalidField, "an unreadable length is the server's to refuse");

    let mut announced = request(Some("application/json"), "{}");
    announced.headers_mut().insert(CONTENT_LENGTH, http::HeaderValue::from_static("65"));
    let problem = extract(announced).await.expect_err("announced as 65 bytes");
    assert_eq!(problem.code(), ProblemCode::BodyTooLarge);
}

#[tokio::test]
async fn an_optional_body_may_be_empty() {
    assert_eq!(extract_optional(request(None, "")).await, Ok(None));
    assert_eq!(extract_optional(request(Some("application/json"), "")).await, Ok(None));
    let read = extract_optional(request(Some("application/json"), r#"{"user_id": "u"}"#)).await;
    assert!(matches!(read, Ok(Some(_))));
    let problem = extract_optional(request(None, r#"{"user_id": "u"}"#)).await.expect_err("no content type");
    assert_eq!(problem.code(), ProblemCode::UnsupportedMediaType);
}

proptest! {
    // S95
    #[test]
    fn no_bytes_make_it_fail_otherwise(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Err(problem) = from_bytes::<Create>(&bytes) {
            prop_assert!(problem.status().is_client_error());
        }
    }

    #[test]
    fn maps_with_unique_names_are_read_as_written(map in proptest::collection::btree_map(".{0,8}", any::<i64>(), 0..20)) {
        let body = serde_json::to_string(&map).expect("a map serialises");
        let read: BTreeMap<String, i64> = from_bytes(body.as_bytes()).expect("unique names");
        prop_assert_eq!(read, map);
    }
}
