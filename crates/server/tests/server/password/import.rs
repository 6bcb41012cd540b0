//! Accounts of another system.

use super::{import, log_in, options, send};
use serde_json::{Value, json};
use vestibule_testkit::process::{Postgres, Redis, Server, get, post};

/// MD5 of "password" and of "letmein".
const MD5: [&str; 2] = ["5f4dcc3b5aa765d61d8327deb882cf99", "0d107d09f5bbe40cade3de5c71e9e9b7"];

fn told(answer: &Value) -> (u64, u64, Vec<(u64, &str, &str)>) {
    let count = |name: &str| answer[name].as_u64().expect("a count");
    let skipped = answer["skipped"].as_array().expect("a list").iter();
    let text = |left: &'static str, value: &Value| value[left].as_str().map(|text| text.to_owned().leak() as &str);
    let skipped = skipped.map(|left| {
        let field = text("field", left).unwrap_or_default();
        (left["index"].as_u64().expect("a place"), text("reason", left).unwrap_or_default(), field)
    });
    (count("imported"), count("known"), skipped.collect())
}

// S83
#[test]
fn each_user_has_an_outcome_and_a_repeat_changes_nothing() {
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let scaled = options().env("REDIS_URL", &redis.url()).env("DATABASE_URL", &postgres.database());
    for options in [options(), scaled] {
        let server = Server::start(options);
        let users = json!([
            {"email": "Ada@Example.com", "password_hash": MD5[0], "name": "Ada", "user_id": "42"},
            {"email": "no address", "password_hash": MD5[0]},
            {"email": "bob@example.com", "password_hash": "what is this"},
            {"email": "ada@example.com", "password_hash": MD5[1]},
            {"email": "carl@example.com", "password_hash": MD5[0], "user_id": "a\u{0}b"},
            {"email": "dora@example.com", "password_hash": MD5[0], "user_id": "42"},
            {"email": "emil@example.com", "password_hash": MD5[1]},
        ]);
        let answer = import(&server, &users);
        let (imported, known, skipped) = told(&answer);
        assert_eq!((imported, known), (2, 2), "{answer}");
        let invalid = |place, field| (place, "invalid_field", field);
        assert_eq!(skipped, [invalid(1, "email"), invalid(2, "password_hash"), invalid(4, "user_id")]);
        assert_eq!(answer["users"][0], json!({"index": 0, "id": "42"}));

        assert_eq!(told(&import(&server, &users)).0, 0, "a repeat finds everybody");
        let user = log_in(&server, "ada@example.com", "password").expect(200).json()["user"].clone();
        assert_eq!((&user["id"], &user["name"], &user["email"]), (&json!("42"), &json!("Ada"), &json!("ada@example.com")));
        let _ = log_in(&server, "ada@example.com", "letmein").expect(401);
        let _ = log_in(&server, "emil@example.com", "letmein").expect(200);
        let sessions = get("/v1/users/42/sessions").bearer(&server.key).send(&server.management).expect(200).json();
        assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn an_import_is_bounded_and_needs_its_scope_and_a_record() {
    let server = Server::start(options());
    let user = json!({"email": "ada@example.com", "password_hash": MD5[0]});
    for users in [json!([]), json!(vec![&user; 201])] {
        let answer = send(&server, "/v1/users/import", &json!({"users": users})).expect(422);
        assert_eq!(answer.json()["field"], "users");
    }
    for users in [json!([{"email": "ada@example.com"}]), json!([{"email": "a@b.c", "password_hash": "x", "admin": true}])] {
        let answer = send(&server, "/v1/users/import", &json!({"users": users})).expect(422);
        assert_eq!(answer.code(), "invalid_field");
    }
    let key = send(&server, "/v1/keys", &json!({"name": "reader", "scopes": ["users:read"]})).expect(201).json();
    let request = post("/v1/users/import").json(&json!({"users": [user]}));
    let refused = request.clone().bearer(key["key"].as_str().expect("a key")).send(&server.management).expect(403);
    assert_eq!(refused.code(), "scope_missing");

    let server = Server::start(options().arg("--ephemeral"));
    assert_eq!(request.bearer(&server.key).send(&server.management).expect(501).code(), "record_required");
}
