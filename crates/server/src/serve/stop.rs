//! How the server is told to stop, and in which order it does.

use std::io;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How far the server is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Not at all.
    Serving,
    /// It is not ready any more, and each connection ends after the request under way.
    Draining,
    /// It accepts no connection any more.
    Closing,
}

/// Makes the switch and what is told by it.
pub(super) fn switch() -> (watch::Sender<Phase>, Stop) {
    let (switch, told) = watch::channel(Phase::Serving);
    (switch, Stop(told))
}

/// What the parts of the server are told.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// How far it is.
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits until it is as far as this. Cancel safe.
    pub(crate) async fn reached(&mut self, phase: Phase) {
        // The sender lives until the server ends; its loss means the same as its word.
        let _ = self.0.wait_for(|now| *now >= phase).await;
    }
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both from the operating system, from now on.
    ///
    /// # Errors
    /// Where the operating system does not give them.
    pub(super) fn take() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGHUP, where it means something.
pub(super) struct Hangups(Option<Signal>);

impl Hangups {
    /// Takes it from the operating system, from now on, where it is wanted.
    ///
    /// # Errors
    /// Where the operating system does not give it.
    pub(super) fn take(wanted: bool) -> io::Result<Self> {
        Ok(Self(if wanted { Some(signal(SignalKind::hangup())?) } else { None }))
    }

    /// Waits for the next one, for ever where it is not wanted. Cancel safe.
    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some(hangup) => {
                hangup.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
