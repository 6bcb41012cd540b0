//! A client of HTTP/1.1 that sends exactly what it is told and shows exactly what comes back.

use crate::bounds::{ANSWER, ANSWER_BYTES};
use serde_json::Value;
use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    net::{Shutdown, TcpStream},
};

/// A request to be sent. Headers may repeat, be wrong, or be missing: only `Host`, and `Content-Length` of a body, are added
/// where the test names none.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers as they came: in order, repeated ones apart, names in their spelling.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

/// A request without body.
#[must_use]
pub fn get(target: &str) -> Request {
    Request::new("GET", target)
}

/// A request whose body comes by [`Request::json`] or [`Request::body`].
#[must_use]
pub fn post(target: &str) -> Request {
    Request::new("POST", target)
}

/// A request that removes something.
#[must_use]
pub fn delete(target: &str) -> Request {
    Request::new("DELETE", target)
}

impl Request {
    /// A request.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Adds a header beside those of the same name.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.header_bytes(name, value.as_bytes())
    }

    /// Adds a header that need not be text.
    #[must_use]
    pub fn header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer ...`.
    #[must_use]
    pub fn bearer(self, secret: &str) -> Self {
        self.header("Authorization", &format!("Bearer {secret}"))
    }

    /// Adds a cookie.
    #[must_use]
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.header("Cookie", &format!("{name}={value}"))
    }

    /// Sets a body of JSON and its type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string().as_bytes())
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it over a connection of its own.
    ///
    /// # Panics
    /// Where no answer comes.
    #[must_use]
    pub fn send(&self, address: &str) -> Response {
        self.try_send(address).unwrap_or_else(|error| panic!("{} {} at {address}: {error}", self.method, self.target))
    }

    /// Sends it to somebody who may not be there.
    ///
    /// # Errors
    /// Where the connection fails or no whole answer comes.
    pub fn try_send(&self, address: &str) -> Result<Response> {
        Connection::open(address)?.send(&self.clone().header("Connection", "close"))
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(held, _)| held.eq_ignore_ascii_case(name))
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.has("host") {
            out.extend_from_slice(format!("Host: {host}\r\n").as_bytes());
        }
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        let wants_length = !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        if wants_length && !self.has("content-length") && !self.has("transfer-encoding") {
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}

impl Response {
    /// The first header of a name, whatever its spelling.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).into_iter().next()
    }

    /// All headers of a name.
    #[must_use]
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a cookie that is set.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let set = self.headers_named("set-cookie").into_iter();
        set.filter_map(|cookie| cookie.split(';').next()?.split_once('='))
            .find(|(held, _)| *held == name)
            .map(|(_, value)| value)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Asserts the status, and shows the answer where it is another.
    ///
    /// # Panics
    /// Where it is another.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.text());
        self
    }

    /// The stable code of a problem; empty where the body is none.
    #[must_use]
    pub fn code(&self) -> String {
        let problem: Option<Value> = serde_json::from_slice(&self.body).ok();
        problem.and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned())).unwrap_or_default()
    }
}

/// A connection that is kept for several requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    host: String,
    unread: Vec<u8>,
}

impl Connection {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn open(address: &str) -> Result<Self> {
        let host = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = TcpStream::connect(&host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self { stream, host, unread: Vec::new() })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// Where the connection breaks, the answer is not HTTP/1.1, or it is larger than [`ANSWER_BYTES`].
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        let bytes = request.bytes(&self.host);
        // A server may answer and close before it has read all of an oversized body: its answer is what counts.
        let written = self.stream.write_all(&bytes);
        match self.read(request.method == "HEAD") {
            Ok(answer) => Ok(answer),
            Err(error) => written.and(Err(error)),
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn read(&mut self, without_body: bool) -> Result<Response> {
        let head = self.read_until(b"\r\n\r\n")?;
        let (status, headers) = parse_head(&head)?;
        let mut response = Response { status, headers, body: Vec::new() };
        if without_body || matches!(status, 100..200 | 204 | 304) {
            return Ok(response);
        }
        response.body = match (response.header("transfer-encoding"), response.header("content-length")) {
            (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => self.read_chunks()?,
            (_, Some(length)) => self.read_exact(length.trim().parse().map_err(|_| malformed("content-length"))?)?,
            _ => self.read_to_end()?,
        };
        Ok(response)
    }

    fn fill(&mut self) -> Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..count]);
        if self.unread.len() > ANSWER_BYTES { Err(malformed("answer, too large")) } else { Ok(count) }
    }

    fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                let rest = self.unread.split_off(at + end.len());
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            if self.fill()? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "the answer was cut"));
            }
        }
    }

    fn read_exact(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.unread.len() < length {
            if self.fill()? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "the body was cut"));
            }
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    fn read_to_end(&mut self) -> Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.unread))
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk"))?;
            let chunk = self.read_exact(length + 2)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("malformed {what}"))
}

fn parse_head(head: &[u8]) -> Result<(u16, Vec<(String, String)>)> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| malformed("status line"))?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("header"))?;
        Ok((name.to_owned(), value.trim().to_owned()))
    };
    Ok((status, lines.map(header).collect::<Result<_>>()?))
}

/// Sends bytes as they are over a connection of their own, ends the sending side, and returns all that comes back.
///
/// # Errors
/// Where nobody listens, or the answer neither ends nor goes on in time. A reset ends an answer like any other end.
pub fn send_raw(address: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut connection = Connection::open(address)?;
    connection.stream.write_all(bytes)?;
    connection.stream.shutdown(Shutdown::Write)?;
    loop {
        match connection.fill() {
            Ok(0) => return Ok(connection.unread),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(connection.unread),
            Err(error) => return Err(error),
        }
    }
}
