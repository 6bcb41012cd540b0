//! The keys behind access tokens.

use super::{ask, get, issue, json, options, part, post, server, text, verify};
use serde_json::Value;
use std::{fs, process::Command};
use tempfile::TempDir;
use vestibule_testkit::{
    bounds::START,
    process::{Server, ServerOptions, wait_for},
};

fn published(server: &Server) -> Vec<String> {
    let set = get("/.well-known/jwks.json").send(&server.public).expect(200).json();
    let keys = set["keys"].as_array().expect("keys");
    keys.iter().map(|key| text(&key["kid"]).to_owned()).collect()
}

fn signer(tokens: &Value) -> String {
    text(&part(text(&tokens["access_token"]), 0)["kid"]).to_owned()
}

// S58
#[test]
fn a_key_is_published_before_it_signs_and_leaves_after_its_tokens() {
    let server = Server::start(options().env("VESTIBULE_TOKENS__KEY_PUBLISH_BEFORE", "1s"));
    let old = issue(&server, "ada");
    let first = signer(&old);
    let rotated = ask(&server, post("/v1/tokens/keys/rotate")).expect(202).json();
    let second = text(&rotated["kid"]).to_owned();
    assert_ne!(first, second);
    let both = published(&server);
    assert!(both.contains(&first) && both.contains(&second), "{both:?}");
    let switched = wait_for(START, || {
        let tokens = issue(&server, "ada");
        assert!(published(&server).contains(&signer(&tokens)), "a token of a key that nobody can know");
        (signer(&tokens) == second).then_some(())
    });
    assert!(switched.is_some(), "the new key never signs");
    let _ = verify(&server, &old).expect(200);
    let keys = ask(&server, get("/v1/tokens/keys")).expect(200).json();
    let states: Vec<&str> = keys["keys"].as_array().expect("keys").iter().map(|key| text(&key["state"])).collect();
    assert_eq!(states, ["retired", "signing"]);
}

#[test]
fn the_key_set_is_cached_by_whoever_has_it() {
    let server = server();
    let set = get("/.well-known/jwks.json").send(&server.public).expect(200);
    let etag = set.header("etag").expect("a tag").to_owned();
    assert_eq!(set.header("cache-control"), Some("public, max-age=1800"));
    let key = set.json()["keys"][0].clone();
    assert_eq!((&key["use"], &key["alg"], &key["kty"]), (&json!("sig"), &json!("EdDSA"), &json!("OKP")));
    assert!(key.get("d").is_none());
    let again = |tag: &str| get("/.well-known/jwks.json").header("If-None-Match", tag).send(&server.public);
    for known in [etag.as_str(), &format!("\"x\", W/{etag}"), "*"] {
        let unchanged = again(known).expect(304);
        assert_eq!((unchanged.header("etag"), unchanged.text().as_str()), (Some(etag.as_str()), ""));
    }
    let _ = again("\"x\"").expect(200);
    let rotated = ask(&server, post("/v1/tokens/keys/rotate")).expect(202).json();
    assert_eq!(ask(&server, post("/v1/tokens/keys/rotate")).expect(202).json()["kid"], rotated["kid"], "a repeat adds none");
    let written = wait_for(START, || {
        let events = ask(&server, get("/v1/events?type=admin.signing_key_published")).expect(200).json();
        Some(events["events"].clone()).filter(|events| events[0]["reason"] == rotated["kid"])
    });
    assert_eq!(written.as_ref().and_then(Value::as_array).map(Vec::len), Some(1), "{written:?}");
    assert_ne!(again(&etag).expect(200).header("etag"), Some(etag.as_str()));
}

#[test]
fn each_algorithm_signs_and_survives_a_restart() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let mut server = Server::start(options().env("VESTIBULE_TOKENS__ALGORITHM", algorithm));
        let tokens = issue(&server, "ada");
        assert_eq!(part(text(&tokens["access_token"]), 0)["alg"], json!(algorithm));
        let before = published(&server);
        server.kill();
        server.restart();
        let verified = wait_for(START, || Some(verify(&server, &tokens)).filter(|answer| answer.status != 503)).expect("ready");
        assert_eq!((verified.status, published(&server)), (200, before));
    }
}

/// A key as an operator makes it.
fn generated(folder: &TempDir, arguments: &[&str]) -> String {
    let file = folder.path().join(format!("{}.pem", arguments.concat().replace([':', '_'], "-")));
    let made = Command::new("openssl").args(["genpkey", "-out"]).arg(&file).args(["-algorithm"]).args(arguments).output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a key");
    file.to_str().expect("UTF-8").to_owned()
}

fn importing(file: &str) -> ServerOptions {
    options().env("VESTIBULE_TOKENS__SIGNING_KEY_FILE", file)
}

// S58
#[test]
fn a_weak_key_stops_the_start_and_a_strong_one_signs() {
    let folder = TempDir::new().expect("a folder");
    let weak = generated(&folder, &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let nonsense = folder.path().join("nonsense.pem");
    fs::write(&nonsense, "nonsense").expect("written");
    for refused in [weak.as_str(), nonsense.to_str().expect("UTF-8"), "/nowhere.pem"] {
        let refused = Server::try_start(importing(refused)).expect_err("it must not start");
        assert!(refused.stderr.contains("tokens.signing_key_file"), "{}", refused.stderr);
    }
    let strong = generated(&folder, &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let server = Server::start(importing(&strong));
    let tokens = issue(&server, "ada");
    assert_eq!(part(text(&tokens["access_token"]), 0)["alg"], json!("ES256"));
    let _ = verify(&server, &tokens).expect(200);
    assert_eq!(ask(&server, post("/v1/tokens/keys/rotate")).expect(409).code(), "signing_key_imported");
    let mismatch = importing(&strong).env("VESTIBULE_TOKENS__ALGORITHM", "RS256");
    let refused = Server::try_start(mismatch).expect_err("it must not start");
    assert!(refused.stderr.contains("tokens.algorithm"), "{}", refused.stderr);
}
