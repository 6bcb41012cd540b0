//! What is no access token of this server. The whole table of attacks is beside the code that reads tokens; here is that the server
//! really asks that code.

use super::{ask, form, get, issue, json, part, send, server, text};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::net::TcpListener;

// S51 S52 S54
#[test]
fn what_is_not_signed_by_us_as_an_access_token_is_refused() {
    let server = server();
    let tokens = issue(&server, "ada");
    let access = text(&tokens["access_token"]);
    let [header, payload, signature] = access.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let kid = text(&part(access, 0)["kid"]).to_owned();
    // Somebody waits there; nobody may come.
    let evil = TcpListener::bind("127.0.0.1:0").expect("a free port");
    evil.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/jwks.json", evil.local_addr().expect("bound"));
    let with = |header: serde_json::Value| format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let deny_list = ask(&server, get("/v1/tokens/deny-list")).expect(200).json();
    assert_eq!(part(text(&deny_list["deny_list"]), 0)["typ"], "deny-list+jwt");
    let created = send(&server, "/v1/sessions", &json!({"user_id": "ada"})).expect(201).json();
    for forged in [
        with(json!({"alg": "none", "typ": "at+jwt", "kid": kid})),
        with(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid})),
        with(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "jku": url})),
        with(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "x5u": url})),
        with(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "../../dev/null"})),
        with(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "' OR 1=1 --"})),
        with(json!({"alg": "EdDSA", "typ": "JWT", "kid": kid})),
        format!("{header}.{payload}."),
        format!("{access}="),
        format!("{access}\n"),
        format!(" {access}"),
        text(&tokens["refresh_token"]).to_owned(),
        text(&deny_list["deny_list"]).to_owned(),
        text(&created["token"]).to_owned(),
        text(&created["csrf_token"]).to_owned(),
        String::new(),
    ] {
        let refused = send(&server, "/v1/tokens/verify", &json!({"token": forged}));
        assert_eq!(refused.expect(401).code(), "token_invalid", "{forged}");
        // `=` and the like would be something else in a form.
        let encoded: String = forged.bytes().map(|byte| format!("%{byte:02X}")).collect();
        if !forged.is_empty() {
            let inactive = form(&server, "/oauth/introspect", &format!("token={encoded}")).expect(200);
            assert_eq!(inactive.json(), json!({"active": false}), "{forged}");
        }
    }
    assert!(evil.accept().is_err(), "somebody fetched a key");
    assert_eq!(send(&server, "/v1/tokens/verify", &json!({"token": "x".repeat(9_000)})).expect(400).code(), "invalid_request");
}
