//! Accounts and the routes of browsers, and the transcript of the README.

mod account;
mod cookie;
mod cors;
mod csrf;
mod input;
mod lifetime;
mod own;
mod page;
mod pool;
mod race;
mod reset;
mod rotation;
mod step_up;
mod stuffing;
mod throttle;
mod transcript;

use serde_json::{Value, json};
use vestibule_testkit::process::{Postgres, Redis, Request, Response, Server, ServerOptions, get, post};

/// The cookie in development mode, as the tests start the server.
const COOKIE: &str = "vestibule_dev";
/// The cookie of a known device.
const DEVICE: &str = "known-device";
const PASSWORD: &str = "four brown foxes jump";
const CSRF: &str = "X-CSRF-Token";

/// Runs a test on the default form, and on the scaled one: state on Redis, record in Postgres.
fn on_each_form(options: &ServerOptions, test: impl Fn(&Server)) {
    test(&Server::start(options.clone()));
    let (redis, postgres) = (Redis::start(), Postgres::shared());
    let scaled = options.clone().env("REDIS_URL", &redis.url()).env("DATABASE_URL", &postgres.database());
    test(&Server::start(scaled));
}

/// A browser with at most one session, at a server.
struct Browser<'a> {
    server: &'a Server,
    cookie: Option<String>,
    csrf_token: String,
}

impl<'a> Browser<'a> {
    fn new(server: &'a Server) -> Self {
        Self { server, cookie: None, csrf_token: String::new() }
    }

    /// One who has registered and logged in.
    fn of(server: &'a Server, email: &str) -> Self {
        let _ = register(server, email).expect(201);
        Self::logged_in(server, email)
    }

    fn logged_in(server: &'a Server, email: &str) -> Self {
        let mut browser = Self::new(server);
        let _ = browser.log_in(email, PASSWORD).expect(200);
        browser
    }

    /// The cookie alone, without the CSRF token.
    fn bare(&self, request: Request) -> Request {
        match &self.cookie {
            Some(cookie) => request.cookie(COOKIE, cookie),
            None => request,
        }
    }

    /// Sends a request with cookie and CSRF token, and keeps what the answer sets.
    fn send(&mut self, request: Request) -> Response {
        let request = self.bare(request).header(CSRF, &self.csrf_token);
        let answer = request.send(&self.server.public);
        match answer.cookie(COOKIE) {
            Some("") => self.cookie = None,
            Some(value) => self.cookie = Some(value.to_owned()),
            None => {}
        }
        if let Ok(body) = serde_json::from_slice::<Value>(&answer.body)
            && let Some(token) = body["csrf_token"].as_str()
        {
            self.csrf_token = token.to_owned();
        }
        answer
    }

    fn log_in(&mut self, email: &str, password: &str) -> Response {
        self.send(post("/auth/login").json(&json!({"email": email, "password": password})))
    }

    fn me(&mut self) -> Response {
        self.send(get("/auth/me"))
    }

    fn session_id(&mut self) -> String {
        self.me().expect(200).json()["session"]["id"].as_str().expect("an id").to_owned()
    }

    fn token(&self) -> &str {
        self.cookie.as_deref().expect("it is logged in")
    }
}

fn register(server: &Server, email: &str) -> Response {
    post("/auth/register").json(&json!({"email": email, "password": PASSWORD})).send(&server.public)
}

/// A request of the backend.
fn manage(server: &Server, request: Request) -> Response {
    request.bearer(&server.key).send(&server.management)
}

fn create(server: &Server, body: &Value) -> Value {
    manage(server, post("/v1/sessions").json(body)).expect(201).json()
}

fn validate(server: &Server, body: &Value) -> Response {
    manage(server, post("/v1/sessions/validate").json(body))
}

fn is_valid(server: &Server, token: &str) -> bool {
    validate(server, &json!({"token": token})).status == 200
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}"))
}

/// Types and reasons of a user's events, newest first.
fn events(server: &Server, user: &str) -> Vec<(String, String)> {
    let body = manage(server, get(&format!("/v1/users/{user}/events?limit=1000"))).expect(200).json();
    let events = body["events"].as_array().expect("a list").iter();
    events.map(|event| (text(event, "type").to_owned(), event["reason"].as_str().unwrap_or_default().to_owned())).collect()
}
