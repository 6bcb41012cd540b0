//! Every layout of a Redis, and the file.

use super::{HOUR_MS, TOKEN, accepting, forward, import, put, run, user_of};
use serde_json::{Value, json};
use vestibule_testkit::process::{Redis, Server, get};

/// Imports what stands at one key, and shows the old cookie to the new server.
fn is_taken_over(server: &Server, redis: &Redis, layout: &str, key: &str, value: &[u8], cookie: (&str, &str)) -> Value {
    assert!(redis.command("FLUSHALL").contains("OK"));
    put(redis, key, value, HOUR_MS);
    let tried = import(server, &redis.url(), &["--layout", layout, "--dry-run"]);
    assert_eq!((&tried["read"], &tried["importable"], &tried["imported"]), (&json!(1), &json!(1), &json!(0)), "{layout}");
    assert_eq!(forward(server, cookie.0, cookie.1).status, 401, "{layout}");
    let done = import(server, &redis.url(), &["--layout", layout]);
    assert_eq!((&done["imported"], &done["known"], &done["skipped"]), (&json!(1), &json!(0), &json!({})), "{layout}");
    let passed = forward(server, cookie.0, cookie.1).expect(200);
    assert_eq!(user_of(&passed), Some(layout), "{passed:?}");
    let again = import(server, &redis.url(), &["--layout", layout]);
    assert_eq!((&again["imported"], &again["known"]), (&json!(0), &json!(1)), "{layout}");
    let me = get("/auth/me").cookie(cookie.0, cookie.1).send(&server.public).expect(200).json();
    assert_eq!(me["user"]["id"], layout);
    assert!(me["csrf_token"].is_string(), "{me}");
    me["session"].clone()
}

#[test]
fn sessions_of_every_layout_go_on_with_their_old_cookies() {
    let (server, redis) = (Server::start(accepting()), Redis::start());
    let taken = |layout: &str, key: &str, value: &Value, cookie: (&str, &str)| {
        is_taken_over(&server, &redis, layout, key, value.to_string().as_bytes(), cookie)
    };
    let id = |number: u8| format!("{}{number}", &TOKEN[..35]);

    let value = json!({
        "user_id": "build-yourself", "created_at": "2024-01-01T00:00:00Z", "last_accessed": "2024-01-01T00:00:00Z",
        "user_data": {"id": "build-yourself", "email": "user@example.com", "role": "user"},
    });
    let session = taken("build-yourself", &format!("session:{}", id(1)), &value, ("session_id", &id(1)));
    assert_eq!((&session["roles"], &session["data"]["email"]), (&json!(["user"]), &json!("user@example.com")));
    assert_eq!((&session["amr"], &session["created_at"]), (&json!(["imported"]), &json!("2024-01-01T00:00:00.000Z")));

    let value = json!({
        "session_id": id(2), "user_id": "optix", "device_id": "device_123", "ip_address": "192.168.1.1", "user_agent": "Mozilla/5.0",
        "mfa_verified": true, "created_at": "2026-01-01T00:00:00.123456", "expires_at": "2090-01-01T00:00:00.123456",
    });
    let session = taken("optix", &format!("session:{}", id(2)), &value, ("session_id", &id(2)));
    assert_eq!(
        (&session["device"]["id"], &session["mfa"], &session["ip"]),
        (&json!("device_123"), &json!(true), &json!("192.168.1.1"))
    );
    assert!(!session["data"].to_string().contains(&id(2)), "the token stays behind: {session}");

    let token = "9b".repeat(32);
    let value = json!({"userId": "session-caching-plan", "sessionToken": token, "expiresAt": "2090-01-01T00:00:00.000Z"});
    let session = taken("session-caching-plan", &format!("session:{token}"), &value, ("session_id", &token));
    assert!(!session["data"].to_string().contains(&token), "the token stays behind: {session}");

    let token = "uXz2k3mVd0J8p1Qe7RfT5yB6nA9cGhLs_wK4oI-MxYE";
    let value = json!({"user_data": {"user_id": "easyshifts", "role": "manager"}, "client_ip": "10.0.0.7", "csrf_token": "c"});
    taken("easyshifts", &format!("session:{token}"), &value, ("session_id", token));

    let token = "hY2bq0Tj9sWc4LxP1oRz8NdKvE3mGfUa";
    let value = json!({"cookie": {"originalMaxAge": 86_400_000, "expires": "2090-01-01T00:00:00.000Z"}, "passport": {"user": "connect-redis"}});
    let cookie = format!("s%3A{token}.bFzVt1a2b%2Bsignature");
    taken("connect-redis", &format!("sess:{token}"), &value, ("connect.sid", &cookie));

    let token = "k3v9x1m7q5z2b8n4c6w0e9r3t7y1u5i2";
    let value = json!({"_auth_user_id": "django", "_auth_user_hash": "0f"});
    taken("django", &format!(":1:django.contrib.sessions.cache{token}"), &value, ("sessionid", token));

    let token = "nB3xKq8vT2mZc7LwR5yJ1g";
    let date = rmp_serde::to_vec(&(2090, 15, 8, 0, 0, 0, 0, 0, 0)).expect("a date");
    let data = rmp_serde::to_vec(&json!({"user_id": "tower-sessions"})).expect("a map");
    let record = [&[0x93, 0xc4, 16][..], &[7; 16], &data, &date].concat();
    is_taken_over(&server, &redis, "tower-sessions", token, &record, ("id", token));
}

#[test]
fn a_file_of_lines_names_tokens_or_their_digests() {
    let server = Server::start(accepting());
    let file = server.dir.path().join("sessions.jsonl");
    let digest = "1833687be1f71b16482c75f2ce747c6de61c60270614c8220db78edb8db0ef53";
    let deep: Value =
        serde_json::from_str(&format!("{}{}", "{\"a\":".repeat(99), "1".to_owned() + &"}".repeat(99))).expect("JSON");
    let lines = [
        json!({"id": TOKEN, "user_id": "ada", "data": {"cart": 3}, "expires_at": "2090-01-01T00:00:00Z"}),
        json!({"digest": digest, "user_id": 42, "expires_at": "2090-01-01T00:00:00Z"}),
        json!({"id": "short", "user_id": "eve", "expires_at": "2090-01-01T00:00:00Z"}),
        json!({"id": "a-session-too-deep", "user_id": "eve", "expires_at": "2090-01-01T00:00:00Z", "data": deep}),
        json!({"id": "an-expired-session-id", "user_id": "eve", "expires_at": "2020-01-01T00:00:00Z"}),
        json!({"id": "a-session-id-of-nobody", "expires_at": "2090-01-01T00:00:00Z"}),
    ];
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "no JSON\n";
    std::fs::write(&file, text).expect("written");
    let done = import(&server, file.to_str().expect("text"), &["--layout", "jsonl"]);
    assert_eq!((&done["read"], &done["imported"], &done["expired"]), (&json!(7), &json!(2), &json!(1)));
    assert_eq!(done["skipped"], json!({"anonymous": 1, "refused": 1, "token_unusable": 1, "unreadable": 1}));
    assert_eq!(user_of(&forward(&server, "session_id", TOKEN)), Some("ada"));
    // The digest is that of "user-session-token".
    assert_eq!(user_of(&forward(&server, "session_id", "user-session-token")), Some("42"));
}

/// Pickles are refused by their name, and nothing that was read is repeated.
#[test]
fn what_is_left_behind_is_counted_and_secrets_are_not_told() {
    let (server, redis) = (Server::start(accepting()), Redis::start_with(&["--requirepass", "very-secret-password"]));
    let url = format!("redis://:very-secret-password@127.0.0.1:{}", redis.port());
    let wrong = format!("redis://:another-secret-password@127.0.0.1:{}", redis.port());
    let refused = run(&server, &wrong, &["--layout", "django"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let value = b"\x80\x04}q\x00.";
    let escaped: String = value.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let key = format!(":1:django.contrib.sessions.cache{TOKEN}");
    // A connection of its own for each command, so the password goes along in one with the rest.
    let answer = redis.command(&format!("AUTH very-secret-password\r\nSET {key} \"{escaped}\" PX 60000"));
    assert!(answer.matches("OK").count() == 2, "{answer}");
    let output = run(&server, &url, &["--layout", "django"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    for output in [refused, output] {
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("secret-password") && !said.contains(TOKEN), "{said}");
    }
    let report = import(&server, &url, &["--layout", "django"]);
    assert_eq!(report["skipped"], json!({"pickle": 1}));
}
