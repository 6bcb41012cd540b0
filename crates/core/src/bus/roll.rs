//! [`Roll`]: who publishes, and how far each was heard.

use super::{
    Doubt, Signal,
    message::{Incarnation, Message},
};
use crate::bounds;
use std::{collections::HashMap, time::Instant};

/// The publishers that a node hears. Finds out by numbers and by silence what it did not hear.
#[derive(Debug, Default)]
pub struct Roll {
    known: HashMap<Incarnation, Known>,
}

#[derive(Debug)]
struct Known {
    /// The number of the signal that is heard next.
    next: u64,
    /// By then the publisher is heard again.
    due: Instant,
    /// How long it may be silent.
    promise: std::time::Duration,
}

/// What is new in a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// What was missed before it, if anything may have been.
    pub doubt: Option<Doubt>,
    /// The signals that were not heard before.
    pub signals: Vec<Signal>,
}

impl Roll {
    /// Takes note of a message. What was heard before is dropped: publishers repeat what may not have arrived.
    pub fn hear(&mut self, message: Message, now: Instant) -> Heard {
        let doubt = self.missed_before(&message);
        let known = self.known.get(&message.from).map_or(message.first, |known| known.next);
        let repeated = usize::try_from(known.saturating_sub(message.first)).unwrap_or(usize::MAX);
        let next = known.max(message.first.saturating_add(message.signals.len() as u64));
        if message.is_good_bye {
            self.known.remove(&message.from);
        } else {
            self.known.insert(message.from, Known { next, due: now + message.promise(), promise: message.promise() });
        }
        Heard { doubt, signals: message.signals.into_iter().skip(repeated).flatten().collect() }
    }

    fn missed_before(&mut self, message: &Message) -> Option<Doubt> {
        match self.known.get(&message.from) {
            Some(known) => (message.first > known.next).then_some(Doubt::Gap),
            None => {
                if self.known.len() >= bounds::BUS_PUBLISHERS {
                    // Whoever lives is met again as a newcomer, and raises doubt as one.
                    self.known.clear();
                }
                (message.first > 0).then_some(Doubt::Newcomer)
            }
        }
    }

    /// Strikes off publishers that should have been heard again by now; [`Doubt::Silence`] if there are any.
    pub fn call(&mut self, now: Instant) -> Option<Doubt> {
        let before = self.known.len();
        self.known.retain(|_, known| known.due > now);
        (self.known.len() < before).then_some(Doubt::Silence)
    }

    /// How many publishers are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// Gives every publisher its time anew, after nobody could be heard.
    pub fn excuse(&mut self, now: Instant) {
        self.known.values_mut().for_each(|known| known.due = now + known.promise);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::{SessionsEnded, Which},
        id::UserTag,
    };
    use std::time::Duration;

    fn signal(number: u64) -> Signal {
        Signal::SessionsEnded(SessionsEnded {
            tag: UserTag::from_bytes([0; 12]),
            revision: number,
            which: Which::All,
            reason: None,
        })
    }

    fn message(from: u64, numbers: std::ops::Range<u64>) -> Message {
        let signals = numbers.clone().map(|number| Some(signal(number))).collect();
        Message { from: from.to_le_bytes(), first: numbers.start, promise_ms: 900, is_good_bye: false, signals }
    }

    fn heard(doubt: Option<Doubt>, numbers: std::ops::Range<u64>) -> Heard {
        Heard { doubt, signals: numbers.map(signal).collect() }
    }

    #[test]
    fn signals_are_heard_once_and_in_order() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        assert_eq!(roll.hear(message(1, 0..2), now), heard(None, 0..2));
        assert_eq!(roll.hear(message(1, 2..2), now), heard(None, 0..0), "a heartbeat");
        assert_eq!(roll.hear(message(1, 2..4), now), heard(None, 2..4));
        assert_eq!(roll.hear(message(1, 2..4), now), heard(None, 0..0), "the same again");
        assert_eq!(roll.hear(message(1, 3..6), now), heard(None, 4..6), "some of it again");
        assert_eq!(roll.hear(message(2, 0..1), now), heard(None, 0..1), "somebody else");
    }

    /// C9: the next message or heartbeat shows what was lost.
    #[test]
    fn a_lost_message_raises_doubt() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        roll.hear(message(1, 0..1), now);
        assert_eq!(roll.hear(message(1, 2..3), now), heard(Some(Doubt::Gap), 2..3), "by the next message");
        assert_eq!(roll.hear(message(1, 4..4), now), heard(Some(Doubt::Gap), 0..0), "by a heartbeat");
        assert_eq!(roll.hear(message(1, 4..5), now), heard(None, 4..5), "once");
    }

    #[test]
    fn whoever_had_spoken_before_raises_doubt() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        assert_eq!(roll.hear(message(1, 0..0), now), heard(None, 0..0));
        assert_eq!(roll.hear(message(2, 7..8), now), heard(Some(Doubt::Newcomer), 7..8));
    }

    #[test]
    fn silence_raises_doubt_and_a_good_bye_does_not() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        roll.hear(message(1, 0..0), now);
        roll.hear(message(2, 0..0), now);
        roll.hear(Message { is_good_bye: true, ..message(2, 0..1) }, now);
        let late = now + Duration::from_millis(900);
        assert_eq!(roll.call(late - Duration::from_millis(1)), None);
        roll.excuse(now + Duration::from_millis(1));
        assert_eq!(roll.call(late), None);
        assert_eq!(roll.call(late + Duration::from_millis(1)), Some(Doubt::Silence));
        assert_eq!(roll.call(late + Duration::from_millis(1)), None, "once");
        assert_eq!(roll.hear(message(1, 1..1), late), heard(Some(Doubt::Newcomer), 0..0), "it was not dead");
    }

    #[test]
    fn more_publishers_than_can_be_known_are_met_anew() {
        let (mut roll, now) = (Roll::default(), Instant::now());
        for from in 0..=bounds::BUS_PUBLISHERS as u64 {
            assert_eq!(roll.hear(message(from, 0..1), now).doubt, None);
        }
        assert_eq!(roll.hear(message(0, 1..1), now).doubt, Some(Doubt::Newcomer));
        assert!(roll.known.len() < bounds::BUS_PUBLISHERS);
    }
}
