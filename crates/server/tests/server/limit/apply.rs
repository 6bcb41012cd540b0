//! Rules in front of the public routes.

use super::{ask, check_all, json, rule, show, with};
use vestibule_testkit::process::{Response, Server, ServerOptions, get, post};

const PASSWORD: &str = "four brown foxes jump";

fn log_in(server: &Server, password: &str) -> Response {
    let body = json!({"email": "ada@example.com", "password": password});
    post("/auth/login").json(&body).send(&server.public)
}

fn register(server: &Server) -> Response {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    post("/auth/register").json(&body).send(&server.public)
}

/// L24: a right password costs nothing, a wrong one a unit; then 429 in the standard's words, and the log tells of it once.
#[test]
fn only_failed_logins_count() {
    let server = Server::start(with(&[rule("login", "ip", "3/1h", "apply = [\"/auth/login\"]\ncount = \"failure\"")]));
    let _ = register(&server).expect(201);
    for _ in 0..5 {
        let answer = log_in(&server, PASSWORD).expect(200);
        assert!(answer.header("ratelimit").is_some_and(|field| field.starts_with("\"login\";r=3")), "{answer:?}");
    }
    assert_eq!(show(&server, "login", "127.0.0.1")["remaining"], 3);
    for left in [2, 1, 0] {
        let _ = log_in(&server, "wrong password here").expect(401);
        assert_eq!(show(&server, "login", "127.0.0.1")["remaining"], left);
    }
    for _ in 0..3 {
        let denied = log_in(&server, PASSWORD).expect(429);
        assert_eq!(denied.code(), "rate_limited");
        assert!(denied.json()["type"].as_str().is_some_and(|text| text.ends_with("#quota-exceeded")), "{denied:?}");
        assert!(denied.header("retry-after").is_some() && denied.header("x-request-id").is_some(), "{denied:?}");
    }
    let noted = || ask(&server, get("/v1/events?type=limit.denied")).expect(200).json();
    let event = vestibule_testkit::process::wait_for(vestibule_testkit::bounds::START, || {
        noted()["events"].as_array().filter(|events| !events.is_empty()).map(|events| events[0].clone())
    });
    let event = event.expect("an event");
    assert_eq!((event["reason"].as_str(), event["ip"].as_str()), (Some("login"), Some("127.0.0.1")), "{event}");
}

/// L15: the address is that of the nearest who is not trusted.
#[test]
fn a_forwarded_address_counts_only_from_trusted_proxies() {
    let rules = [rule("login", "ip", "2/1h", "apply = [\"/auth/login\"]")];
    let from = |server: &Server, forwarded: &str| {
        let body = json!({"email": "ada@example.com", "password": "wrong password here"});
        post("/auth/login").json(&body).header("X-Forwarded-For", forwarded).send(&server.public).status
    };
    let trusting = Server::start(with(&rules).env("VESTIBULE_PUBLIC__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8"));
    let chain = |client: &str| format!("6.6.6.6, {client}, 10.0.0.7");
    assert_eq!([1, 2, 3].map(|_| from(&trusting, &chain("198.51.100.1"))), [401, 401, 429]);
    assert_eq!(from(&trusting, &chain("198.51.100.2")), 401, "another client");
    let nobody = Server::start(with(&rules).env("VESTIBULE_PUBLIC__TRUSTED_PROXIES", "192.0.2.1"));
    assert_eq!([1, 2, 3].map(|number| from(&nobody, &format!("198.51.100.{number}"))), [401, 401, 429], "all are the peer");
}

/// Routes of accounts are guarded from the first start, far above what people do.
#[test]
fn accounts_are_guarded_from_the_first_start() {
    let server = Server::start(ServerOptions::default());
    let answer = log_in(&server, "wrong password here").expect(401);
    assert!(answer.header("ratelimit-policy").is_some_and(|policy| policy.contains("\"login\";q=300;w=900")), "{answer:?}");
    let names: Vec<_> = ask(&server, get("/v1/limits")).expect(200).json()["rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| rule["name"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(names, ["login", "refresh", "register", "reset"]);
}

/// Each user by themselves, at our own routes and behind a proxy; whoever brings no token of ours is nobody.
#[test]
fn a_rule_of_users_guards_paths() {
    let guard = rule("mine", "user", "2/1h", "apply = [\"/auth/me\", \"/forward-auth\"]");
    let server = Server::start(with(&[guard]));
    let token = |user: &str| {
        let session = ask(&server, post("/v1/sessions").json(&json!({"user_id": user}))).expect(201).json();
        session["token"].as_str().expect("a token").to_owned()
    };
    let (ada, again, bob) = (token("ada"), token("ada"), token("bob"));
    let me = |token: &str| get("/auth/me").cookie("vestibule_dev", token).send(&server.public).status;
    assert_eq!([me(&ada), me(&again), me(&ada), me(&bob)], [200, 200, 429, 200]);
    assert_eq!([1, 2, 3].map(|_| me("vs1.garbage")), [401; 3]);
    let proxied = get("/forward-auth").header("X-Forwarded-Method", "GET").header("X-Forwarded-Proto", "https");
    let proxied = proxied.header("X-Forwarded-Host", "app.example").header("X-Forwarded-Uri", "/").bearer(&again);
    assert_eq!(proxied.send(&server.public).status, 429, "one count for both");
}

/// An address on a list is treated alike wherever it asks: at the layer, behind a proxy, and by name.
#[test]
fn networks_are_exempt_or_refused() {
    let rules = [
        rule("me", "ip", "1/1h", "apply = [\"/auth/me\"]"),
        rule("proxied", "global", "1/1h", "apply = [\"/forward-auth\"]"),
        rule("asked", "ip", "1/1h", ""),
        rule("beside", "custom", "2/1h", ""),
        rule("watched", "ip", "1/1h", "shadow = true"),
    ];
    let listing = |list: &str| {
        let lists = format!("[limits]\n{list} = [\"127.0.0.0/8\", \"192.0.2.0/24\"]\n");
        Server::start(with(&[vec![lists], rules.to_vec()].concat()))
    };
    let me = |server: &Server| get("/auth/me").send(&server.public);
    let proxied = |server: &Server| {
        let request = get("/forward-auth").header("X-Forwarded-Method", "GET").header("X-Forwarded-Proto", "https");
        request.header("X-Forwarded-Host", "app.example").header("X-Forwarded-Uri", "/").send(&server.public)
    };
    let both = json!([{"rule": "beside", "key": "k"}, {"rule": "asked", "key": "192.0.2.9"}]);

    let exempt = listing("exempt");
    assert_eq!([me(&exempt).status, me(&exempt).status], [401, 401]);
    assert_eq!([proxied(&exempt).status, proxied(&exempt).status], [401, 401], "a global rule neither");
    for left in [1, 0] {
        let answer = check_all(&exempt, &both).expect(200).json();
        assert_eq!((&answer["allowed"], &answer["limits"][0]["remaining"]), (&json!(true), &json!(left)), "{answer}");
        assert_eq!((&answer["limits"][1]["listed"], &answer["limits"][1]["remaining"]), (&json!("exempt"), &json!(1)));
    }
    let answer = check_all(&exempt, &both).expect(200).json();
    assert_eq!(
        (&answer["outcome"], &answer["limits"][1]["allowed"]),
        (&json!("denied"), &json!(true)),
        "what is counted still is"
    );

    let refused = listing("refused");
    assert_eq!(me(&refused).expect(403).code(), "address_refused");
    let rules = ask(&refused, get("/v1/limits")).expect(200).json();
    assert_eq!((&rules["refused"], &rules["exempt"]), (&json!(["127.0.0.0/8", "192.0.2.0/24"]), &json!([])));
    assert_eq!(proxied(&refused).expect(403).code(), "address_refused");
    assert_eq!(log_in(&refused, PASSWORD).expect(403).code(), "address_refused");
    let answer = check_all(&refused, &both).expect(200);
    assert_eq!(answer.header("retry-after"), None, "waiting does not help");
    let answer = answer.json();
    assert_eq!((&answer["outcome"], &answer["limits"][1]["listed"]), (&json!("denied"), &json!("refused")), "{answer}");
    assert_eq!(show(&refused, "beside", "k")["remaining"], 2, "nothing was taken");
    let watched = check_all(&refused, &json!([{"rule": "watched", "key": "192.0.2.9"}])).expect(200).json();
    assert_eq!(watched["allowed"], true, "a shadow denies nobody");
    let outside = check_all(&refused, &json!([{"rule": "asked", "key": "198.51.100.1"}])).expect(200).json();
    assert_eq!(outside["allowed"], true);
}
