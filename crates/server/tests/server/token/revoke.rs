//! What is revoked is not believed any more, from the moment of the answer.

use super::{
    ask, delete, get, issue, issue_of_session, json, options, part, post, refresh, revoke, send, server, text, verify,
};
use serde_json::Value;
use vestibule_testkit::process::Server;

fn is_good(server: &Server, tokens: &Value) -> bool {
    let answer = verify(server, tokens);
    assert!(answer.status == 200 || answer.code() == "token_revoked", "{answer:?}");
    answer.status == 200
}

// S56
#[test]
fn each_kind_of_revoke_ends_what_it_names() {
    let server = server();
    let (one, two) = (issue(&server, "ada"), issue(&server, "ada"));
    let (created, bound) = issue_of_session(&server, "ada");

    assert_eq!(revoke(&server, &json!({"jti": one["jti"], "reason": "stolen"})), 1);
    assert!(!is_good(&server, &one) && is_good(&server, &two));
    let next = refresh(&server, &one).expect(200).json();
    assert!(is_good(&server, &next), "the family goes on");

    assert_eq!(revoke(&server, &json!({"token": next["access_token"]})), 1);
    assert!(!is_good(&server, &next));
    assert_eq!(revoke(&server, &json!({"token": next["refresh_token"]})), 1);
    assert_eq!(refresh(&server, &next).expect(400).code(), "token_revoked");

    assert_eq!(revoke(&server, &json!({"family_id": two["family_id"]})), 1);
    assert!(!is_good(&server, &two));

    assert_eq!(revoke(&server, &json!({"session_id": created["session"]["id"]})), 1);
    assert!(!is_good(&server, &bound));
    let valid = send(&server, "/v1/sessions/validate", &json!({"token": created["token"]}));
    assert_eq!(valid.status, 200, "the session goes on");
}

#[test]
fn what_there_is_not_is_revoked_without_harm() {
    let server = server();
    let tokens = issue(&server, "ada");
    for nothing in [
        json!({"jti": "nonsense"}),
        json!({"token": "nonsense"}),
        json!({"family_id": "fam_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"session_id": "ses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"user_id": "nobody"}),
    ] {
        assert_eq!(revoke(&server, &nothing), 0, "{nothing}");
    }
    for wrong in [
        json!({}),
        json!({"reason": "x"}),
        json!({"jti": tokens["jti"], "user_id": "ada"}),
        json!({"jti": tokens["jti"], "reason": ""}),
        json!({"jti": tokens["jti"], "more": 1}),
    ] {
        assert_eq!(send(&server, "/v1/tokens/revoke", &wrong).expect(422).code(), "invalid_field", "{wrong}");
    }
    assert_eq!(ask(&server, post("/v1/tokens/revoke")).expect(422).code(), "invalid_field");
    assert!(is_good(&server, &tokens));
}

/// A variable that was never set is told apart from a token that is not known any more.
// S95
#[test]
fn a_name_that_nothing_can_have_is_refused_with_its_field() {
    let server = server();
    for field in ["jti", "token", "family_id", "session_id", "user_id"] {
        for name in ["", "\0", "a\0b"] {
            let refused = send(&server, "/v1/tokens/revoke", &json!({field: name})).expect(422);
            assert_eq!(refused.json()["field"], field, "{name:?}");
        }
    }
}

// S57
#[test]
fn all_of_a_user_end_and_the_next_one_passes_at_once() {
    let server = server();
    for _ in 0..5 {
        let before = [issue(&server, "ada"), issue(&server, "ada")];
        let other = issue(&server, "bob");
        let revoked = ask(&server, delete("/v1/users/ada/tokens")).expect(200).json();
        assert_eq!(revoked, json!({"revoked": 2}));
        let after = issue(&server, "ada");
        assert!(before.iter().all(|tokens| !is_good(&server, tokens)));
        assert!(is_good(&server, &after) && is_good(&server, &other), "within the same second");
        let _ = revoke(&server, &json!({"user_id": "ada"}));
        assert!(!is_good(&server, &after));
    }
}

/// Ends the session of an answer, or its user.
type End = fn(&Server, &Value);

// S13
#[test]
fn whatever_ends_a_session_or_a_user_ends_their_tokens() {
    let server = Server::start(options().env("VESTIBULE_SESSIONS__CAP", "2"));
    let ends: [(&str, End); 4] = [
        ("ended", |server, created| {
            let _ = ask(server, delete(&format!("/v1/sessions/{}", text(&created["session"]["id"])))).expect(204);
        }),
        ("all ended", |server, _| {
            let _ = ask(server, delete("/v1/users/ada/sessions")).expect(200);
        }),
        ("evicted", |server, _| {
            for _ in 0..2 {
                let _ = send(server, "/v1/sessions", &json!({"user_id": "ada"})).expect(201);
            }
        }),
        ("disabled", |server, _| {
            let _ = ask(server, post("/v1/users/ada/disable")).expect(200);
        }),
    ];
    for (how, end) in ends {
        let (created, tokens) = issue_of_session(&server, "ada");
        end(&server, &created);
        assert!(!is_good(&server, &tokens), "{how}");
        assert_eq!(refresh(&server, &tokens).expect(400).code(), "token_revoked", "{how}");
    }
}

/// S56: what was denied is denied by a server that starts afterwards, too.
#[test]
fn a_denial_outlives_the_server() {
    let mut server = server();
    let (one, two, kept) = (issue(&server, "ada"), issue(&server, "bob"), issue(&server, "eve"));
    assert_eq!(revoke(&server, &json!({"jti": one["jti"]})), 1);
    assert_eq!(revoke(&server, &json!({"user_id": "bob"})), 1);
    server.kill();
    server.restart();
    let answers = || [&one, &two, &kept].map(|tokens| verify(&server, tokens).status);
    assert_eq!(
        vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || Some(answers())
            .filter(|all| !all.contains(&503))),
        Some([401, 401, 200])
    );
}

// S59: the signed deny-list, until there is a token status list.
#[test]
fn the_signed_deny_list_names_what_is_revoked() {
    let server = server();
    let (one, two, three) = (issue(&server, "ada"), issue(&server, "ada"), issue(&server, "bob"));
    let _ = revoke(&server, &json!({"jti": one["jti"]}));
    let _ = revoke(&server, &json!({"family_id": two["family_id"]}));
    let _ = revoke(&server, &json!({"user_id": "bob"}));
    let signed = ask(&server, get("/v1/tokens/deny-list")).expect(200).json();
    assert_eq!(part(text(&signed["deny_list"]), 0)["typ"], "deny-list+jwt");
    let list = part(text(&signed["deny_list"]), 1);
    assert!(list["exp"].as_u64() > list["iat"].as_u64() && list["iat"].is_u64(), "{list}");
    assert_eq!(list["entries"][0]["jti"], one["jti"]);
    assert!(list["entries"][0]["exp"].as_u64() >= part(text(&one["access_token"]), 1)["exp"].as_u64(), "{list}");
    assert_eq!(list["families"][0]["fam"], two["family_id"]);
    let of_bob = part(text(&three["access_token"]), 1);
    assert!(text(&of_bob["jti"]).starts_with(text(&list["users"][0]["tag"])), "{list}");
    assert!(of_bob["ver"].as_u64() < list["users"][0]["ver"].as_u64(), "{list}");
}
