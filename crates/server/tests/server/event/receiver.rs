//! Somebody who receives webhooks.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
};
use vestibule_testkit::{bounds::START, process::wait_for};

/// A delivery.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// The headers, names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    /// The body as it came.
    pub(super) body: String,
}

impl Received {
    /// The event.
    pub(super) fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("an event as JSON")
    }
}

/// Answers every delivery with one status, and remembers it.
pub(super) struct Receiver {
    port: u16,
    status: Arc<AtomicU16>,
    received: Arc<std::sync::Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Begins to listen.
    pub(super) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (status, received) = (Arc::new(AtomicU16::new(status)), Arc::default());
        let receiver = Self { port, status: status.clone(), received: Arc::clone(&received) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, received) = (status.clone(), received.clone());
                std::thread::spawn(move || {
                    if let Some(delivery) = read(&stream) {
                        received.lock().expect("not poisoned").push(delivery);
                        let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status.load(Ordering::SeqCst));
                        let _ = (&stream).write_all(answer.as_bytes());
                    }
                });
            }
        });
        receiver
    }

    /// Its host and port.
    pub(super) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Answers so from now on.
    pub(super) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What came so far.
    pub(super) fn all(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// Waits until something came.
    pub(super) fn wait_for(&self, what: &str, is_there: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let there = wait_for(START, || Some(self.all()).filter(|received| is_there(received)));
        there.unwrap_or_else(|| panic!("{what} did not come: {:#?}", self.all()))
    }
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|_| line.starts_with("POST "))?;
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Received { headers, body: String::from_utf8(body).ok()? })
}
