//! `/oauth/revoke` (RFC 7009) and `/oauth/introspect` (RFC 7662), on the public listener.
//!
//! Who asks is a resource server or a client's backend, known by a management key as bearer credential. The body is a form; an error
//! is a problem with OAuth's own word in `error`. A parameter that nobody knows is ignored (RFC 6749 3.2), one that is given twice is
//! refused. `token_type_hint` is of no use: a token says itself what it is.
//!
//! Refresh tokens are inactive to introspection: they are for the exchange alone, and a resource that is shown one must not accept it.

use super::service;
use crate::api::{
    Server, Shared,
    access::{By, TokensIntrospect, TokensRevoke, authenticate},
    answer::{ok, unavailable},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    middleware,
    response::Response,
    routing::{MethodRouter, post},
};
use serde_json::json;
use std::sync::Arc;
use vestibule::{
    http::{
        form::Form,
        problem::{Problem, ProblemCode},
    },
    token::service::{
        revoke::{Revocation, Revoked},
        verify::Verification,
    },
};

/// Where the client revokes itself.
const REASON: &str = "revoked_by_client";

pub(super) fn routes(server: &Arc<Server>) -> Router<Arc<Server>> {
    // Around the method, so that a GET is told that it is none, whoever sends it.
    let guarded =
        |route: MethodRouter<Arc<Server>>| route.route_layer(middleware::from_fn_with_state(server.clone(), authenticate));
    Router::new().route("/oauth/revoke", guarded(post(revoke))).route("/oauth/introspect", guarded(post(introspect)))
}

async fn revoke(by: By<TokensRevoke>, State(server): Shared, form: Form) -> Result<StatusCode, Problem> {
    let (token, client_id) = (form.required("token")?, form.parameter("client_id")?);
    let tokens = service(&server)?;
    match tokens.revoke_of_client(Revocation::Token(token), client_id, REASON, by.origin()).await.map_err(unavailable)? {
        // A token that is unknown, or is over, is as good as revoked (RFC 7009 2.2).
        Revoked::Done(_) => Ok(StatusCode::OK),
        Revoked::OtherClient => Err(Problem::new(ProblemCode::TokenBound).with_error("invalid_client")),
    }
}

/// Whatever is wrong with a token, the answer is the same (RFC 7662 2.2). `audience` is a parameter of ours: whom it must be for.
async fn introspect(_: By<TokensIntrospect>, State(server): Shared, form: Form) -> Result<Response, Problem> {
    let (token, audience) = (form.required("token")?, form.parameter("audience")?);
    match service(&server)?.verify(token, audience).map_err(unavailable)? {
        Verification::Refused(_) => Ok(ok(json!({"active": false})).into()),
        Verification::Active(claims) => {
            let mut body = claims.to_map();
            body.insert("active".to_owned(), true.into());
            body.insert("token_type".to_owned(), "Bearer".into());
            Ok(ok(body).into())
        }
    }
}
