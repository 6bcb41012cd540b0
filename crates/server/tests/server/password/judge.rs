//! Which new passwords are accepted.

use super::{options, send};
use serde_json::{Value, json};
use vestibule_testkit::process::{Server, ServerOptions, post};

fn check(server: &Server, body: &Value) -> (bool, Vec<String>) {
    let answer = send(server, "/v1/passwords/check", body).expect(200).json();
    let reasons = answer["reasons"].as_array().expect("a list").iter();
    let reasons = reasons.map(|reason| reason.as_str().expect("a word").to_owned()).collect();
    assert!(answer["score"].as_u64().is_some_and(|score| score <= 4), "{answer}");
    (answer["accepted"] == true, reasons)
}

fn refused(reasons: &[&str]) -> (bool, Vec<String>) {
    (false, reasons.iter().map(|&reason| reason.to_owned()).collect())
}

const ACCEPTED: (bool, Vec<String>) = (true, Vec::new());

// S79: length by profile, and no rule of composition.
#[test]
fn a_profile_decides_about_the_length() {
    for (configured, alone) in [("single_factor", refused(&["too_short"])), ("mfa", ACCEPTED)] {
        let server = Server::start(options().arg("--ephemeral").env("VESTIBULE_PASSWORDS__PROFILE", configured));
        for text in ["xkvqzwjb", "84029175", "-.,;:_+!"] {
            assert_eq!(check(&server, &json!({"password": text})), alone, "{text}");
            assert_eq!(check(&server, &json!({"password": text, "mfa": true})), ACCEPTED, "{text}");
            assert_eq!(check(&server, &json!({"password": text, "mfa": false})), refused(&["too_short"]), "{text}");
        }
        assert_eq!(check(&server, &json!({"password": "xkvqzwj", "mfa": true})), refused(&["too_short"]));
    }
}

// S78
#[test]
fn long_passphrases_of_any_script_are_accepted() {
    let server = Server::start(options().arg("--ephemeral"));
    let phrase = "ein Füchslein läuft über 七つの橋 и поёт песню 🦊 until the last of all lanterns has gone out, and nobody is left to \
                  hear how the river answers";
    for length in [64, 128] {
        let text: String = phrase.chars().take(length).collect();
        assert_eq!(text.chars().count(), length);
        assert_eq!(check(&server, &json!({"password": text})), ACCEPTED);
    }
}

// S80
#[test]
fn words_of_the_context_and_of_the_service_are_refused() {
    let server = Server::start(options().arg("--ephemeral").env("VESTIBULE_PASSWORDS__SERVICE_NAMES", "Wombat Works"));
    let context = json!(["ada.lovelace@example.org", "Countess"]);
    for text in ["ada.lovelace.2026", "countess-countess", "wombat works 12345", "Vestibule-Vestibule-1"] {
        let found = check(&server, &json!({"password": text, "context": context}));
        assert!(!found.0 && found.1.iter().any(|reason| reason == "context_word"), "{text} {found:?}");
    }
    for text in ["password", "password1", "iloveyou", "trustno1"] {
        let found = check(&server, &json!({"password": text, "mfa": true}));
        assert_eq!(found, refused(&["common"]), "{text}");
    }
    assert_eq!(check(&server, &json!({"password": "lovelace wrote notes on a loom", "context": context})), ACCEPTED);
    let flood = send(&server, "/v1/passwords/check", &json!({"password": "a", "context": vec!["word"; 33]})).expect(422);
    assert_eq!(flood.json()["field"], "context");
}

/// A server with a list of breached passwords in a file.
fn with_list(name: &str, text: &str) -> (tempfile::TempDir, ServerOptions) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(name);
    std::fs::write(&file, text).expect("a file");
    let options = options().env("VESTIBULE_PASSWORDS__BREACHED_FILE", file.to_str().expect("a plain path"));
    (folder, options)
}

// S80: by a file, without a network.
#[test]
fn breached_passwords_are_refused_wherever_one_is_chosen() {
    // SHA-1 of "password", of "wombats eat at midnight" and of nothing in particular.
    let list = "19E43349381C1145F8CE315FECDCBDD50B297008:3\r\n\
                5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n\
                C8B4B3C3D0D1A2C5E2A3C19F4C4D28E4A6F4E1AA:1\r\n";
    let (_folder, options) = with_list("breached.txt", list);
    let server = Server::start(options);
    let breached = "wombats eat at midnight";
    assert_eq!(check(&server, &json!({"password": breached})), refused(&["breached"]));
    assert_eq!(check(&server, &json!({"password": "possums eat at midnight"})), ACCEPTED);
    let register = json!({"email": "ada@example.com", "password": breached});
    let problem = post("/auth/register").json(&register).send(&server.public).expect(422).json();
    assert_eq!((&problem["code"], &problem["reasons"]), (&json!("weak_password"), &json!(["breached"])));
}

#[test]
fn a_list_that_is_none_ends_the_start_with_one_line() {
    for text in ["", "password\n123456\n", "FF\nEE\n"] {
        let (_folder, options) = with_list("list.txt", text);
        let refused = Server::try_start(options).expect_err("it refuses");
        assert!(!refused.status.success() && refused.stderr.contains("passwords.breached_file"), "{}", refused.stderr);
    }
    let refused = Server::try_start(options().env("VESTIBULE_PASSWORDS__BREACHED_FILE", "/nowhere/list")).err();
    assert!(refused.is_some_and(|refused| refused.stderr.contains("/nowhere/list")));
}

// S82: what is weaker than the least cannot be configured.
#[test]
fn the_cost_of_hashes_is_configured_within_bounds() {
    let strong = options().arg("--ephemeral").env("VESTIBULE_PASSWORDS__HASH_MEMORY", "32MiB");
    let server = Server::start(strong.env("VESTIBULE_PASSWORDS__HASH_PASSES", "3"));
    let made = send(&server, "/v1/passwords/hash", &json!({"password": "any"})).expect(200).json();
    let hash = made["hash"].as_str().expect("a hash");
    assert!(hash.starts_with("$argon2id$v=19$m=32768,t=3,p=1$"), "{hash}");
    for (name, value) in [("MEMORY", "18MiB"), ("PASSES", "1"), ("LANES", "0"), ("MEMORY", "1GiB")] {
        let refused = Server::try_start(options().env(&format!("VESTIBULE_PASSWORDS__HASH_{name}"), value)).err();
        let refused = refused.unwrap_or_else(|| panic!("{name}={value} starts"));
        assert!(refused.stderr.contains("passwords.hash_"), "{}", refused.stderr);
    }
}
