//! [`Announcement`]: signals whose reason is being decided.

use super::{Bus, Signal};

/// Signals that go out if their step succeeds. Whoever is dropped half way, or does not know how it ended, puts everybody in
/// doubt: better that than an end which nobody hears of.
#[must_use = "a dropped announcement raises doubt everywhere"]
pub struct Announcement<'a> {
    bus: Option<&'a dyn Bus>,
    signals: Vec<Signal>,
}

impl<'a> Announcement<'a> {
    /// Prepares to tell, if there is anything to tell and anybody who could hear it.
    pub fn new(bus: Option<&'a dyn Bus>, signals: Vec<Signal>) -> Self {
        Self { bus, signals }
    }

    /// The step succeeded.
    pub fn publish(mut self) {
        for signal in std::mem::take(&mut self.signals) {
            if let Some(bus) = self.bus {
                bus.publish(signal);
            }
        }
    }

    /// The step did not happen.
    pub fn withdraw(mut self) {
        self.signals.clear();
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if let Some(bus) = self.bus
            && !self.signals.is_empty()
        {
            bus.admit_loss();
        }
    }
}
