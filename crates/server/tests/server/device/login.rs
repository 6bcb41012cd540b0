//! Logins on trusted devices, and on devices that were never seen.

use super::{ask, delete, events, get, json, reasons, send, server, text, trust};
use serde_json::Value;
use vestibule_testkit::process::Server;

fn log_in(server: &Server, body: &Value) -> Value {
    send(server, "/v1/sessions", body).expect(201).json()["session"].clone()
}

// S44
#[test]
fn a_login_on_a_trusted_device_says_so_and_keeps_the_second_factor_open() {
    let server = server();
    let trusted = trust(&server, "ada", &json!({"id": "phone"}));
    let login = json!({"user_id": "ada", "amr": ["pwd"], "device_token": trusted["device_token"]});
    let issued = send(&server, "/v1/sessions", &login).expect(201).json();
    assert_eq!(issued["session"]["amr"], json!(["pwd", "trusted_device"]));
    assert_eq!(issued["session"]["mfa"], false);
    let judge = |target: &str| {
        let request = get(target).header("X-Forwarded-Method", "GET").header("X-Forwarded-Proto", "https");
        let request = request.header("X-Forwarded-Host", "app.example.com").header("X-Forwarded-Uri", "/");
        request.cookie("vestibule_dev", text(&issued, "token")).send(&server.public)
    };
    assert_eq!(judge("/forward-auth").status, 200);
    assert_eq!(judge("/forward-auth?mfa=required").expect(403).code(), "step_up_required");
    events(&server, "ada", "device.refused", 0);
}

// S45
#[test]
fn a_refused_token_keeps_no_login_out_and_is_told() {
    let server = server();
    let trusted = trust(&server, "ada", &json!({"id": "phone"}));
    let login = |user: &str| json!({"user_id": user, "amr": ["pwd"], "device_token": trusted["device_token"]});
    let session = log_in(&server, &login("bob"));
    assert_eq!(session["amr"], json!(["pwd"]));
    let refused = events(&server, "bob", "device.refused", 1);
    assert_eq!((&refused[0]["reason"], &refused[0]["session_id"]), (&json!("other_user"), &session["id"]));
    let _ = ask(&server, delete(&format!("/v1/devices/{}", text(&trusted["device"], "id")))).expect(204);
    assert_eq!(log_in(&server, &login("ada"))["amr"], json!(["pwd"]));
    assert_eq!(reasons(&server, "ada", "device.refused", 1), ["revoked"]);
    let garbage = json!({"user_id": "eve", "device_token": "vd_garbage"});
    assert_eq!(log_in(&server, &garbage)["amr"], json!([]));
    assert_eq!(reasons(&server, "eve", "device.refused", 1), ["unknown"]);
    let anonymous = json!({"device_token": "vd_garbage"});
    assert_eq!(send(&server, "/v1/sessions", &anonymous).expect(422).json()["field"], "device_token");
}

// S50
#[test]
fn each_device_is_told_once() {
    let server = server();
    for (id, fingerprint) in [("phone", "a"), ("phone", "a"), ("laptop", "b"), ("phone", "c"), ("phone", "c")] {
        log_in(&server, &json!({"user_id": "ada", "device": {"id": id, "fingerprint": fingerprint}}));
    }
    let told = events(&server, "ada", "device.new", 2);
    assert!(told.iter().all(|event| event["subject"] == "ada" && event["session_id"].is_string()));
    assert_eq!(reasons(&server, "ada", "device.changed", 1), ["fingerprint"]);
}

#[test]
fn sessions_are_listed_and_ended_by_device() {
    let server = server();
    for id in ["phone", "phone", "laptop"] {
        log_in(&server, &json!({"user_id": "ada", "device": {"id": id}}));
    }
    let on = |device: &str| {
        let body = ask(&server, get(&format!("/v1/users/ada/sessions?device_id={device}"))).expect(200).json();
        body["sessions"].as_array().expect("a list").len()
    };
    assert_eq!((on("phone"), on("laptop"), on("tablet")), (2, 1, 0));
    let filter = json!({"filter": {"user_id": "ada", "device_id": "phone"}});
    assert_eq!(send(&server, "/v1/sessions/revoke", &filter).expect(200).json()["revoked"], 2);
    assert_eq!((on("phone"), on("laptop")), (0, 1));
}
