//! Exchanging refresh tokens.

use super::{ask, get, issue, issue_of_session, json, options, part, refresh, send, server, text, verify};
use serde_json::Value;
use std::time::Duration;
use vestibule_testkit::process::{Response, Server, post, wait_for};

fn error(answer: Response) -> (String, String) {
    let body = answer.expect(400).json();
    (text(&body["error"]).to_owned(), text(&body["code"]).to_owned())
}

fn grant(code: &str) -> (String, String) {
    ("invalid_grant".to_owned(), code.to_owned())
}

// S61 S64 S65 S66 S67
#[test]
fn the_second_holder_of_a_refresh_token_ends_its_family_and_no_other() {
    let server = server();
    let (phone, laptop) = (issue(&server, "ada"), issue(&server, "ada"));
    let second = refresh(&server, &phone).expect(200).json();
    assert_ne!(second["refresh_token"], phone["refresh_token"]);
    assert_eq!(second["family_id"], phone["family_id"]);
    // Inside the grace whoever lost the answer is given it again.
    let again = refresh(&server, &phone).expect(200).json();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let third = refresh(&server, &second).expect(200).json();
    // The successor is in use, so the grace of its predecessor is over.
    assert_eq!(error(refresh(&server, &phone)), grant("token_reused"));
    assert_eq!(error(refresh(&server, &third)), grant("token_reused"), "the whole family is over");
    for tokens in [&phone, &second, &again, &third] {
        assert_eq!(verify(&server, tokens).expect(401).code(), "token_revoked");
    }
    let _ = verify(&server, &laptop).expect(200);
    let _ = refresh(&server, &laptop).expect(200);
    let events = ask(&server, get("/v1/users/ada/events?type=token.reused")).expect(200).json();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1), "{events}");
}

fn parallel(server: &Server, tokens: &Value) -> Vec<Response> {
    std::thread::scope(|scope| {
        let racers: Vec<_> = (0..50).map(|_| scope.spawn(|| refresh(server, tokens))).collect();
        racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
    })
}

// S63
#[test]
fn fifty_at_once_are_given_the_same_successor() {
    let server = server();
    let tokens = issue(&server, "ada");
    let given: Vec<Value> = parallel(&server, &tokens).into_iter().map(|answer| answer.expect(200).json()).collect();
    assert!(given.iter().all(|each| each["refresh_token"] == given[0]["refresh_token"]));
    assert!(given.iter().all(|each| verify(&server, each).status == 200));
    let _ = refresh(&server, &given[0]).expect(200);
    assert_eq!(error(refresh(&server, &tokens)), grant("token_reused"));
}

// S62
#[test]
fn without_a_grace_one_of_fifty_wins() {
    let server = Server::start(options().env("VESTIBULE_TOKENS__REFRESH_GRACE", "0s"));
    let tokens = issue(&server, "ada");
    let won = parallel(&server, &tokens).iter().filter(|answer| answer.status == 200).count();
    assert_eq!(won, 1);
}

// S70
#[test]
fn a_refresh_token_is_for_its_client_its_device_and_what_was_granted() {
    let server = server();
    let body = json!({
        "user_id": "ada", "client_id": "app", "device_id": "phone", "scope": "read write", "audience": ["api", "files"],
    });
    let tokens = send(&server, "/v1/tokens", &body).expect(201).json();
    let with = |name: &str, value: Value| {
        let mut body = json!({"refresh_token": tokens["refresh_token"]});
        body[name] = value;
        send(&server, "/v1/tokens/refresh", &body)
    };
    assert_eq!(error(with("client_id", json!("other"))), grant("token_bound"));
    assert_eq!(error(with("device_id", json!("laptop"))), grant("token_bound"));
    for (name, broader) in [("scope", json!("read admin")), ("audience", json!("root")), ("audience", json!(["api", "x"]))] {
        assert_eq!(error(with(name, broader)), ("invalid_scope".to_owned(), "invalid_scope".to_owned()));
    }
    assert_eq!(error(send(&server, "/v1/tokens/refresh", &json!({"refresh_token": "vr_x"}))), grant("token_unknown"));
    let narrow = with("scope", json!("read")).expect(200).json();
    let claims = part(text(&narrow["access_token"]), 1);
    assert_eq!(
        (&claims["scope"], &claims["aud"], &narrow["scope"]),
        (&json!("read"), &json!(["api", "files"]), &json!("read"))
    );
    let whole = refresh(&server, &narrow).expect(200).json();
    assert_eq!(whole["scope"], "read write", "the family has what it had");
}

// S69
#[test]
fn a_family_ends_when_it_rests_and_when_it_is_old() {
    let server = Server::start(
        options().env("VESTIBULE_TOKENS__REFRESH_IDLE_TIMEOUT", "1s").env("VESTIBULE_TOKENS__REFRESH_LIFETIME", "3s"),
    );
    let (resting, mut used) = (issue(&server, "ada"), issue(&server, "ada"));
    let began = std::time::Instant::now();
    let ended = wait_for(Duration::from_secs(8), || {
        let answer = refresh(&server, &used);
        if answer.status == 200 {
            used = answer.json();
            std::thread::sleep(Duration::from_millis(100));
            return None;
        }
        Some(answer)
    });
    assert_eq!(error(ended.expect("use does not keep it for ever")), grant("token_expired"));
    assert!(began.elapsed() > Duration::from_secs(1), "but longer than a rest");
    assert_eq!(error(refresh(&server, &resting)), grant("token_expired"));
}

#[test]
fn tokens_of_a_session_end_with_it_and_their_roles_follow_it() {
    let server = server();
    let (created, tokens) = issue_of_session(&server, "ada");
    let target = format!("/v1/sessions/{}", text(&created["session"]["id"]));
    let amended = vestibule_testkit::process::Request::new("PATCH", &target).json(&json!({"roles": ["reader"]}));
    let _ = ask(&server, amended).expect(200);
    let next = refresh(&server, &tokens).expect(200).json();
    assert_eq!(part(text(&next["access_token"]), 1)["roles"], json!(["reader"]));
    let _ = ask(&server, super::delete(&target)).expect(204);
    assert_eq!(verify(&server, &next).expect(401).code(), "token_revoked");
    assert_eq!(error(refresh(&server, &next)), grant("token_revoked"));
}

/// S71: an answer that never came is given again, also by a server that was killed in between.
#[test]
fn a_lost_answer_is_given_again_after_a_crash() {
    let mut server = server();
    let tokens = issue(&server, "ada");
    let lost = refresh(&server, &tokens).expect(200).json();
    server.kill();
    server.restart();
    let again = refresh(&server, &tokens).expect(200).json();
    assert_eq!(again["refresh_token"], lost["refresh_token"]);
    let _ = verify(&server, &lost).expect(200);
}

#[test]
fn a_client_refreshes_by_itself_where_browsers_are() {
    let server = server();
    let tokens = issue(&server, "ada");
    let next = post("/auth/refresh").json(&json!({"refresh_token": tokens["refresh_token"]})).send(&server.public).expect(200);
    assert_eq!(next.json()["family_id"], tokens["family_id"]);
    assert!(next.cookie("vestibule_dev").is_none());

    let body = json!({"email": "ada@example.com", "password": "correct horse battery staple"});
    let _ = post("/auth/register").json(&body).send(&server.public).expect(201);
    let login = post("/auth/login").json(&body).send(&server.public).expect(200);
    let (cookie, csrf) =
        (login.cookie("vestibule_dev").expect("a cookie").to_owned(), text(&login.json()["csrf_token"]).to_owned());
    let ask =
        |csrf: &str| post("/auth/refresh").cookie("vestibule_dev", &cookie).header("X-CSRF-Token", csrf).send(&server.public);
    assert_eq!(ask("wrong").expect(403).code(), "csrf_failed");
    let renewed = ask(&csrf).expect(200);
    assert!(renewed.cookie("vestibule_dev").is_some_and(|new| new != cookie));
    assert_ne!(text(&renewed.json()["csrf_token"]), csrf);
    assert_eq!(post("/auth/refresh").send(&server.public).expect(401).code(), "unauthenticated");
}
