//! The seal of an event: a MAC over all that it says, stored beside it.
//!
//! A store seals what it writes, so no row can be altered unseen by anybody who lacks the secret. That none was taken away is the
//! business of [`super::chain`].

use super::{Event, chain::Link};
use crate::{
    id::UserId,
    secret::{KeyRing, Mac},
};
use sha2::{Digest as _, Sha256};
use std::{fmt, net::IpAddr, sync::Arc};

/// Bytes of a stored seal: the id of the key, and half of an HMAC-SHA-256.
pub const SEAL_BYTES: usize = 17;

/// A stored seal.
pub type Seal = [u8; SEAL_BYTES];

/// What a stored seal proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The event is as it was written.
    Intact,
    /// It is not.
    Altered,
    /// It was sealed under a secret that this process does not have, if at all.
    UnknownKey,
}

/// Seals events, and checks seals. Cheap to clone.
#[derive(Clone)]
pub struct Sealer(Arc<[Key]>);

struct Key {
    id: u8,
    mac: Mac,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

impl Sealer {
    /// A sealer with the keys of a ring: the current one seals.
    #[must_use]
    pub fn new(ring: &KeyRing) -> Self {
        Self(ring.keys().map(|keys| Key { id: keys.id, mac: keys.event.clone() }).collect())
    }

    /// The seal of an event.
    #[must_use]
    pub fn seal(&self, event: &Event) -> Seal {
        self.sign(b"event", &content(event))
    }

    /// What the stored seal of an event proves.
    #[must_use]
    pub fn check(&self, event: &Event, seal: &[u8]) -> Sealed {
        self.prove(b"event", &content(event), seal)
    }

    pub(super) fn sign(&self, purpose: &[u8], content: &[u8]) -> Seal {
        let key = &self.0[0];
        let mut seal = [key.id; SEAL_BYTES];
        seal[1..].copy_from_slice(&key.mac.sign(&[purpose, b"\0", content])[..SEAL_BYTES - 1]);
        seal
    }

    pub(super) fn prove(&self, purpose: &[u8], content: &[u8], seal: &[u8]) -> Sealed {
        // Zeros stand for a seal that is not there.
        let is_one = seal.len() == SEAL_BYTES && seal.iter().any(|byte| *byte != 0);
        let Some((id, mac)) = seal.split_first().filter(|_| is_one) else { return Sealed::Altered };
        let mut keys = self.0.iter().filter(|key| key.id == *id).peekable();
        match (keys.peek().is_some(), keys.any(|key| key.mac.verify(&[purpose, b"\0", content], mac))) {
            (_, true) => Sealed::Intact,
            (true, false) => Sealed::Altered,
            (false, false) => Sealed::UnknownKey,
        }
    }
}

/// What a seal is made over. Every part is of fixed length or behind its length, so that no two events have the same.
fn content(event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(event.id.as_bytes());
    out.extend_from_slice(&event.time.millis().to_le_bytes());
    part(&mut out, event.tag.as_ref().map(|tag| tag.as_bytes().as_slice()));
    part(&mut out, event.session_id.map(|id| id.to_bytes()).as_ref().map(|id| id.as_slice()));
    match event.ip {
        None => part(&mut out, None),
        Some(IpAddr::V4(ip)) => part(&mut out, Some(&ip.octets())),
        Some(IpAddr::V6(ip)) => part(&mut out, Some(&ip.octets())),
    }
    part(&mut out, event.count.map(u64::to_le_bytes).as_ref().map(|count| count.as_slice()));
    let texts = [
        Some(event.kind.as_str()),
        event.actor.as_deref(),
        event.subject.as_ref().map(UserId::as_str),
        event.user_agent.as_deref(),
        event.request_id.as_deref(),
        event.reason.as_deref(),
    ];
    for text in texts {
        match text {
            // Not every store can hold a NUL.
            Some(text) if text.contains('\0') => part(&mut out, Some(text.replace('\0', "\u{fffd}").as_bytes())),
            text => part(&mut out, text.map(str::as_bytes)),
        }
    }
    // Last, and only where there is one: events from before it was told have their seals.
    if let Some(device_id) = &event.device_id {
        part(&mut out, Some(device_id.as_bytes()));
    }
    out
}

fn part(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let length = bytes.map_or(u32::MAX, |bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

/// The digest of the seals of a range, in their order.
#[derive(Clone, Default)]
pub(super) struct RangeDigest {
    hash: Sha256,
    pub(super) count: u64,
}

impl RangeDigest {
    pub(super) fn add(&mut self, link: &Link) {
        self.count += 1;
        self.hash.update((link.seal.len() as u32).to_le_bytes());
        self.hash.update(&link.seal);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventType, Origin},
        id::UserTag,
        time::Timestamp,
    };

    fn event() -> Event {
        let origin = Origin { user_agent: Some("curl/8".into()), ..Origin::system() };
        let tag = UserTag::from_bytes([7; 12]);
        let ada = UserId::new("ada").expect("valid");
        Event::new(EventType::SessionEnded, Timestamp::from_millis(1_000), &origin).of(tag, Some(&ada)).because("revoked")
    }

    // S92
    #[test]
    fn a_seal_holds_every_field() {
        let sealer = Sealer::new(&KeyRing::ephemeral());
        let event = event();
        let seal = sealer.seal(&event);
        assert_eq!(sealer.check(&event, &seal), Sealed::Intact);
        let altered = [
            Event { time: Timestamp::from_millis(1_001), ..event.clone() },
            Event { kind: EventType::SessionCreated, ..event.clone() },
            Event { actor: None, ..event.clone() },
            Event { actor: Some("".into()), ..event.clone() },
            Event { subject: None, ..event.clone() },
            Event { device_id: Some("laptop".into()), ..event.clone() },
            Event { device_id: Some("".into()), ..event.clone() },
            Event { ip: Some(IpAddr::from([192, 0, 2, 1])), ..event.clone() },
            Event { user_agent: Some("curl/9".into()), ..event.clone() },
            Event { request_id: event.user_agent.clone(), user_agent: None, ..event.clone() },
            Event { reason: Some("logout".into()), ..event.clone() },
            Event { count: Some(1), ..event.clone() },
            Event { tag: None, ..event.clone() },
            Event { id: crate::id::EventId::new(1_000, [0; 10]), ..event.clone() },
        ];
        for altered in altered {
            assert_eq!(sealer.check(&altered, &seal), Sealed::Altered, "{altered:?}");
        }
        assert_eq!(sealer.check(&event, &[]), Sealed::Altered);
        let mut other = seal;
        other[0] ^= 1;
        assert_eq!(sealer.check(&event, &other), Sealed::UnknownKey);
    }
}
