//! The line of the log for a request that a proxy asked about: the same fields as those of the server's other routes.
//!
//! It holds no path, query or header of the original request but `User-Agent`: the others may carry credentials.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::USER_AGENT;
use vestibule_core::bounds::USER_AGENT_BYTES;

use super::Endpoint;
use crate::problem::Problem;

pub(super) fn line(endpoint: Endpoint, request: &http::Request<()>, response: &Response, took: Duration, request_id: &str) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let agent = request.headers().get(USER_AGENT).map(|agent| {
        let bytes = agent.as_bytes();
        String::from_utf8_lossy(&bytes[..bytes.len().min(USER_AGENT_BYTES)]).into_owned()
    });
    tracing::debug!(
        method = method(request),
        route = endpoint.route(),
        status = response.status().as_u16(),
        code = response.extensions().get::<Problem>().map(|problem| problem.code().as_str()),
        took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        peer = peer.map(tracing::field::display),
        user_agent = agent,
        request_id,
        "request"
    );
}

/// Anybody can make up methods.
fn method(request: &http::Request<()>) -> &str {
    match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
}
