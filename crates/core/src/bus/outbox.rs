//! [`Outbox`]: what a publisher has yet to send.

use super::{
    Signal,
    message::{Incarnation, Message},
};
use crate::{bounds, id::random};
use std::collections::VecDeque;

/// The signals of one publisher that may not have arrived yet, in order. A signal keeps its number whatever happens to it, so
/// that one which is dropped leaves a gap that others see.
#[derive(Debug)]
pub struct Outbox {
    incarnation: Incarnation,
    /// The number of the first signal that waits, or of the next one.
    first: u64,
    /// `None` stands for a loss that was admitted.
    waiting: VecDeque<Option<Signal>>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { incarnation: random(), first: 0, waiting: VecDeque::new() }
    }
}

impl Outbox {
    /// Who publishes.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Adds a signal, or a loss. Above [`bounds::BUS_QUEUE`] the oldest leaves.
    pub fn push(&mut self, signal: Option<Signal>) {
        if self.waiting.len() >= bounds::BUS_QUEUE {
            self.waiting.pop_front();
            self.first += 1;
        }
        self.waiting.push_back(signal);
    }

    /// Whether anything waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What to say now: as many signals as one message takes, or how far this publisher is. The same again until it is
    /// [`Self::confirm`]ed.
    pub fn next_message(&mut self) -> Message {
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
        let signals = self.waiting.iter().take(bounds::BUS_BATCH).take_while(|signal| signal.is_some());
        Message {
            from: self.incarnation,
            first: self.first,
            promise_ms: bounds::BUS_SILENCE.as_millis() as u16,
            is_good_bye: false,
            signals: signals.cloned().collect(),
        }
    }

    /// Forgets what was in a message that has arrived.
    pub fn confirm(&mut self, message: &Message) {
        let end = message.first + message.signals.len() as u64;
        while self.first < end && self.waiting.pop_front().is_some() {
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::{Doubt, Roll, SessionsEnded, Which},
        id::UserTag,
    };
    use std::time::Instant;

    fn signal(number: u64) -> Signal {
        Signal::SessionsEnded(SessionsEnded {
            tag: UserTag::from_bytes([0; 12]),
            revision: number,
            which: Which::All,
            reason: None,
        })
    }

    #[test]
    fn signals_wait_until_they_arrived() {
        let (mut outbox, mut roll) = (Outbox::default(), Roll::default());
        let count = bounds::BUS_BATCH as u64 + 1;
        (0..count).for_each(|number| outbox.push(Some(signal(number))));
        let mut heard = Vec::new();
        while !outbox.is_empty() {
            let message = outbox.next_message();
            assert_eq!(outbox.next_message(), message, "it is said again");
            outbox.confirm(&message);
            outbox.confirm(&message);
            heard.extend(roll.hear(message, Instant::now()).signals);
        }
        assert_eq!(heard, (0..count).map(signal).collect::<Vec<_>>());
        assert_eq!(outbox.next_message().first, count);
    }

    #[test]
    fn an_overflow_is_seen_by_others() {
        let (mut outbox, mut roll, now) = (Outbox::default(), Roll::default(), Instant::now());
        roll.hear(outbox.next_message(), now);
        let under_way = {
            outbox.push(Some(signal(0)));
            outbox.next_message()
        };
        (1..=bounds::BUS_QUEUE as u64 + 1).for_each(|number| outbox.push(Some(signal(number))));
        // What was under way when it was dropped does not count as what came after it.
        outbox.confirm(&under_way);
        let heard = roll.hear(outbox.next_message(), now);
        assert_eq!((heard.doubt, heard.signals[0].clone()), (Some(Doubt::Gap), signal(2)));
    }

    #[test]
    fn an_admitted_loss_is_a_gap_in_its_place() {
        let (mut outbox, mut roll, now) = (Outbox::default(), Roll::default(), Instant::now());
        outbox.push(Some(signal(0)));
        outbox.push(None);
        outbox.push(Some(signal(2)));
        let mut doubts = Vec::new();
        while !outbox.is_empty() {
            let message = outbox.next_message();
            outbox.confirm(&message);
            doubts.push(roll.hear(message, now).doubt);
        }
        assert_eq!(doubts, [None, Some(Doubt::Gap)]);
        outbox.push(None);
        assert_eq!(roll.hear(outbox.next_message(), now).doubt, Some(Doubt::Gap), "also without anything after it");
    }
}
