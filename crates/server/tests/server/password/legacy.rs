//! Hashes of other systems: wrapped at rest, replaced at a login, verified for whoever keeps them elsewhere.

use super::{STRONG, at_rest, fixtures, import, log_in, options, send};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vestibule_testkit::process::Server;

fn address(place: usize) -> String {
    format!("user{place}@example.com")
}

/// The part of a hash that must be nowhere: what the weak scheme made of the password.
fn output(hash: &str) -> &str {
    hash.rsplit(['$', '}']).next().unwrap_or_default()
}

// S83, S82
#[test]
fn each_format_is_wrapped_at_rest_and_replaced_by_the_first_login() {
    let server = Server::start(options());
    let fixtures = fixtures();
    let users = fixtures.iter().enumerate();
    let users: Vec<Value> =
        users.map(|(place, fixture)| json!({"email": address(place), "password_hash": fixture.hash})).collect();
    let answer = import(&server, &json!(users));
    assert_eq!((&answer["imported"], &answer["skipped"]), (&json!(fixtures.len()), &json!([])), "{answer}");

    let imported = at_rest(&server);
    for (place, fixture) in fixtures.iter().enumerate() {
        let kept = &imported[&address(place)];
        assert!(kept.starts_with(STRONG) && !kept.contains(output(&fixture.hash)), "{}: {kept}", fixture.format);
        let _ = log_in(&server, &address(place), "not the right password").expect(401);
    }
    assert_eq!(at_rest(&server), imported, "a failed login changes nothing");

    for (place, fixture) in fixtures.iter().enumerate() {
        assert_eq!(log_in(&server, &address(place), &fixture.password).status, 200, "{}", fixture.format);
    }
    let upgraded = at_rest(&server);
    for (place, fixture) in fixtures.iter().enumerate() {
        let kept = &upgraded[&address(place)];
        assert!(kept.starts_with(STRONG) && kept.matches('$').count() == 5, "{}: {kept}", fixture.format);
        assert_ne!(*kept, imported[&address(place)], "{}", fixture.format);
    }
    let last = fixtures.len() - 1;
    let _ = log_in(&server, &address(last), &fixtures[last].password).expect(200);
    assert_eq!(at_rest(&server), upgraded, "what is strong is not made again");
}

// S78: bcrypt reads 72 bytes, so a longer password never stands for one that it knows.
#[test]
fn passwords_that_differ_behind_byte_72_are_never_taken_for_each_other() {
    let server = Server::start(options());
    // Of 72 times the letter a, and of anything that begins so, by the library.
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
    let _ = import(&server, &json!([{"email": "ada@example.com", "password_hash": bcrypt}]));
    let exact = "a".repeat(72);
    for longer in [format!("{exact}1"), format!("{exact}2"), "a".repeat(128)] {
        let _ = log_in(&server, "ada@example.com", &longer).expect(401);
        let answer = send(&server, "/v1/passwords/verify", &json!({"password": longer, "hash": bcrypt})).expect(200);
        assert_eq!(answer.json()["valid"], false);
    }
    let _ = log_in(&server, "ada@example.com", &exact).expect(200);
    let made = send(&server, "/v1/passwords/hash", &json!({"password": format!("{exact}1")})).expect(200).json();
    for (password, is_valid) in [(format!("{exact}1"), true), (format!("{exact}2"), false), (exact, false)] {
        let answer = send(&server, "/v1/passwords/verify", &json!({"password": password, "hash": made["hash"]}));
        assert_eq!(answer.expect(200).json()["valid"], is_valid);
    }
}

// S83: a backend that keeps its own hashes.
#[test]
fn a_backend_verifies_any_format_and_gets_a_better_hash() {
    let server = Server::start(options().arg("--ephemeral"));
    for fixture in fixtures() {
        let verify = |password: &str, hash: &str| {
            send(&server, "/v1/passwords/verify", &json!({"password": password, "hash": hash})).expect(200).json()
        };
        let right = verify(&fixture.password, &fixture.hash);
        assert_eq!((&right["valid"], &right["needs_rehash"]), (&json!(true), &json!(true)), "{}", fixture.format);
        let better = right["new_hash"].as_str().expect("a better hash");
        assert!(better.starts_with(STRONG), "{better}");
        let wrong = verify("not the right password", &fixture.hash);
        assert_eq!(wrong, json!({"valid": false, "needs_rehash": false, "new_hash": null}), "{}", fixture.format);

        let wrapped = send(&server, "/v1/passwords/hash", &json!({"legacy_hash": fixture.hash})).expect(200).json();
        let wrapped = wrapped["hash"].as_str().expect("a hash");
        assert!(wrapped.starts_with(STRONG) && !wrapped.contains(output(&fixture.hash)), "{wrapped}");
        let again = send(&server, "/v1/passwords/hash", &json!({"legacy_hash": wrapped})).expect(200).json();
        assert_eq!(again["hash"], wrapped, "wrapping twice is wrapping once");
        assert_eq!(verify(&fixture.password, wrapped)["needs_rehash"], true, "{}", fixture.format);
        assert_eq!(verify("not the right password", wrapped)["valid"], false, "{}", fixture.format);
    }
}

// S82, S81
#[test]
fn a_new_hash_is_strong_and_of_either_normal_form() {
    let server = Server::start(options().arg("--ephemeral"));
    let composed = json!({"password": "caf\u{e9} noir tr\u{e8}s chaud"});
    let first = send(&server, "/v1/passwords/hash", &composed).expect(200).json();
    let second = send(&server, "/v1/passwords/hash", &composed).expect(200).json();
    assert!(first["hash"].as_str().is_some_and(|hash| hash.starts_with(STRONG)), "{first}");
    assert_ne!(first, second, "each has a salt of its own");
    let typed = json!({"password": "cafe\u{301} noir tre\u{300}s chaud", "hash": first["hash"]});
    let verified = send(&server, "/v1/passwords/verify", &typed).expect(200).json();
    assert_eq!(verified, json!({"valid": true, "needs_rehash": false, "new_hash": null}));
}

#[test]
fn unknown_and_absurd_hashes_are_refused_at_once() {
    let server = Server::start(options().arg("--ephemeral"));
    let b64 = "A".repeat(43);
    for (hash, reason) in [
        ("$2b$31$pIDODwrz/4AVCaHLneWn1ercLCOVDS4nziQ4CdE5nz/ttBb6d.71m".to_owned(), "absurd_cost"),
        (format!("pbkdf2_sha256$2000000000$salt${b64}"), "absurd_cost"),
        (format!("scrypt$1073741824$salt$8$1${b64}"), "absurd_cost"),
        (format!("$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHRzb21lc2FsdA${b64}"), "absurd_cost"),
        (format!("{STRONG}c29tZXNhbHRzb21lc2FsdA${b64}$bcrypt,c=31,s=AAAAAAAAAAAAAAAAAAAAAA"), "absurd_cost"),
        ("$2b$12$cut".to_owned(), "malformed"),
        ("$6$salt$hash".to_owned(), "unknown_format"),
        (String::new(), "unknown_format"),
        ("x".repeat(600), "too_long"),
    ] {
        for (target, field, body) in [
            ("/v1/passwords/verify", "hash", json!({"password": "any", "hash": hash})),
            ("/v1/passwords/hash", "legacy_hash", json!({"legacy_hash": hash})),
        ] {
            let began = Instant::now();
            let answer = send(&server, target, &body).expect(422);
            assert!(began.elapsed() < Duration::from_secs(1), "{hash}");
            let problem = answer.json();
            let seen = (&problem["code"], &problem["field"], &problem["reasons"]);
            assert_eq!(seen, (&json!("invalid_field"), &json!(field), &json!([reason])), "{hash}");
        }
    }
    for body in [json!({}), json!({"password": "a", "legacy_hash": "b"}), json!({"password": "x".repeat(1_025)})] {
        let answer = send(&server, "/v1/passwords/hash", &body).expect(422);
        assert_eq!(answer.code(), "invalid_field", "{body}");
    }
}

/// A hash of nothing is an account that opens with a form left blank.
#[test]
fn an_empty_password_is_not_hashed() {
    let server = Server::start(options().arg("--ephemeral"));
    let refused = send(&server, "/v1/passwords/hash", &json!({"password": ""})).expect(422);
    assert_eq!((refused.code().as_str(), &refused.json()["field"]), ("invalid_field", &json!("password")));
}
