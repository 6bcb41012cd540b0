//! The bus: what every node must hear soon, although no store needs it to be right.
//!
//! A [`Signal`] says that something happened. Who acts on it (a socket that closes, a cache that drops an entry) hears
//! [`News`]: the signals, and a [`Doubt`] wherever some may have been missed. Nothing is lost in silence: whoever holds
//! something on the word of the bus distrusts all of it at a doubt and asks the store again.
//!
//! What is promised, for signals that any node published:
//! * At most once. A subscription that was there when it was published hears the signal, or a doubt in its place.
//! * Once it is done: whoever hears of an end and asks the store finds it there.
//! * In the order of their publisher; nothing is said of the order of two publishers. Under a record some signals come by way
//!   of its change log, and then later than those that the bus carried.
//! * Within milliseconds where all is well. The doubt comes within [`bounds::BUS_SILENCE`] and a tenth of a second, whatever
//!   happened to the network, the server in between, or the publisher.
//! * Publishing costs the caller no waiting, and every queue is bounded.
//!
//! ```
//! use vestibule_core::bus::{Bus, News, SessionsEnded, Signal};
//!
//! async fn watch(bus: &dyn Bus, close: impl Fn(SessionsEnded), check_all: impl Fn()) {
//!     let mut news = bus.subscribe();
//!     while let Some(news) = news.next().await {
//!         match news {
//!             News::Signal(Signal::SessionsEnded(ended)) => close(ended),
//!             // Kinds that this application does not act on.
//!             News::Signal(_) => {}
//!             News::Doubt(_) => check_all(),
//!         }
//!     }
//! }
//! ```
//!
//! Deliberately absent: a transport. [`LocalBus`] serves one process; the crates of shared stores carry signals further, in
//! the form of [`message`], and judge by [`Roll`] what they missed.

mod announcement;
mod local;
pub mod message;
mod outbox;
mod roll;
mod signal;

pub use announcement::Announcement;
pub use local::{LocalBus, Repeats, Subscription};
pub use outbox::Outbox;
pub use roll::{Heard, Roll};
pub use signal::{LimitReset, SessionsEnded, Signal, Which};

#[cfg(doc)]
use crate::bounds;
use crate::bounds::BUS_SILENCE;
use std::{sync::Weak, time::Duration};

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Something happened.
    Signal(Signal),
    /// Signals may have been missed: distrust what you hold.
    Doubt(Doubt),
}

/// Why signals may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// A publisher is further on than was heard.
    Gap,
    /// A publisher is heard for the first time, and it had said something before.
    Newcomer,
    /// A publisher fell silent without a good-bye: it may have died before it told what it did.
    Silence,
    /// Nothing comes back from the server, not even what this node says.
    Cut,
    /// The server is there, for the first time or again.
    Connected,
    /// Another start of the server answers, or another server.
    Restarted,
    /// This subscription did not keep up.
    Overflow,
    /// A change of this node may have happened, but it is not known whether it did.
    Undecided,
    /// A message could not be read.
    Garbled,
}

impl Doubt {
    /// The stable word for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Newcomer => "newcomer",
            Self::Silence => "silence",
            Self::Cut => "cut",
            Self::Connected => "connected",
            Self::Restarted => "restarted",
            Self::Overflow => "overflow",
            Self::Undecided => "undecided",
            Self::Garbled => "garbled",
        }
    }
}

/// Somebody who must know of a signal before whoever caused it is answered.
pub trait Listener: Send + Sync {
    /// Hears a signal. Must be quick, and must not use the bus.
    fn hear(&self, signal: &Signal);
}

/// Carries signals between the nodes of a deployment.
pub trait Bus: std::fmt::Debug + Send + Sync {
    /// Tells every node. This process hears it at once, the others as soon as it gets there. Waits for nothing.
    fn publish(&self, signal: Signal);

    /// Tells this process alone what was learnt in another way, for instance from the change log of a record.
    fn relay(&self, signal: Signal);

    /// Puts every node in doubt: something may have happened here that nobody can tell.
    fn admit_loss(&self);

    /// Hears what is told from now on.
    fn subscribe(&self) -> Subscription;

    /// Lets a listener hear each signal in the step that tells it in this process: before the one who published it goes on, and so
    /// before the caller is answered. For as long as the listener lives.
    fn attach(&self, listener: Weak<dyn Listener>);

    /// How long ago this process last heard what it says itself; nothing where nothing can come in between. Read from memory, and
    /// no matter whether the task that listens still runs.
    fn silence(&self) -> Duration;

    /// Whether this process heard itself within [`BUS_SILENCE`].
    fn is_connected(&self) -> bool {
        self.silence() < BUS_SILENCE
    }

    /// How many nodes speak on it, this one among them; while it is cut off, as many as were there before.
    fn nodes(&self) -> usize;

    /// Takes leave, so that the other nodes do not take the silence for a death. Nothing may be published afterwards.
    fn close(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
