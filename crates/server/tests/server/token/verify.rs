//! What an access token says, and whom it convinces.

use super::{ask, get, issue, issue_of_session, json, options, part, send, server, text, verify};
use vestibule_testkit::process::{Server, post};

// S55
#[test]
fn an_access_token_says_what_rfc_9068_demands() {
    let server = Server::start(options().env("VESTIBULE_TOKENS__CLAIMS__TENANT", "shop-{client_id}"));
    let (created, tokens) = issue_of_session(&server, "ada");
    let access = text(&tokens["access_token"]);
    assert_eq!(part(access, 0)["typ"], "at+jwt");
    let claims = verify(&server, &tokens).expect(200).json()["claims"].clone();
    assert_eq!(part(access, 1), claims);
    let life = claims["exp"].as_u64().expect("exp") - claims["iat"].as_u64().expect("iat");
    assert!((570..=600).contains(&life) && tokens["expires_in"] == json!(life), "a little less than ten minutes: {life}");
    let issuer = claims["iss"].clone();
    for (name, expected) in [
        ("sub", &json!("ada")),
        ("aud", &issuer),
        ("client_id", &issuer),
        ("sid", &created["session"]["id"]),
        ("fam", &tokens["family_id"]),
        ("jti", &tokens["jti"]),
        ("roles", &json!(["admin"])),
        ("tenant", &json!(format!("shop-{}", text(&issuer)))),
    ] {
        assert_eq!(claims[name], *expected, "{name}");
    }
    assert!(text(&tokens["refresh_token"]).starts_with("vr_") && tokens["token_type"] == "Bearer");
}

#[test]
fn a_request_that_cannot_be_met_issues_nothing() {
    let server = server();
    let (created, _) = issue_of_session(&server, "ada");
    let session = &created["session"]["id"];
    let long: Vec<String> = (0..64).map(|number| format!("{number:0>128}")).collect();
    for (body, status, code) in [
        (json!({}), 422, "invalid_field"),
        (json!({"session_id": session, "user_id": "ada"}), 422, "invalid_field"),
        (json!({"session_id": session, "roles": ["x"]}), 422, "invalid_field"),
        (json!({"user_id": "ada\u{0}"}), 422, "invalid_field"),
        (json!({"user_id": "ada", "scope": "a  b"}), 422, "invalid_field"),
        (json!({"user_id": "ada", "scope": "a\"b"}), 422, "invalid_field"),
        (json!({"user_id": "ada", "audience": [""]}), 422, "invalid_field"),
        (json!({"user_id": "ada", "permissions": long}), 422, "invalid_field"),
        (json!({"user_id": "ada", "more": 1}), 422, "invalid_field"),
        (json!({"session_id": "ses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}), 404, "session_missing"),
        (json!({"session_id": "nonsense"}), 404, "session_missing"),
    ] {
        assert_eq!(send(&server, "/v1/tokens", &body).expect(status).code(), code, "{body}");
    }
    let _ = send(&server, "/v1/users/eve/disable", &json!({})).expect(200);
    assert_eq!(send(&server, "/v1/tokens", &json!({"user_id": "eve"})).expect(403).code(), "user_disabled");
}

// S53
#[test]
fn a_token_is_for_its_audience_and_its_time() {
    let server = Server::start(options().env("VESTIBULE_TOKENS__ACCESS_TTL", "2s"));
    let tokens = issue(&server, "ada");
    let ask_for =
        |audience: &str| send(&server, "/v1/tokens/verify", &json!({"token": tokens["access_token"], "audience": audience}));
    let first = ask_for("api");
    if first.status == 200 {
        assert_eq!(ask_for("other").expect(401).code(), "token_invalid");
    }
    let expired = || Some(verify(&server, &tokens)).filter(|answer| answer.status == 401);
    let expired = vestibule_testkit::process::wait_for(std::time::Duration::from_secs(5), expired).expect("it expires");
    assert_eq!(expired.code(), "token_expired");
    assert!(expired.header("www-authenticate").is_some_and(|challenge| challenge.contains("invalid_token")));
}

#[test]
fn an_access_token_opens_what_a_proxy_guards() {
    let server = server();
    let (created, tokens) = issue_of_session(&server, "ada");
    let guard = |query: &str, token: &str| {
        let request = get(&format!("/forward-auth{query}")).bearer(token).header("X-Forwarded-Method", "POST");
        let request = request.header("X-Forwarded-Proto", "http").header("X-Forwarded-Host", "shop.example");
        request.header("X-Forwarded-Uri", "/orders").send(&server.public)
    };
    let access = text(&tokens["access_token"]);
    let passed = guard("?role=admin", access).expect(200);
    assert_eq!(passed.header("x-vestibule-user"), Some("ada"));
    assert_eq!(passed.header("x-vestibule-session"), created["session"]["id"].as_str());
    assert_eq!((passed.header("x-vestibule-roles"), passed.header("x-vestibule-actor")), (Some("admin"), Some("")));
    assert_eq!(guard("?role=root", access).expect(403).code(), "role_missing");
    assert_eq!(guard("?mfa=required", access).expect(403).code(), "step_up_required");
    assert_eq!(guard("", &format!("{access}x")).expect(401).code(), "token_invalid");
    assert_eq!(guard("", text(&tokens["refresh_token"])).expect(401).code(), "unauthenticated");
}

/// Where tokens are off, every route says so.
#[test]
fn tokens_can_be_off() {
    let server = Server::start(options().env("VESTIBULE_TOKENS__ISSUER", "off"));
    for target in ["/v1/tokens", "/v1/tokens/verify", "/v1/tokens/refresh", "/v1/tokens/revoke"] {
        let body = json!({"user_id": "ada", "token": "x", "refresh_token": "x"});
        let needed = match target {
            "/v1/tokens" | "/v1/tokens/revoke" => json!({"user_id": "ada"}),
            "/v1/tokens/verify" => json!({"token": body["token"]}),
            _ => json!({"refresh_token": body["refresh_token"]}),
        };
        assert_eq!(send(&server, target, &needed).expect(501).code(), "tokens_off", "{target}");
    }
    assert_eq!(get("/.well-known/jwks.json").send(&server.public).expect(501).code(), "tokens_off");
    let _ = post("/oauth/introspect").send(&server.public).expect(401);
    let _ = ask(&server, get("/v1/tokens/deny-list")).expect(501);
}
