//! Pages for people, and what their browser is told about them.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Response},
};

/// Nothing but our own style sheet is loaded, nothing runs, nobody frames it (CSP level 3).
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; object-src 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// A page.
pub(super) fn page(html: String) -> Response {
    let mut response = Html(html).into_response();
    guard(response.headers_mut());
    response
}

/// A style sheet, which never changes while the server runs.
pub(super) fn style(css: impl IntoResponse) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], css).into_response();
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    // Browsers heed it over TLS only, where a proxy put it.
    set("strict-transport-security", "max-age=31536000");
    set("cache-control", "no-cache");
}
