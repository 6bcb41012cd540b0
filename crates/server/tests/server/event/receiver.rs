//! Somebody who receives webhooks.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use vestibule_testkit::{
    bounds::START,
    process::{Certificates, wait_for},
};

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
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    /// Begins to listen.
    pub(super) fn start(status: u16) -> Self {
        Self::listen(status, None)
    }

    /// Begins to listen over TLS, with one of the certificates.
    pub(super) fn start_tls(status: u16, certificates: &Certificates, name: &str) -> Self {
        let certificate = CertificateDer::from_pem_file(certificates.certificate(name)).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(certificates.key(name)).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("they belong together");
        Self::listen(status, Some(Arc::new(config)))
    }

    fn listen(status: u16, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (status, received) = (Arc::new(AtomicU16::new(status)), Arc::default());
        let receiver = Self { port, status: status.clone(), received: Arc::clone(&received) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (status, received, tls) = (status.clone(), received.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => receive(stream, &status, &received),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a configuration that holds");
                        receive(StreamOwned::new(connection, stream), &status, &received);
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

fn receive(mut stream: impl Read + Write, status: &AtomicU16, received: &Mutex<Vec<Received>>) {
    if let Some(delivery) = read(&mut stream) {
        received.lock().expect("not poisoned").push(delivery);
        let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status.load(Ordering::SeqCst));
        let _ = stream.write_all(answer.as_bytes());
    }
}

fn read(stream: impl Read) -> Option<Received> {
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
