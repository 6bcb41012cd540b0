//! A backend that creates, validates and ends sessions, and keeps account of what it was promised.

use serde_json::{Value, json};
use std::io::Result;
use vestibule_testkit::process::{Connection, Request, Response, Server, delete, post};

/// A session as its backend knows it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) user: String,
    pub(super) id: String,
    pub(super) token: String,
    pub(super) csrf: String,
}

/// A connection to the management listener, kept open.
pub(super) struct Backend {
    connection: Connection,
    key: String,
}

impl Backend {
    pub(super) fn open(address: &str, key: &str) -> Result<Self> {
        Ok(Self { connection: Connection::open(address)?, key: key.into() })
    }

    /// A backend of a server that is up.
    pub(super) fn of(server: &Server) -> Self {
        Self::open(&server.management, &server.key).expect("the server is up")
    }

    pub(super) fn send(&mut self, request: Request) -> Result<Response> {
        self.connection.send(&request.bearer(&self.key))
    }

    /// Asks for a session; the answer may be a refusal.
    pub(super) fn try_create(&mut self, user: &str) -> Result<Response> {
        self.send(post("/v1/sessions").json(&json!({"user_id": user, "data": {"of": user}})))
    }

    pub(super) fn create(&mut self, user: &str) -> Known {
        known(user, &self.try_create(user).expect("the server is up").expect(201))
    }

    pub(super) fn try_end(&mut self, id: &str) -> Result<Response> {
        self.send(delete(&format!("/v1/sessions/{id}")))
    }

    pub(super) fn try_end_all(&mut self, user: &str) -> Result<Response> {
        self.send(delete(&format!("/v1/users/{user}/sessions")))
    }

    pub(super) fn validate(&mut self, token: &str) -> Response {
        self.send(post("/v1/sessions/validate").json(&json!({"token": token}))).expect("the server is up")
    }

    /// The session is there as it was promised: same id, user and payload.
    pub(super) fn assert_live(&mut self, known: &Known) {
        let session = &self.validate(&known.token).expect(200).json()["session"];
        assert_eq!((text(&session["id"]), text(&session["user_id"])), (known.id.clone(), known.user.clone()));
        assert_eq!(session["data"], json!({"of": known.user}));
    }

    pub(super) fn assert_ended(&mut self, known: &Known) {
        assert_eq!(self.validate(&known.token).expect(401).code(), "session_revoked", "{}", known.id);
    }
}

/// What a create promised.
pub(super) fn known(user: &str, created: &Response) -> Known {
    let body = created.json();
    let (id, token, csrf) = (text(&body["session"]["id"]), text(&body["token"]), text(&body["csrf_token"]));
    Known { user: user.into(), id, token, csrf }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A refusal that says: not now, come again.
pub(super) fn assert_unavailable(answer: &Response) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "store_unavailable"), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let seconds: u64 = answer.header("retry-after").expect("when to come again").parse().expect("seconds");
    assert!(seconds > 0);
}
