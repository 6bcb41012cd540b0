//! An event in one block: a third of what its texts and options take apart.
//!
//! ```text
//! 0 id 16 | 16 type (place in EventType::ALL) | 17 time u48 | 23 what follows u16
//! | session id 24 | address 4 or 16 | count u64 | actor, subject, user agent, request id, reason, device id: each u16 length and UTF-8
//! ```
//!
//! Never leaves the process. The tag is that of the timeline.

use std::net::IpAddr;
use vestibule_core::{
    event::{Event, EventType},
    id::{EventId, SessionId, UserId, UserTag},
    time::Timestamp,
};

/// What an allocation costs beside its bytes, about.
const PER_BLOCK: usize = 8 + std::mem::size_of::<usize>();
const HEAD: usize = 25;

mod has {
    pub(super) const SESSION: u16 = 1;
    pub(super) const IPV4: u16 = 2;
    pub(super) const IPV6: u16 = 4;
    pub(super) const COUNT: u16 = 8;
    pub(super) const ACTOR: u16 = 16;
    pub(super) const SUBJECT: u16 = 32;
    pub(super) const USER_AGENT: u16 = 64;
    pub(super) const REQUEST_ID: u16 = 128;
    pub(super) const REASON: u16 = 256;
    pub(super) const DEVICE: u16 = 512;
}

#[derive(Debug)]
pub(crate) struct PackedEvent(Box<[u8]>);

impl PackedEvent {
    pub(crate) fn pack(event: &Event) -> Self {
        let mut out = Vec::with_capacity(HEAD + 96);
        let kind = EventType::ALL.iter().position(|kind| *kind == event.kind);
        out.extend_from_slice(event.id.as_bytes());
        out.push(kind.and_then(|kind| u8::try_from(kind).ok()).expect("every type is in ALL, which is short"));
        out.extend_from_slice(&event.time.millis().to_le_bytes()[..6]);
        out.extend_from_slice(&[0, 0]);
        let mut follows = 0;
        if let Some(id) = &event.session_id {
            follows |= has::SESSION;
            out.extend_from_slice(&id.to_bytes());
        }
        match event.ip {
            None => {}
            Some(IpAddr::V4(ip)) => {
                follows |= has::IPV4;
                out.extend_from_slice(&ip.octets());
            }
            Some(IpAddr::V6(ip)) => {
                follows |= has::IPV6;
                out.extend_from_slice(&ip.octets());
            }
        }
        if let Some(count) = event.count {
            follows |= has::COUNT;
            out.extend_from_slice(&count.to_le_bytes());
        }
        for (flag, text) in [
            (has::ACTOR, event.actor.as_deref()),
            (has::SUBJECT, event.subject.as_ref().map(UserId::as_str)),
            (has::USER_AGENT, event.user_agent.as_deref()),
            (has::REQUEST_ID, event.request_id.as_deref()),
            (has::REASON, event.reason.as_deref()),
            (has::DEVICE, event.device_id.as_deref()),
        ] {
            let Some(text) = text else { continue };
            // The core bounds all of these far below; a longer one would lose its end rather than the event.
            let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
            follows |= flag;
            out.extend_from_slice(&(text.len() as u16).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out[HEAD - 2..HEAD].copy_from_slice(&follows.to_le_bytes());
        Self(out.into())
    }

    pub(crate) fn id(&self) -> EventId {
        EventId::from_bytes(Reader(&self.0).array())
    }

    pub(crate) fn time(&self) -> Timestamp {
        Reader(&self.0[17..]).time()
    }

    /// Bytes that it takes, its block included.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len() + PER_BLOCK
    }

    pub(crate) fn unpack(&self, tag: Option<UserTag>) -> Event {
        let mut reader = Reader(&self.0);
        let id = EventId::from_bytes(reader.array());
        let [kind] = reader.array();
        let time = reader.time();
        let follows = u16::from_le_bytes(reader.array());
        let has = |flag| follows & flag != 0;
        let session_id = has(has::SESSION).then(|| SessionId::from_bytes(&reader.array()));
        let ip = match (has(has::IPV4), has(has::IPV6)) {
            (true, _) => Some(IpAddr::from(reader.array::<4>())),
            (_, true) => Some(IpAddr::from(reader.array::<16>())),
            _ => None,
        };
        let count = has(has::COUNT).then(|| u64::from_le_bytes(reader.array()));
        let mut text = |flag| has(flag).then(|| reader.text());
        Event {
            id,
            kind: EventType::ALL[usize::from(kind)],
            time,
            session_id,
            ip,
            count,
            actor: text(has::ACTOR).map(Into::into),
            subject: text(has::SUBJECT).map(|id| UserId::new(id).expect("it was one when it was packed")),
            user_agent: text(has::USER_AGENT).map(Into::into),
            request_id: text(has::REQUEST_ID).map(Into::into),
            reason: text(has::REASON).map(Into::into),
            device_id: text(has::DEVICE).map(Into::into),
            tag,
        }
    }
}

/// Reads what [`PackedEvent::pack`] wrote, in this process: there is nothing to check.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N));
        array
    }

    fn time(&mut self) -> Timestamp {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(self.take(6));
        Timestamp::from_millis(u64::from_le_bytes(wide))
    }

    fn text(&mut self) -> &'a str {
        let length = u16::from_le_bytes(self.array());
        std::str::from_utf8(self.take(length.into())).expect("it was text when it was packed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_core::event::Origin;

    #[test]
    fn an_event_survives_packing_whatever_it_lacks() {
        let tag = UserTag::from_bytes([7; 12]);
        let origin = Origin {
            actor: Some("key:k1".into()),
            ip: Some(IpAddr::from([192, 0, 2, 1])),
            user_agent: Some("curl/8".into()),
            request_id: Some("r-1".into()),
        };
        let at = Timestamp::from_millis(1_700_000_000_000);
        let full = Event::new(EventType::SessionEnded, at, &origin)
            .of(tag, Some(&UserId::new("ada").expect("valid")))
            .session(SessionId::generate(tag))
            .because("revoked")
            .counting(3);
        let full = Event { device_id: Some("laptop".into()), ..full };
        assert_eq!(PackedEvent::pack(&full).unpack(Some(tag)), full);
        let bare = Event::new(EventType::EventsDropped, at, &Origin::default());
        assert_eq!(PackedEvent::pack(&bare).unpack(None), bare);
        let v6 = Event { ip: Some(IpAddr::from([9; 16])), reason: Some("".into()), ..bare };
        let packed = PackedEvent::pack(&v6);
        assert_eq!(packed.unpack(None), v6);
        assert_eq!((packed.id(), packed.time()), (v6.id, at));
    }
}
