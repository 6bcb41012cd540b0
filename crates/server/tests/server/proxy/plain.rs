//! What the endpoints answer to calls as proxies make them.

use super::{COOKIE, ada, forwarded, login, text};
use serde_json::json;
use vestibule_testkit::process::{Request, Response, Server, ServerOptions, get};

fn start() -> Server {
    Server::start(ServerOptions::default())
}

/// The five identity headers, in the order of the documentation.
fn identity(answer: &Response) -> [Option<&str>; 5] {
    ["User", "Session", "Roles", "Mfa", "Actor"].map(|name| answer.header(&format!("X-Vestibule-{name}")))
}

// S96
#[test]
fn traefik_and_caddy_are_told_who_it_is() {
    let server = start();
    let made = ada(&server);
    let answer = forwarded(get("/forward-auth"), "GET").cookie(COOKIE, text(&made, "token"));
    let answer = answer.header("X-Vestibule-User", "root").send(&server.public).expect(200);
    let id = made["session"]["id"].as_str();
    assert_eq!(identity(&answer), [Some("ada"), id, Some("staff,night%20shift"), Some("false"), Some("")]);
    assert!(answer.body.is_empty() && answer.header("set-cookie").is_none());
    // Nobody's session has the headers as well, empty.
    let anonymous = login(&server, &json!({}));
    let answer = forwarded(get("/forward-auth"), "GET").cookie(COOKIE, text(&anonymous, "token"));
    let answer = answer.send(&server.public).expect(200);
    assert_eq!((identity(&answer)[0], identity(&answer)[2]), (Some(""), Some("")));
}

// S3
#[test]
fn without_a_good_token_the_answer_is_the_same_401() {
    let server = start();
    let made = ada(&server);
    let ask = |token: Option<&str>| {
        let request = forwarded(get("/forward-auth"), "GET");
        token.map_or(request.clone(), |token| request.cookie(COOKIE, token)).send(&server.public).expect(401)
    };
    let gone = format!("/v1/sessions/{}", text(&made["session"], "id"));
    let _ = vestibule_testkit::process::delete(&gone).bearer(&server.key).send(&server.management).expect(204);
    for token in [None, Some("garbage"), Some("vs_never-issued"), Some(text(&made, "token"))] {
        let answer = ask(token);
        assert_eq!((answer.code().as_str(), answer.header("set-cookie")), ("unauthenticated", None));
        assert!(answer.header("www-authenticate").is_some() && answer.header("x-request-id").is_some());
    }
}

// S97
#[test]
fn a_proxy_that_does_not_tell_the_request_is_refused() {
    let server = start();
    let made = ada(&server);
    for path in ["/forward-auth", "/auth-request", "/ext-authz/orders"] {
        let answer = get(path).cookie(COOKIE, text(&made, "token")).send(&server.public).expect(400);
        assert_eq!(answer.code(), "proxy_headers_missing", "{path}");
    }
    let empty = get("/forward-auth").header("X-Forwarded-Method", "").cookie(COOKIE, text(&made, "token"));
    let _ = empty.send(&server.public).expect(400);
}

// S23
#[test]
fn tokens_in_our_own_url_are_refused_and_in_theirs_ignored() {
    let server = start();
    let made = ada(&server);
    for name in ["token", "session", "sid", "access_token"] {
        let request = get(&format!("/forward-auth?{name}={}", text(&made, "token")));
        assert_eq!(forwarded(request, "GET").send(&server.public).expect(400).code(), "token_in_url", "{name}");
    }
    // The original URI has a `token` of its own, which is none of ours.
    let request = forwarded(get("/forward-auth"), "GET").cookie(COOKIE, text(&made, "token"));
    let _ = request.send(&server.public).expect(200);
}

// S28
#[test]
fn the_name_of_the_cookie_is_read_in_its_exact_case() {
    let server = start();
    let made = ada(&server);
    let request = forwarded(get("/forward-auth"), "GET").cookie("Vestibule_Dev", text(&made, "token"));
    let _ = request.send(&server.public).expect(401);
}

// S33, S34, S35
#[test]
fn the_original_method_decides_about_csrf() {
    let server = start();
    let (made, other) = (ada(&server), ada(&server));
    let ask = |headers: &[(&str, &str)]| {
        let request = forwarded(get("/forward-auth"), "POST").cookie(COOKIE, text(&made, "token"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = request.send(&server.public);
        (answer.status, answer.code())
    };
    let refused = || (403, "csrf_failed".to_owned());
    let token = ("X-CSRF-Token", text(&made, "csrf_token"));
    assert_eq!(ask(&[]), refused());
    assert_eq!(ask(&[("X-CSRF-Token", text(&other, "csrf_token"))]), refused());
    assert_eq!(ask(&[("Sec-Fetch-Site", "cross-site")]), refused());
    assert_eq!(ask(&[token, ("Sec-Fetch-Site", "cross-site")]), refused());
    assert_eq!(ask(&[token, ("Origin", "https://evil.example")]), refused());
    assert_eq!(ask(&[token, ("Origin", "null")]), refused());
    assert_eq!(ask(&[token, ("Origin", "https://app.example")]).0, 200);
    assert_eq!(ask(&[token]).0, 200);
    // A client that sends its token itself is not driven by another site.
    let bearer = forwarded(get("/forward-auth"), "POST").bearer(text(&made, "token"));
    let _ = bearer.send(&server.public).expect(200);
}

// S46
#[test]
fn demands_on_the_session_are_met_or_refused() {
    let server = start();
    let (made, strong) = (ada(&server), login(&server, &json!({"user_id": "ada", "mfa": true})));
    let ask = |query: &str, token: &str| {
        forwarded(get(&format!("/forward-auth?{query}")), "GET").cookie(COOKIE, token).send(&server.public)
    };
    let answer = ask("mfa=required", text(&made, "token")).expect(403);
    assert_eq!(answer.code(), "step_up_required");
    let challenge = answer.header("www-authenticate").expect("a hint how to go on");
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    let _ = ask("mfa=required", text(&strong, "token")).expect(200);
    let _ = ask("role=staff", text(&made, "token")).expect(200);
    assert_eq!(ask("role=admin", text(&made, "token")).expect(403).code(), "role_missing");
    assert_eq!(ask("mfa=yes", text(&strong, "token")).expect(400).code(), "invalid_query");
}

// S41, S42, S43
#[test]
fn a_bound_session_is_compared_with_the_address_that_the_proxy_appended() {
    let server = Server::start(ServerOptions::default().env("VESTIBULE_SESSIONS__IP_BINDING", "strict"));
    let made = login(&server, &json!({"user_id": "ada", "ip": "203.0.113.9"}));
    let ask = |hops: &str| {
        let request = forwarded(get("/forward-auth"), "GET").cookie(COOKIE, text(&made, "token"));
        request.header("X-Forwarded-For", hops).send(&server.public).status
    };
    assert_eq!(ask("203.0.113.9"), 200);
    assert_eq!(ask("203.0.113.77"), 200, "the same /24");
    assert_eq!(ask("198.51.100.1"), 401);
    assert_eq!(ask("203.0.113.9, 198.51.100.1"), 401, "the client's own entry counts for nothing");
}

#[test]
fn envoy_asks_with_the_clients_method_and_path() {
    let server = start();
    let made = ada(&server);
    let ask = |method: &str, path: &str| {
        let request = Request::new(method, path).cookie(COOKIE, text(&made, "token"));
        request.header("Host", "app.example").header("X-Forwarded-Proto", "https")
    };
    let answer = ask("GET", "/ext-authz/orders?token=theirs").send(&server.public).expect(200);
    assert_eq!(answer.header("x-vestibule-user"), Some("ada"));
    assert_eq!(ask("DELETE", "/ext-authz/orders/7").send(&server.public).expect(403).code(), "csrf_failed");
    let with_token = ask("DELETE", "/ext-authz/orders/7").header("X-CSRF-Token", text(&made, "csrf_token"));
    let _ = with_token.send(&server.public).expect(200);
    // Paths that only begin alike belong to the router.
    let _ = ask("GET", "/ext-authzx").send(&server.public).expect(404);
}
