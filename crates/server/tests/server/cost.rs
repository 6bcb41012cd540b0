//! What requests cost Redis under a record, counted on the wire: there nothing else is asked for sessions in the background.

use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use vestibule_testkit::process::{FaultProxy, Postgres, Redis, Relay, Request, Response, Server, ServerOptions, get, post};

/// What links send on their own account: looks at the server, and the bus.
const BACKGROUND: [&str; 14] = [
    "PING",
    "INFO",
    "HELLO",
    "CLIENT",
    "AUTH",
    "SELECT",
    "SCRIPT",
    "CONFIG",
    "ROLE",
    "TIME",
    "PUBLISH",
    "SUBSCRIBE",
    "SPUBLISH",
    "SSUBSCRIBE",
];
const VALIDATIONS: u64 = 50;
const HELD_BACK: Duration = Duration::from_millis(10);

/// A server whose commands to Redis are counted.
struct Counted {
    server: Server,
    proxy: FaultProxy,
    _redis: Redis,
    _postgres: Arc<Postgres>,
}

impl Counted {
    fn start() -> Self {
        Self::start_with(ServerOptions::default())
    }

    fn start_with(options: ServerOptions) -> Self {
        let (redis, postgres) = (Redis::start(), Postgres::shared());
        let proxy = FaultProxy::start(redis.port());
        let options = options.env("REDIS_URL", &format!("redis://127.0.0.1:{}", proxy.port()));
        let server = Server::start(options.env("DATABASE_URL", &postgres.database()));
        Self { server, proxy, _redis: redis, _postgres: postgres }
    }

    fn ask(&self, request: Request) -> Response {
        request.bearer(&self.server.key).send(&self.server.management)
    }

    /// Commands that the work causes, but for those in the background.
    fn commands(&self, work: impl FnOnce()) -> BTreeMap<String, u64> {
        let before = self.proxy.traffic();
        work();
        let mut caused = self.proxy.traffic().commands;
        caused.retain(|name, count| {
            *count -= before.command(name);
            *count > 0 && !BACKGROUND.contains(&name.as_str())
        });
        caused
    }

    fn create(&self, user: &str) -> Value {
        self.ask(post("/v1/sessions").json(&json!({"user_id": user}))).expect(201).json()
    }
}

/// S24: whoever is nobody, and whoever brings garbage, is sent away without a word to Redis.
#[test]
fn strangers_cost_redis_nothing() {
    let counted = Counted::start();
    let Server { public, management, key, .. } = &counted.server;
    let mut garbage = counted.create("ada")["token"].as_str().expect("a token").to_owned();
    garbage.replace_range(10..14, "AAAA");
    let validate = |token: &str| post("/v1/sessions/validate").json(&json!({"token": token}));
    let strangers = || {
        for token in ["", "x", "vs_", &garbage, &"A".repeat(2_000)] {
            let status = counted.ask(validate(token)).status;
            assert!(matches!(status, 401 | 422), "{token}: {status}");
        }
        for (name, value) in [("X-None", "x"), ("Cookie", &*format!("vestibule_dev={garbage}"))] {
            let asked = get("/forward-auth").header(name, value).header("X-Forwarded-Method", "GET");
            let asked =
                asked.header("X-Forwarded-Proto", "http").header("X-Forwarded-Host", "a").header("X-Forwarded-Uri", "/");
            let _ = asked.send(public).expect(401);
            let _ = get("/auth/me").header(name, value).send(public).expect(401);
            let _ = get("/auth/sessions").header(name, value).send(public).expect(401);
        }
        for request in [get("/v1/stats"), post("/v1/sessions").json(&json!({"user_id": "ada"}))] {
            let _ = request.send(management).expect(401);
            let _ = request.bearer(&format!("{key}x")).send(management).expect(401);
        }
        let _ = get("/nowhere").send(public).expect(404);
        let _ = get("/readyz").send(public).expect(200);
    };
    assert_eq!(counted.commands(strangers), BTreeMap::new());
}

#[test]
fn the_usual_validate_is_one_command_in_one_trip() {
    let counted = Counted::start();
    let token = counted.create("ada")["token"].clone();
    let validate = || {
        for _ in 0..VALIDATIONS {
            let _ = counted.ask(post("/v1/sessions/validate").json(&json!({"token": token}))).expect(200);
        }
    };
    let mut caused = counted.commands(validate);
    // Whoever follows the record may look just then at the one session that was created.
    assert!(caused.remove("GET").is_none_or(|looks| looks == 1));
    assert_eq!(caused, BTreeMap::from([("GETRANGE".to_owned(), VALIDATIONS)]));
}

/// A proxy's question about session and limits, of all levels, leaves together: one trip. What is known to be denied costs none.
#[test]
fn session_and_limits_are_one_trip() {
    let rule = |name: &str, level: &str, rate: &str| {
        format!("[[limits.rules]]\nname = \"{name}\"\nlevel = \"{level}\"\nrate = \"{rate}\"\n")
    };
    let levels = ["ip", "user", "endpoint", "global"].map(|level| rule(&format!("by-{level}"), level, "1000/1h"));
    let file = format!("mode = \"dev\"\n{}{}", levels.concat(), rule("few", "user", "1/1h"));
    let counted = Counted::start_with(ServerOptions::default().config(&file).env("VESTIBULE_STORE__TIMEOUT", "5s"));
    let token = counted.create("ada")["token"].as_str().expect("a token").to_owned();
    let asked = |demands: &str| {
        let asked = get(&format!("/forward-auth?{demands}")).bearer(&token).header("X-Forwarded-Method", "GET");
        let asked = asked.header("X-Forwarded-Proto", "http").header("X-Forwarded-Host", "a").header("X-Forwarded-Uri", "/");
        asked.send(&counted.server.public)
    };
    let trips = || {
        let together = counted.proxy.traffic().together.into_iter();
        let both = together.filter(|(names, _)| names.contains("EVALSHA") && names.contains("GETRANGE"));
        both.map(|(_, count)| count).sum::<u64>()
    };
    // But for the look of whoever follows the record at the one session that was created.
    let commands = |work: &dyn Fn()| {
        let mut caused = counted.commands(work);
        caused.remove("GET");
        caused
    };
    let before = trips();
    let passing = || {
        // Answers are held back for longer than a busy machine takes between two commands.
        counted.proxy.set(Relay::Delay(HELD_BACK));
        for _ in 0..VALIDATIONS {
            let _ = asked("limit=by-ip&limit=by-user&limit=by-endpoint&limit=by-global").expect(200);
        }
    };
    assert_eq!(commands(&passing), BTreeMap::from([("EVALSHA".to_owned(), VALIDATIONS), ("GETRANGE".to_owned(), VALIDATIONS)]));
    assert_eq!(trips() - before, VALIDATIONS, "both are sent before either is answered");
    counted.proxy.set(Relay::Pass);
    let _ = asked("limit=few").expect(200);
    let _ = asked("limit=few").expect(429);
    let flood = || (0..VALIDATIONS).for_each(|_| drop(asked("limit=few").expect(429)));
    assert_eq!(commands(&flood), BTreeMap::new(), "a denied key costs nothing");
}

/// Every route of the API document, with a body that fits and one that does not.
#[test]
fn no_request_walks_the_keys() {
    let counted = Counted::start();
    let document = counted.ask(get("/openapi.json")).expect(200).json();
    let mut asked = 0;
    let everything = || {
        // An event stream goes on for as long as somebody reads it.
        let paths = document["paths"].as_object().expect("paths").iter().filter(|(path, _)| !path.ends_with("/stream"));
        for (path, methods) in paths {
            for method in methods.as_object().expect("methods").keys().filter(|name| name.len() <= 6) {
                // A user each: some are disabled or deleted on the way.
                let user = format!("user-{asked}");
                let session = counted.create(&user);
                let id = session["session"]["id"].as_str().expect("an id");
                let target = path.replace("{component}", "store");
                let target =
                    if path.contains("/sessions/{") { target.replace("{id}", id) } else { target.replace("{id}", &user) };
                let request = Request::new(&method.to_ascii_uppercase(), &target);
                for body in [json!({}), fitting(path, &user, &session)] {
                    let request = if method == "get" { request.clone() } else { request.clone().json(&body) };
                    let status = counted.ask(request).status;
                    assert!(status < 500 || status == 501, "{method} {target}: {status}");
                    asked += 1;
                }
            }
        }
    };
    let caused = counted.commands(everything);
    assert!(asked > 60, "{asked} requests");
    assert!(caused.contains_key("EVALSHA") && caused.contains_key("GET"), "{caused:?}");
    for walk in ["KEYS", "SCAN", "SSCAN", "HSCAN", "ZSCAN"] {
        assert!(!caused.contains_key(walk), "{caused:?}");
    }
}

/// A body with which a route does its work.
fn fitting(path: &str, user: &str, session: &Value) -> Value {
    match path.rsplit('/').next() {
        Some("validate") => json!({"token": session["token"]}),
        Some("sessions") => json!({"user_id": user}),
        Some("revoke") => json!({"filter": {"user_id": user}}),
        Some("share") => json!({"scope": ["read"], "ttl": "5m"}),
        Some("step-up") => json!({"mfa": true}),
        Some("activity") => json!({"activity": "/basket"}),
        Some("data") => json!({"n": 1}),
        Some("redeem") => json!({"code": "vh_x"}),
        Some("keys") => json!({"name": "a", "scopes": ["sessions:read"]}),
        _ => json!({"roles": ["member"]}),
    }
}
