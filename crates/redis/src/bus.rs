//! [`RedisBus`]: the bus between the processes that use one Redis.
//!
//! One channel. Each process numbers what it says and says every quarter of a second how far it is; what it says comes back to it, so
//! that a way that is cut in either direction shows within [`BUS_SILENCE`]. One task speaks, through the store's own connection and
//! wherever that leads after a failover; one listens on a connection of its own to the same server.

use crate::{
    bounds,
    fault::{Call, fault},
    key::bus_channel,
    link::{Link, bytes},
    start::start_in,
    supervisor::{jittered, soon},
};
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, PushInfo, PushKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use std::{
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex as Turn, Notify, mpsc},
    task::JoinSet,
    time,
};
use vestibule_core::{
    bounds::{BUS_HEARTBEAT, BUS_SILENCE},
    bus::{
        Bus, Doubt, Heard, Listener, LocalBus, Outbox, Repeats, Roll, Signal, Subscription,
        message::{Incarnation, Message},
    },
    fault::Fault,
    time::millis,
};

/// Tells all processes that use the same Redis. Publishing waits for nothing; while Redis is away what is told waits, and every
/// process is in doubt. Its tasks end with it.
pub struct RedisBus {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("is_connected", &self.is_connected()).finish_non_exhaustive()
    }
}

struct Shared {
    link: Link,
    channel: String,
    local: LocalBus,
    own: Incarnation,
    outbox: Mutex<Outbox>,
    /// Something waits in the outbox.
    wake: Notify,
    /// Whoever holds it speaks; false once leave was taken.
    speaks: Turn<bool>,
    /// This process heard itself.
    echo: Notify,
    begun: Instant,
    /// When this process last heard itself, in milliseconds since `begun`; 0 while it does not.
    heard_itself: AtomicU64,
    /// The others, as of when this process last heard itself: who is cut off hears nobody, and they live on.
    others: AtomicUsize,
}

impl RedisBus {
    /// Begins to speak and to listen. Needs a tokio runtime.
    pub(crate) fn start(link: Link, repeats: Repeats) -> Self {
        let outbox = Outbox::default();
        let shared = Arc::new(Shared {
            channel: bus_channel(link.database()),
            link,
            local: LocalBus::new(repeats),
            own: outbox.incarnation(),
            outbox: Mutex::new(outbox),
            wake: Notify::new(),
            speaks: Turn::new(true),
            echo: Notify::new(),
            begun: Instant::now(),
            heard_itself: AtomicU64::new(0),
            others: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(speak(shared.clone()));
        tasks.spawn(listen(shared.clone()));
        Self { shared, _tasks: tasks }
    }

    /// Waits until this process hears itself, so that what it tells from then on is heard or missed by all; [`BUS_SILENCE`] at most.
    pub async fn join(&self) {
        let heard = async {
            let mut echo = pin!(self.shared.echo.notified());
            // From here on an echo counts, also one that comes before the next line is reached.
            echo.as_mut().enable();
            if !self.is_connected() {
                echo.await;
            }
        };
        // Who is not there yet is waited for by nobody: the bus goes on trying.
        let _ = time::timeout(BUS_SILENCE, heard).await;
    }

    fn send(&self, signal: Option<Signal>) {
        self.shared.outbox.lock().push(signal);
        self.shared.wake.notify_one();
    }
}

impl Bus for RedisBus {
    fn publish(&self, signal: Signal) {
        self.shared.local.publish(signal.clone());
        self.send(Some(signal));
    }

    fn relay(&self, signal: Signal) {
        self.shared.local.relay(signal);
    }

    fn admit_loss(&self) {
        self.shared.local.admit_loss();
        self.send(None);
    }

    fn subscribe(&self) -> Subscription {
        self.shared.local.subscribe()
    }

    fn attach(&self, listener: Weak<dyn Listener>) {
        self.shared.local.attach(listener);
    }

    fn silence(&self) -> Duration {
        match self.shared.heard_itself.load(Ordering::Relaxed) {
            0 => Duration::MAX,
            heard => Duration::from_millis(self.shared.now_ms().saturating_sub(heard)),
        }
    }

    fn nodes(&self) -> usize {
        1 + self.shared.others.load(Ordering::Relaxed)
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.shared.take_leave())
    }
}

/// Sends what waits, and a heartbeat where nothing does, until leave is taken.
async fn speak(shared: Arc<Shared>) {
    loop {
        let speaks = shared.speaks.lock().await;
        if !*speaks {
            return;
        }
        let sent = shared.send_waiting().await;
        drop(speaks);
        let pause = heartbeat();
        match sent {
            Ok(()) => drop(time::timeout(pause, shared.wake.notified()).await),
            // What is published meanwhile does not make Redis come back sooner.
            Err(_) => time::sleep(pause).await,
        }
    }
}

/// A fifth more or less than [`BUS_HEARTBEAT`], so that processes do not fall into step.
fn heartbeat() -> Duration {
    BUS_HEARTBEAT * 4 / 5 + jittered(millis(BUS_HEARTBEAT) * 2 / 5)
}

impl Shared {
    fn now_ms(&self) -> u64 {
        // Above 0, which stands for never.
        millis(self.begun.elapsed()) + 1
    }

    async fn send_waiting(&self) -> Result<(), Fault> {
        loop {
            let message = self.outbox.lock().next_message();
            self.send(&message).await?;
            let mut outbox = self.outbox.lock();
            outbox.confirm(&message);
            if outbox.is_empty() {
                return Ok(());
            }
        }
    }

    /// A message that may or may not have arrived is sent again: listeners drop what they have heard. Neither the queue of the store's
    /// calls nor its breaker stands before it: heartbeats must go on under load, and at once when Redis is back.
    async fn send(&self, message: &Message) -> Result<(), Fault> {
        let command = redis::cmd("PUBLISH").arg(&self.channel).arg(message.encode()).take();
        time::timeout(BUS_HEARTBEAT, self.link.read(&command)).await.unwrap_or(Err(Fault::Timeout))?;
        metrics::counter!("vestibule_bus_messages_total", "direction" => "sent").increment(1);
        Ok(())
    }

    async fn take_leave(&self) {
        let mut speaks = self.speaks.lock().await;
        if !std::mem::replace(&mut *speaks, false) {
            return;
        }
        // Where it does not get through, the others notice the silence.
        if self.send_waiting().await.is_ok() {
            let message = self.outbox.lock().next_message();
            let _ = self.send(&Message { is_good_bye: true, ..message }).await;
        }
    }
}

/// A connection that hears the channel.
struct Line {
    /// Kept, because the connection ends with it.
    _connection: MultiplexedConnection,
    /// Payloads in order, `None` where the connection broke. What does not fit in leaves a gap that shows.
    inbox: mpsc::Receiver<Option<Vec<u8>>>,
    /// Which start of the server this is, where it tells.
    start: Option<u32>,
}

/// Hears the others for ever.
async fn listen(shared: Arc<Shared>) {
    let (first, last) = bounds::RECONNECT_MS;
    let (mut pause, mut start, mut roll) = (first, None, Roll::default());
    loop {
        match shared.connect().await {
            Ok(line) => {
                let is_other = line.start.is_some_and(|now| start.replace(now).is_some_and(|before| before != now));
                shared.local.doubt(if is_other { Doubt::Restarted } else { Doubt::Connected });
                if shared.hear(line, &mut roll).await {
                    pause = first;
                }
                shared.heard_itself.store(0, Ordering::Relaxed);
                shared.local.doubt(Doubt::Cut);
                tracing::warn!("the bus is cut off from Redis: every subscriber is in doubt");
            }
            Err(fault) => tracing::debug!(%fault, "the bus does not reach Redis"),
        }
        time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(last);
    }
}

impl Shared {
    async fn connect(&self) -> Result<Line, Fault> {
        let (sender, inbox) = mpsc::channel(bounds::BUS_INBOX);
        let config = AsyncConnectionConfig::new().set_push_sender(move |push| take_in(&sender, push));
        let mut connection = self.link.listener(config).await?;
        soon(connection.subscribe(&self.channel)).await.map_err(|error| fault(&error, Call::Read))?;
        let info = soon(connection.req_packed_command(redis::cmd("INFO").arg("server"))).await;
        let start = info.ok().and_then(|info| start_in(&bytes(info).ok()??));
        Ok(Line { _connection: connection, inbox, start })
    }

    /// Returns when the way is cut: whether this process ever heard itself on it.
    async fn hear(&self, mut line: Line, roll: &mut Roll) -> bool {
        let since = Instant::now();
        let (mut heard_itself, mut pushes) = (None, Vec::new());
        roll.excuse(since);
        loop {
            // Everything that has arrived comes before the question who is silent: this task may have been held up itself.
            let arrived = line.inbox.recv_many(&mut pushes, bounds::BUS_INBOX);
            let is_over = matches!(time::timeout(bounds::BUS_TICK, arrived).await, Ok(0));
            for push in pushes.drain(..) {
                let Some(payload) = push else { return heard_itself.is_some() };
                heard_itself = if self.take(&payload, roll) { Some(Instant::now()) } else { heard_itself };
            }
            if is_over || heard_itself.unwrap_or(since).elapsed() >= BUS_SILENCE {
                return heard_itself.is_some();
            }
            if let Some(doubt) = roll.call(Instant::now()) {
                self.local.doubt(doubt);
            }
        }
    }

    /// Tells this process what is new in a message; whether it came from here.
    fn take(&self, payload: &[u8], roll: &mut Roll) -> bool {
        metrics::counter!("vestibule_bus_messages_total", "direction" => "heard").increment(1);
        let Some(message) = Message::decode(payload) else {
            self.local.doubt(Doubt::Garbled);
            return false;
        };
        if message.from == self.own {
            self.heard_itself.store(self.now_ms(), Ordering::Relaxed);
            self.others.store(roll.count(), Ordering::Relaxed);
            self.echo.notify_waiters();
            return true;
        }
        let Heard { doubt, signals } = roll.hear(message, Instant::now());
        if let Some(doubt) = doubt {
            self.local.doubt(doubt);
        }
        signals.into_iter().for_each(|signal| self.local.relay(signal));
        false
    }
}

fn take_in(inbox: &mpsc::Sender<Option<Vec<u8>>>, mut push: PushInfo) -> Result<(), ()> {
    let item = match (push.kind, push.data.pop()) {
        (PushKind::Disconnection, _) => None,
        (PushKind::Message, Some(Value::BulkString(payload))) => Some(payload),
        _ => return Ok(()),
    };
    inbox.try_send(item).map_err(|_| ())
}
