//! A relay in front of a server that does to its connections what networks do.

use super::resp::Commands;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    thread::JoinHandle,
    time::Duration,
};

/// Bytes that are relayed at a time; what arrives together within this length is one chunk.
const CHUNK: usize = 64 * 1024;

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
}

/// What happens to what is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relay {
    /// It goes on.
    Pass,
    /// Each chunk, in both directions, goes on after this time.
    Delay(Duration),
    /// Chunks of one direction are swallowed.
    Drop(Towards),
    /// Nothing goes on in either direction and nothing is closed, as behind a router that died. A new connection is taken and
    /// hears nothing. Whatever was held back goes on with the next setting.
    HalfOpen,
    /// Answers end after so many bytes of a chunk, and with them their connection.
    CutReply(usize),
    /// Each chunk towards the client arrives twice.
    Duplicate,
    /// Connections are taken and closed at once; those that are there end with the next chunk.
    Refuse,
}

/// What has passed since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that were taken.
    pub connections: u64,
    /// Bytes that clients sent.
    pub to_server: u64,
    /// Bytes that the server sent.
    pub to_client: u64,
    /// Chunks that clients sent: of a client that waits for its answer, round trips.
    pub chunks_to_server: u64,
    /// Redis commands that clients sent, by name in capitals. Commands inside scripts are not seen here.
    pub commands: BTreeMap<String, u64>,
    /// Round trips, by the names of the commands that one connection sent before it heard anything, in order and with spaces between.
    pub together: BTreeMap<String, u64>,
}

impl Traffic {
    /// Commands of this name.
    #[must_use]
    pub fn command(&self, name: &str) -> u64 {
        self.commands.get(name).copied().unwrap_or_default()
    }
}

/// A relay on a free port of the loopback. It passes everything on until it is told otherwise, and ends with its connections
/// when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    setting: Mutex<Setting>,
    changed: Condvar,
    traffic: Mutex<Traffic>,
    open: Mutex<Vec<Weak<Pair>>>,
}

#[derive(Debug)]
struct Setting {
    relay: Relay,
    /// Whether the next chunk that meets it ends it.
    once: bool,
    closed: bool,
}

/// Both ends of a relayed connection.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// Names of commands that were sent since something was answered.
    unanswered: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Listens in front of a server at this port of the loopback, which need not be there yet.
    ///
    /// # Panics
    /// Where the loopback has no free port.
    #[must_use]
    pub fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            target: (Ipv4Addr::LOCALHOST, port).into(),
            setting: Mutex::new(Setting { relay: Relay::Pass, once: false, closed: false }),
            changed: Condvar::new(),
            traffic: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        let acceptor = std::thread::spawn(move || accept(&listener, &accepting));
        Self { port: own, shared, acceptor: Some(acceptor) }
    }

    /// Its own port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Does this to everything from now on.
    pub fn set(&self, relay: Relay) {
        self.shared.set(relay, false);
    }

    /// Does this to the next chunk that it concerns, and passes on what follows. Silence has no next chunk: see [`Self::set`].
    pub fn once(&self, relay: Relay) {
        self.shared.set(relay, true);
    }

    /// Closes all connections now. New ones are treated as is set.
    pub fn cut(&self) {
        for pair in lock(&self.shared.open).drain(..) {
            if let Some(pair) = pair.upgrade() {
                pair.close();
            }
        }
    }

    /// What has passed since the start.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        lock(&self.shared.traffic).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        lock(&self.shared.setting).closed = true;
        self.shared.changed.notify_all();
        self.cut();
        // The acceptor sees that it is over with the next connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        if lock(&shared.setting).closed {
            return;
        }
        lock(&shared.traffic).connections += 1;
        let shared = shared.clone();
        std::thread::spawn(move || shared.serve(client));
    }
}

impl Shared {
    fn set(&self, relay: Relay, once: bool) {
        let mut setting = lock(&self.setting);
        (setting.relay, setting.once) = (relay, once);
        self.changed.notify_all();
    }

    /// What to do with a chunk in this direction, once that is anything. `None` where all is over.
    fn relay(&self, towards: Towards) -> Option<Relay> {
        let setting = lock(&self.setting);
        let wait = |setting: &mut Setting| setting.relay == Relay::HalfOpen && !setting.closed;
        let mut setting = self.changed.wait_while(setting, wait).unwrap_or_else(PoisonError::into_inner);
        if setting.closed {
            return None;
        }
        let concerned = match setting.relay {
            Relay::Drop(direction) => direction == towards,
            Relay::CutReply(_) | Relay::Duplicate => towards == Towards::Client,
            Relay::Pass | Relay::Delay(_) | Relay::HalfOpen | Relay::Refuse => true,
        };
        let relay = if concerned { setting.relay } else { Relay::Pass };
        if concerned && setting.once {
            (setting.relay, setting.once) = (Relay::Pass, false);
        }
        Some(relay)
    }

    /// Relays one connection until either side ends it.
    fn serve(self: Arc<Self>, client: TcpStream) {
        // Not a chunk, so it does not use up what is set for the next one.
        let setting = lock(&self.setting);
        let wait = |setting: &mut Setting| setting.relay == Relay::HalfOpen && !setting.closed;
        let setting = self.changed.wait_while(setting, wait).unwrap_or_else(PoisonError::into_inner);
        if setting.closed || setting.relay == Relay::Refuse {
            return;
        }
        drop(setting);
        let Ok(server) = TcpStream::connect(self.target) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let pair = Arc::new(Pair { client, server, unanswered: Mutex::default() });
        {
            let mut open = lock(&self.open);
            open.retain(|pair| pair.strong_count() > 0);
            open.push(Arc::downgrade(&pair));
        }
        let (shared, other) = (self.clone(), pair.clone());
        let back = std::thread::spawn(move || shared.pump(&other, Towards::Client));
        self.pump(&pair, Towards::Server);
        let _ = back.join();
    }

    fn pump(&self, pair: &Pair, towards: Towards) {
        let (mut from, to) = match towards {
            Towards::Server => (&pair.client, &pair.server),
            Towards::Client => (&pair.server, &pair.client),
        };
        let (mut chunk, mut commands) = (vec![0; CHUNK], Commands::default());
        loop {
            let length = from.read(&mut chunk).unwrap_or(0);
            let Some(relay) = self.relay(towards) else { return pair.close() };
            if length == 0 {
                // The other direction may still have something to say.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            if towards == Towards::Server {
                self.count_sent(pair, &chunk[..length], &mut commands);
            }
            if let Relay::Delay(time) = relay {
                std::thread::sleep(time);
            }
            // An answer that is held back was not heard yet.
            if towards == Towards::Client {
                self.count_answered(pair, length);
            }
            if !pass(relay, &chunk[..length], to) {
                return pair.close();
            }
        }
    }

    fn count_sent(&self, pair: &Pair, chunk: &[u8], commands: &mut Commands) {
        let names = commands.read(chunk);
        let mut traffic = lock(&self.traffic);
        traffic.to_server += chunk.len() as u64;
        traffic.chunks_to_server += 1;
        for name in &names {
            *traffic.commands.entry(name.clone()).or_default() += 1;
        }
        lock(&pair.unanswered).extend(names);
    }

    fn count_answered(&self, pair: &Pair, length: usize) {
        let mut traffic = lock(&self.traffic);
        traffic.to_client += length as u64;
        let names = std::mem::take(&mut *lock(&pair.unanswered));
        if !names.is_empty() {
            *traffic.together.entry(names.join(" ")).or_default() += 1;
        }
    }
}

/// Treats a chunk as told; false ends its connection.
fn pass(relay: Relay, chunk: &[u8], mut to: &TcpStream) -> bool {
    match relay {
        Relay::Pass | Relay::HalfOpen | Relay::Delay(_) => to.write_all(chunk).is_ok(),
        Relay::Drop(_) => true,
        Relay::CutReply(length) => {
            let _ = to.write_all(&chunk[..length.min(chunk.len())]);
            false
        }
        Relay::Duplicate => to.write_all(chunk).is_ok() && to.write_all(chunk).is_ok(),
        Relay::Refuse => false,
    }
}

impl Pair {
    fn close(&self) {
        let _ = (self.client.shutdown(Shutdown::Both), self.server.shutdown(Shutdown::Both));
    }
}
