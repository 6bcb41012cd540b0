//! [`Announcement`]: a signal whose reason is being decided.

use super::{Bus, Signal};

/// A signal that goes out if its step succeeds. Whoever is dropped half way, or does not know how it ended, puts everybody in
/// doubt: better that than an end which nobody hears of.
#[must_use = "a dropped announcement raises doubt everywhere"]
pub struct Announcement<'a> {
    bus: Option<&'a dyn Bus>,
    signal: Option<Signal>,
}

impl<'a> Announcement<'a> {
    /// Prepares to tell, if there is anything to tell and anybody who could hear it.
    pub fn new(bus: Option<&'a dyn Bus>, signal: Option<Signal>) -> Self {
        Self { bus, signal }
    }

    /// The step succeeded.
    pub fn publish(mut self) {
        if let (Some(bus), Some(signal)) = (self.bus, self.signal.take()) {
            bus.publish(signal);
        }
    }

    /// The step did not happen.
    pub fn withdraw(mut self) {
        self.signal = None;
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if let (Some(bus), Some(_)) = (self.bus, &self.signal) {
            bus.admit_loss();
        }
    }
}
