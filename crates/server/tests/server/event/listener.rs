//! A reader of server-sent events.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};
use vestibule_testkit::{bounds::ANSWER, process::Server};

/// Hears a stream of events.
pub(crate) struct Listener {
    lines: BufReader<TcpStream>,
}

impl Listener {
    /// Opens `/v1/events/stream` with a query, behind an event if one is named.
    pub(crate) fn open(server: &Server, query: &str, after: Option<&str>) -> Self {
        let host = server.management.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("a connection");
        stream.set_read_timeout(Some(ANSWER)).expect("a timeout");
        let resume = after.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head =
            format!("GET /v1/events/stream{query} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n{resume}\r\n", server.key);
        stream.write_all(head.as_bytes()).expect("written");
        let mut listener = Self { lines: BufReader::new(stream) };
        assert_eq!(listener.line().as_deref(), Some("HTTP/1.1 200 OK"));
        let opened = std::iter::from_fn(|| listener.line()).any(|line| line == ": following");
        assert!(opened, "the stream does not begin");
        listener
    }

    /// A line without its end; `None` where the stream has ended.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line).expect("a line in time") {
            0 => None,
            _ => Some(line.trim_end().to_owned()),
        }
    }

    /// The next event, which its `id` line names; `None` where the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut id = None;
        loop {
            let line = self.line()?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            } else if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).expect("an event as JSON");
                assert_eq!(event["id"].as_str(), id.as_deref());
                return Some(event);
            }
        }
    }

    /// The types and subjects of the next few events.
    pub(super) fn heard(&mut self, count: usize) -> Vec<(String, String)> {
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let next = |_| self.next().map(|event| (text(&event, "type"), text(&event, "subject")));
        (0..count).filter_map(next).collect()
    }

    /// Whether no event comes for some time, and the stream goes on.
    pub(super) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.lines.get_ref().set_read_timeout(Some(time)).expect("a timeout");
        let mut line = String::new();
        let is_silent = loop {
            line.clear();
            match self.lines.read_line(&mut line) {
                Err(_) => break true,
                Ok(0) => break false,
                Ok(_) if line.starts_with("data: ") => break false,
                Ok(_) => {}
            }
        };
        self.lines.get_ref().set_read_timeout(Some(ANSWER)).expect("a timeout");
        is_silent
    }
}
