//! A client of the management API.

use super::failure::Failure;
use crate::config::Environment;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};
use ureq::{Agent, config::ConfigBuilder, http, typestate::AgentScope};

/// Longest wait for an answer: longer than any the server gives itself.
const ANSWER: Duration = Duration::from_secs(30);
/// Longest wait for an answer that takes a walk over everything.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Largest answer that is read: a page of events is far below it.
const ANSWER_BYTES: u64 = 64 << 20;
/// Where the server keeps the key that it generated, seen from the folder it was started in.
const GENERATED_KEY: &str = "vestibule-data/management.key";

/// Where the server is and how it knows us. A clone has connections of its own.
pub(super) struct Client {
    agent: Agent,
    url: String,
    authorization: http::HeaderValue,
}

/// An answer that is not a problem.
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// Its body; null where there is none.
    pub(super) body: Value,
}

impl Client {
    /// A client with the key from `VESTIBULE_KEY`, the file, or the data folder of a server started here, in this order.
    ///
    /// # Errors
    /// Where there is no key, or it cannot be sent.
    pub(super) fn new(url: &str, key_file: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let key = match (environment.get("VESTIBULE_KEY").filter(|key| !key.trim().is_empty()), key_file) {
            (Some(key), _) => key.clone(),
            (None, file) => {
                let path = file.unwrap_or(Path::new(GENERATED_KEY));
                std::fs::read_to_string(path).map_err(|error| no_key(path, &error))?
            }
        };
        Self::with_key(url, &key)
    }

    /// A client with this key.
    ///
    /// # Errors
    /// Where it cannot be sent.
    pub(super) fn with_key(url: &str, key: &str) -> Result<Self, Failure> {
        let mut authorization = http::HeaderValue::try_from(format!("Bearer {}", key.trim()))
            .map_err(|_| Failure::Local { code: "key_invalid", text: "the management key has characters no key has".into() })?;
        authorization.set_sensitive(true);
        Ok(Self { agent: agent(), url: url.trim_end_matches('/').to_owned(), authorization })
    }

    /// The same server and key over connections of its own.
    pub(super) fn another(&self) -> Self {
        Self { agent: agent(), url: self.url.clone(), authorization: self.authorization.clone() }
    }

    /// The same, for what takes minutes.
    pub(super) fn patient(&self) -> Self {
        let agent = agent_config().timeout_global(Some(PATIENCE)).build().into();
        Self { agent, url: self.url.clone(), authorization: self.authorization.clone() }
    }

    /// `GET`
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        accept(self.send("GET", path, None)?)
    }

    /// `DELETE`
    pub(super) fn delete(&self, path: &str) -> Result<Value, Failure> {
        accept(self.send("DELETE", path, None)?)
    }

    /// `POST`
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        accept(self.send("POST", path, Some(body))?)
    }

    /// `PATCH`, where a revision is given only of that one.
    pub(super) fn patch(&self, path: &str, body: &Value, revision: Option<u64>) -> Result<Value, Failure> {
        accept(self.send_of("PATCH", path, Some(body), revision)?)
    }

    /// Sends a request and reads whatever is answered.
    ///
    /// # Errors
    /// Where nobody answers, or with something else than JSON.
    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.send_of(method, path, body, None)
    }

    fn send_of(&self, method: &str, path: &str, body: Option<&Value>, revision: Option<u64>) -> Result<Answer, Failure> {
        let request = http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let mut request = request.header(http::header::AUTHORIZATION, self.authorization.clone());
        if let Some(revision) = revision {
            request = request.header(http::header::IF_MATCH, format!("\"{revision}\""));
        }
        let answer = match body {
            Some(body) => {
                let request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
                self.agent.run(request.map_err(|_| self.bad_address())?)
            }
            None => self.agent.run(request.body(()).map_err(|_| self.bad_address())?),
        };
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        let bytes = bytes.map_err(|error| self.unreachable(&error))?;
        let body = match bytes.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&bytes),
        };
        let status = answer.status().as_u16();
        let body = body.map_err(|_| Failure::Problem { status, body: Value::Null })?;
        Ok(Answer { status, body })
    }

    /// Follows a stream of server-sent events, from behind the one with this id if there is one.
    ///
    /// # Errors
    /// Where nobody answers, or with a problem.
    pub(super) fn follow(&self, path: &str, after: Option<&str>) -> Result<impl BufRead + use<>, Failure> {
        let request = http::Request::builder().uri(format!("{}{path}", self.url));
        let mut request = request.header(http::header::AUTHORIZATION, self.authorization.clone());
        if let Some(id) = after {
            request = request.header("Last-Event-ID", id);
        }
        // Nobody knows when the next event comes, but a heartbeat does.
        let agent: Agent = agent_config().timeout_recv_response(Some(ANSWER)).build().into();
        let answer = agent.run(request.body(()).map_err(|_| self.bad_address())?);
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status().as_u16();
        if status == 200 {
            return Ok(BufReader::new(answer.into_body().into_reader()));
        }
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().unwrap_or_default();
        Err(Failure::Problem { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    fn bad_address(&self) -> Failure {
        Failure::usage(format!("VESTIBULE_URL is no address: {}", self.url))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Local { code: "unreachable", text: format!("no answer from {}: {error} [code unreachable]", self.url) }
    }
}

fn agent() -> Agent {
    agent_config().timeout_global(Some(ANSWER)).build().into()
}

/// No proxy of the environment: the key is for the server alone.
fn agent_config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0)
}

fn no_key(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!(
        "no management key: set VESTIBULE_KEY or VESTIBULE_KEY_FILE, or run this where the server was started ({}: {error})",
        path.display()
    );
    Failure::Local { code: "no_key", text }
}

/// The body of a success.
fn accept(answer: Answer) -> Result<Value, Failure> {
    match answer.status {
        200..300 => Ok(answer.body),
        status => Err(Failure::Problem { status, body: answer.body }),
    }
}

/// A segment of a path or a value of a query, percent-encoded but for RFC 3986's unreserved characters.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A query of the parameters that are given; empty where none is.
pub(super) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    match given.collect::<Vec<_>>().join("&") {
        none if none.is_empty() => none,
        some => format!("?{some}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_path_stays_one_segment() {
        assert_eq!(encoded("a/b?c=ä"), "a%2Fb%3Fc%3D%C3%A4");
        assert_eq!(query(&[("type", Some("a b")), ("until", None)]), "?type=a%20b");
        assert_eq!(query(&[("until", None)]), "");
    }
}
