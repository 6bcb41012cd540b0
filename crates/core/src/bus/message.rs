//! [`Message`]: what travels between nodes, and its binary form.
//!
//! Every publisher numbers its signals from 0. A message carries the number of its first signal, so that a message without
//! any tells how far the publisher is: a heartbeat. The head never changes its form; frames of unknown kinds are counted and
//! otherwise ignored, so nodes of different versions hear each other.

use super::Signal;
use std::time::Duration;

/// One life of one publisher: random, new with each start.
pub type Incarnation = [u8; 8];

/// The first byte of a message.
const VERSION: u8 = 1;
/// The kind of the frame that takes leave. It has no number.
const GOOD_BYE: u8 = 0;

/// What a publisher says at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub from: Incarnation,
    /// The number of the first signal in it, or of the next one to come.
    pub first: u64,
    /// The publisher is heard again within this time, in milliseconds.
    pub promise_ms: u16,
    /// Whether nothing more will come.
    pub is_good_bye: bool,
    /// The signals, in order; `None` for those that this version does not know.
    pub signals: Vec<Option<Signal>>,
}

impl Message {
    /// How long the publisher may be silent.
    #[must_use]
    pub fn promise(&self) -> Duration {
        Duration::from_millis(self.promise_ms.into())
    }

    /// The bytes: see `docs/keyspace.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.from);
        bytes.extend(self.first.to_le_bytes());
        bytes.extend(self.promise_ms.to_le_bytes());
        let mut frame = |kind: u8, body: &[u8]| {
            bytes.push(kind);
            bytes.extend((body.len() as u16).to_le_bytes());
            bytes.extend(body);
        };
        for signal in self.signals.iter().flatten() {
            let (kind, body) = signal.encode();
            frame(kind, &body);
        }
        if self.is_good_bye {
            frame(GOOD_BYE, &[]);
        }
        bytes
    }

    /// Reads a message; `None` where it is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, bytes) = bytes.split_first()?;
        let (from, bytes) = bytes.split_first_chunk()?;
        let (first, bytes) = bytes.split_first_chunk()?;
        let (promise_ms, mut bytes) = bytes.split_first_chunk()?;
        if *version != VERSION {
            return None;
        }
        let (first, promise_ms) = (u64::from_le_bytes(*first), u16::from_le_bytes(*promise_ms));
        let mut message = Self { from: *from, first, promise_ms, is_good_bye: false, signals: Vec::new() };
        while let Some((kind, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk()?;
            let (body, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
            match *kind {
                GOOD_BYE => message.is_good_bye = true,
                kind => message.signals.push(Signal::decode(kind, body)),
            }
            bytes = rest;
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bus::{SessionsEnded, Which},
        id::UserTag,
    };

    fn message() -> Message {
        let ended = SessionsEnded { tag: UserTag::from_bytes([7; 12]), revision: 9, which: Which::All, reason: None };
        let signals = vec![Some(Signal::SessionsEnded(ended)); 2];
        Message { from: [1; 8], first: 5, promise_ms: 900, is_good_bye: true, signals }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let message = message();
        assert_eq!(Message::decode(&message.encode()), Some(message));
    }

    #[test]
    fn kinds_that_are_not_known_are_counted() {
        let mut bytes = message().encode();
        bytes[19] = 99;
        let read = Message::decode(&bytes).expect("a message");
        assert_eq!((read.signals.len(), read.signals[0].is_none(), read.signals[1].is_some()), (2, true, true));
    }

    #[test]
    fn half_a_message_is_none() {
        let bytes = Message { is_good_bye: false, ..message() }.encode();
        let whole = |length: &usize| Message::decode(&bytes[..*length]).is_some();
        // The head, the head and one frame, everything.
        assert_eq!((0..=bytes.len()).filter(whole).collect::<Vec<_>>(), [19, 43, 67]);
        assert_eq!(Message::decode(&[2; 40]), None, "another version");
    }
}
