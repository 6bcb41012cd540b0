//! Webhooks: signed, at least once, and nowhere where they must not go.

use super::{create, end_all, login, receiver::Receiver};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;
use vestibule_testkit::{
    bounds::START,
    process::{Certificates, Redis, Request, Server, ServerOptions, delete, get, post, wait_for},
};

const KEY: &[u8] = b"the key of this webhook, 32 byte";

fn configured(receiver: &Receiver, more: &str) -> String {
    let secret = format!("whsec_{}", STANDARD.encode(KEY));
    format!(
        "[[webhooks]]\nname = \"audit\"\nurl = \"http://{}/hook?of=us\"\nsecret = \"{secret}\"\nallow_private = true\n{more}\n",
        receiver.authority()
    )
}

fn posting_to(receiver: &Receiver, more: &str) -> ServerOptions {
    ServerOptions::default().config(&configured(receiver, more)).env("VESTIBULE_MODE", "dev")
}

fn state(server: &Server) -> Value {
    let answer = get("/v1/webhooks").bearer(&server.key).send(&server.management).expect(200).json();
    answer["webhooks"][0].clone()
}

#[test]
fn a_delivery_is_signed_as_the_standard_says() {
    let receiver = Receiver::start(204);
    let server = Server::start(posting_to(&receiver, "types = [\"session.created\"]"));
    wait_until_it_delivers(&server);
    login(&server, "ada");
    end_all(&server, "ada");
    login(&server, "bob");
    let received = receiver.wait_for("both", |received| received.len() >= 2);
    let subjects: Vec<_> = received.iter().map(|delivery| delivery.event()["subject"].clone()).collect();
    assert!(subjects.contains(&json!("ada")) && subjects.contains(&json!("bob")), "{subjects:?}");
    for delivery in received {
        assert_eq!(delivery.event()["type"], "session.created");
        let header = |name: &str| delivery.headers.get(name).unwrap_or_else(|| panic!("{name} in {delivery:?}")).clone();
        assert_eq!(delivery.event()["id"], header("webhook-id"));
        assert_eq!(header("content-type"), "application/json");
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any length");
        mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), delivery.body).as_bytes());
        assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())));
    }
    let noted = wait_for(START, || Some(state(&server)).filter(|state| state["delivered"] == 2));
    let state = noted.expect("what was delivered is noted");
    assert_eq!(state["failing"], Value::Null, "{state}");
    assert!(!state.to_string().contains("of=us"), "a query may hold a secret of the receiver: {state}");
}

/// A webhook begins with what happens after it was first there.
fn wait_until_it_delivers(server: &Server) {
    let begun = || (server_has_begun(server)).then_some(());
    assert!(wait_for(START, begun).is_some(), "nobody claims the webhook\n{}", server.stderr());
}

fn server_has_begun(server: &Server) -> bool {
    state(server)["since"].is_string()
}

#[test]
fn what_fails_is_tried_again_put_aside_and_delivered_when_it_is_wanted() {
    let receiver = Receiver::start(302);
    let server = Server::start(posting_to(&receiver, "retry_pause = \"20ms\"\ntypes = [\"session.created\"]"));
    wait_until_it_delivers(&server);
    login(&server, "ada");
    let dead = wait_for(START, || Some(state(&server)).filter(|state| state["dead"] != json!([])));
    let dead = dead.expect("it is put aside");
    assert_eq!(dead["dead"][0]["error"], "answered by status 302", "a redirect is not followed");
    let tries = receiver.all();
    assert_eq!(tries.len(), 8, "so many tries");
    assert!(tries.iter().all(|again| again.headers["webhook-id"] == tries[0].headers["webhook-id"]));
    receiver.answer(200);
    let redeliver = server.command().args(["webhooks", "redeliver", "audit", "--json"]).output().expect("it runs");
    assert_eq!(serde_json::from_slice::<Value>(&redeliver.stdout).expect("JSON")["redelivered"], 1);
    receiver.wait_for("the one put aside", |received| received.len() == 9);
    let done = || Some(state(&server)).filter(|state| state["delivered"] == 1 && state["waiting_again"] == 0);
    assert_eq!(wait_for(START, done).expect("it is noted")["dead"], json!([]));
    let unknown = post("/v1/webhooks/other/redeliver").bearer(&server.key).json(&json!({})).send(&server.management);
    assert_eq!(unknown.status, 404);
}

/// What was not acknowledged by the receiver outlives the server.
#[test]
fn nothing_is_left_out_when_the_server_dies() {
    let receiver = Receiver::start(503);
    let mut server = Server::start(posting_to(&receiver, "types = [\"session.created\"]"));
    wait_until_it_delivers(&server);
    for user in 0..20 {
        login(&server, &format!("user-{user}"));
    }
    receiver.wait_for("a first try", |received| !received.is_empty());
    server.kill();
    let refused = receiver.all().len();
    receiver.answer(200);
    server.restart();
    let received = receiver.wait_for("all", |received| {
        let subjects: std::collections::BTreeSet<String> =
            received[refused..].iter().map(|delivery| delivery.event()["subject"].to_string()).collect();
        subjects.len() == 20
    });
    assert!(received.len() >= refused + 20);
}

#[test]
fn a_private_network_is_out_of_reach() {
    let receiver = Receiver::start(200);
    let config = configured(&receiver, "").replace("allow_private = true\n", "").replace("http://", "https://");
    let config = config.replace("[[webhooks]]\n", "[[webhooks]]\nretry_pause = \"20ms\"\n");
    let server = Server::start(ServerOptions::default().config(&config).env("VESTIBULE_MODE", "dev"));
    wait_until_it_delivers(&server);
    login(&server, "ada");
    let dead = wait_for(START, || Some(state(&server)).filter(|state| state["dead"] != json!([]))).expect("it is put aside");
    let error = dead["dead"][0]["error"].as_str().expect("an error");
    assert!(error.contains("private network"), "{error}");
    assert!(receiver.all().is_empty());
    let plain = configured(&receiver, "").replace("allow_private = true\n", "");
    let refused = Server::try_start(ServerOptions::default().config(&plain).env("VESTIBULE_MODE", "dev"));
    assert!(refused.expect_err("not without TLS").stderr.contains("webhooks"));
}

fn secured(receiver: &Receiver, more: &str) -> String {
    let more = format!("retry_pause = \"20ms\"\ntypes = [\"session.created\"]\n{more}");
    configured(receiver, &more).replace("http://127.0.0.1", "https://localhost")
}

fn with_authority(certificates: &Certificates) -> String {
    format!("tls_ca_file = \"{}\"", certificates.certificate("ca").display())
}

#[test]
fn an_authority_of_ones_own_vouches_for_a_receiver() {
    let certificates = Certificates::make();
    let receiver = Receiver::start_tls(204, &certificates, "server");
    let config = secured(&receiver, &with_authority(&certificates));
    let server = Server::start(ServerOptions::default().config(&config).env("VESTIBULE_MODE", "dev"));
    wait_until_it_delivers(&server);
    login(&server, "ada");
    let received = receiver.wait_for("one over TLS", |received| !received.is_empty());
    assert_eq!(received[0].event()["subject"], "ada");
    assert!(received[0].headers["host"].starts_with("localhost:"));
    let noted = || Some(state(&server)).filter(|state| state["delivered"] == 1);
    assert_eq!(wait_for(START, noted).expect("it is noted")["failing"], Value::Null);
}

#[test]
fn nothing_is_posted_to_a_receiver_for_whom_nobody_vouches() {
    let certificates = Certificates::make();
    let unknown = Receiver::start_tls(204, &certificates, "server");
    let foreign = Receiver::start_tls(204, &certificates, "foreign");
    for (receiver, more) in [(&unknown, String::new()), (&foreign, with_authority(&certificates))] {
        let config = secured(receiver, &more);
        let server = Server::start(ServerOptions::default().config(&config).env("VESTIBULE_MODE", "dev"));
        wait_until_it_delivers(&server);
        login(&server, "ada");
        let dead = wait_for(START, || Some(state(&server)).filter(|state| state["dead"] != json!([])));
        let error = dead.expect("it is put aside")["dead"][0]["error"].to_string();
        assert!(error.contains("no secure connection"), "{error}");
        assert!(receiver.all().is_empty());
    }
}

#[test]
fn a_file_without_authorities_is_named_at_the_start() {
    let certificates = Certificates::make();
    let receiver = Receiver::start(204);
    for (file, word) in [(certificates.key("ca"), "no certificate"), ("/nowhere/ca.pem".into(), "cannot be read")] {
        let config = secured(&receiver, &format!("tls_ca_file = \"{}\"", file.display()));
        let refused = Server::try_start(ServerOptions::default().config(&config).env("VESTIBULE_MODE", "dev"));
        let said = refused.expect_err("it does not start").stderr;
        assert!(said.contains("tls_ca_file") && said.contains(word), "{said}");
    }
}

/// Two nodes, one delivery.
#[test]
fn one_node_delivers_for_all() {
    let (receiver, redis) = (Receiver::start(200), Redis::start());
    let options = || posting_to(&receiver, "types = [\"session.created\"]").env("REDIS_URL", &redis.url());
    let options = || options().env("VESTIBULE_SECRET", "a secret that both servers have in common 1234567890");
    let (mut one, two) = (Server::start(options()), Server::start(options()));
    wait_until_it_delivers(&two);
    for user in 0..10 {
        login(&two, &format!("user-{user}"));
    }
    receiver.wait_for("ten", |received| received.len() >= 10);
    // Whoever ends before it has noted what it delivered leaves it to the other one, who delivers it again.
    let noted = || (state(&two)["delivered"] == 10).then_some(());
    assert!(wait_for(START, noted).is_some(), "what was delivered is not noted");
    assert!(one.terminate().success());
    login(&two, "after");
    let received = receiver.wait_for("the one after", |received| received.len() >= 11);
    assert_eq!(received.len(), 11, "each once");
}

fn browser(server: &Server, request: Request) -> Request {
    request.header("Origin", &server.public).header("Sec-Fetch-Site", "same-origin")
}

/// The id of the session behind a cookie, the cookie and the CSRF token.
fn log_in(server: &Server, password: &str) -> (String, String, String) {
    let login = post("/auth/login").json(&json!({"email": "eve@example.com", "password": password}));
    let answer = browser(server, login).send(&server.public).expect(200);
    let body = answer.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let cookie = answer.cookie("vestibule_dev").expect("a cookie").to_owned();
    (text(&body["session"]["id"]), cookie, text(&body["csrf_token"]))
}

// S60, S91
#[test]
fn every_end_of_a_session_is_told_exactly_once() {
    let receiver = Receiver::start(200);
    let types = "types = [\"session.ended\", \"session.expired\"]";
    let options =
        posting_to(&receiver, types).env("VESTIBULE_SESSIONS__CAP", "2").env("VESTIBULE_SESSIONS__HANDOFF_REUSE", "revoke");
    let server = Server::start(options);
    wait_until_it_delivers(&server);
    let mut ended: BTreeMap<String, &str> = BTreeMap::new();
    let mut secrets = Vec::new();
    let mut start = |body: Value| {
        let created = create(&server, &body);
        secrets.push(created["token"].as_str().expect("a token").to_owned());
        secrets.push(created["csrf_token"].as_str().expect("a CSRF token").to_owned());
        created["session"]["id"].as_str().expect("an id").to_owned()
    };
    let manage = |request: Request, status: u16| request.bearer(&server.key).send(&server.management).expect(status);

    let id = start(json!({"user_id": "ada"}));
    manage(delete(&format!("/v1/sessions/{id}")), 204);
    ended.insert(id, "admin");
    let id = start(json!({"user_id": "bob"}));
    start(json!({"user_id": "bob"}));
    start(json!({"user_id": "bob"}));
    ended.insert(id, "eviction");
    let id = start(json!({"user_id": "cyd"}));
    manage(post("/v1/sessions/revoke").json(&json!({"filter": {"user_id": "cyd"}})), 200);
    ended.insert(id, "filter");
    let id = start(json!({"user_id": "dan"}));
    manage(post("/v1/users/dan/disable").json(&json!({})), 200);
    ended.insert(id, "disabled");
    ended.insert(start(json!({"user_id": "fay", "lifetime": "1s"})), "expiry");
    let parent = start(json!({"user_id": "gus"}));
    let code = manage(post(&format!("/v1/sessions/{parent}/handoff")).json(&json!({})), 201).json()["code"].clone();
    let redeemed = manage(post("/v1/sessions/redeem").json(&json!({"code": code})), 201).json();
    manage(post("/v1/sessions/redeem").json(&json!({"code": code})), 400);
    ended.insert(redeemed["session"]["id"].as_str().expect("an id").to_owned(), "hand-off reused");

    let passwords = ["nine purple lanterns over the quiet harbour", "seven copper kettles under the loud railway"];
    let register = post("/auth/register").json(&json!({"email": "eve@example.com", "password": passwords[0]}));
    browser(&server, register).send(&server.public).expect(201);
    let (other, _, _) = log_in(&server, passwords[0]);
    let (_, cookie, csrf) = log_in(&server, passwords[0]);
    let change = post("/auth/password").json(&json!({"current_password": passwords[0], "new_password": passwords[1]}));
    let change = browser(&server, change).cookie("vestibule_dev", &cookie).header("X-CSRF-Token", &csrf);
    change.send(&server.public).expect(200);
    ended.insert(other, "password change");
    let (id, cookie, csrf) = log_in(&server, passwords[1]);
    let logout = browser(&server, post("/auth/logout")).cookie("vestibule_dev", &cookie).header("X-CSRF-Token", &csrf);
    logout.send(&server.public).expect(204);
    ended.insert(id, "logout");
    secrets.extend([cookie, csrf]);
    secrets.extend(passwords.map(str::to_owned));

    let of = |received: &[super::receiver::Received], id: &str| {
        received.iter().filter(|delivery| delivery.event()["session_id"] == *id).count()
    };
    receiver.wait_for("every end", |received| ended.keys().all(|id| of(received, id) >= 1));
    let last = login(&server, "zoe");
    end_all(&server, "zoe");
    let received = receiver.wait_for("the last end", |received| of(received, &last) == 1);
    for (id, path) in &ended {
        assert_eq!(of(&received, id), 1, "{path}: {:#?}", received);
    }
    for secret in &secrets {
        assert!(received.iter().all(|delivery| !delivery.body.contains(secret.as_str())), "a secret is told");
        assert!(!server.stderr().contains(secret.as_str()), "a secret is logged");
    }
}

/// A flood is told once for each key, however large it is.
#[test]
fn a_flood_of_denials_is_one_delivery() {
    let receiver = Receiver::start(200);
    let rules = "[[limits.rules]]\nname = \"small\"\nlevel = \"custom\"\nrate = \"1/1h\"\n";
    let config = configured(&receiver, "types = [\"limit.denied\"]") + rules;
    let server = Server::start(ServerOptions::default().config(&config).env("VESTIBULE_MODE", "dev"));
    wait_until_it_delivers(&server);
    for key in ["one", "two"] {
        for _ in 0..50 {
            let body = json!({"checks": [{"rule": "small", "key": key}]});
            let _ = post("/v1/limits/check").json(&body).bearer(&server.key).send(&server.management).expect(200);
        }
    }
    let received = receiver.wait_for("both keys", |received| received.len() >= 2);
    assert!(received.iter().all(|delivery| delivery.event()["reason"] == "small"), "{received:?}");
    let noted = wait_for(START, || Some(state(&server)).filter(|state| state["delivered"] == 2));
    assert!(noted.is_some(), "98 denials are two deliveries: {}", state(&server));
}
