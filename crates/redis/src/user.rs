//! A user as bytes: one header and all live sessions in the order of their creation.
//!
//! ```text
//! 0 version=2 | 1 flags | 2 stamp 8 | 10 wake u48 | 16 revision u48 | 22 created u48 | 28 ended u48 | 34 last login u48
//! 40 live u16 | 42 tail u32 | 46 user id (u16 length) | hand-offs (u8 count: digest 32, session 24, expires u48, redeemed 0 or 1 and 24)
//! | sessions (each u32 length and a packed session)
//! ```
//!
//! Numbers are little-endian, times milliseconds since the epoch. `docs/keyspace.md` says the same for other readers.

use crate::bounds;
use std::ops::Range;
use vestibule_core::{
    bounds::MEMORY_ENDED,
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{EndReason, Ended, PackedSession, SessionKind, TokenDigest, command::FindOutcome, transition},
    time::Timestamp,
    user::{Handoff, UserAggregate},
};

const VERSION: u8 = 2;
const DISABLED: u8 = 1;
/// Bytes of the fixed part.
pub(crate) const HEADER: usize = 46;

const TAIL: Range<usize> = 42..46;

/// New with every write; says which state of a user a decision was made on.
pub(crate) type Stamp = [u8; 8];

/// The fixed part of a stored user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    flags: u8,
    pub(crate) stamp: Stamp,
    /// No session ends by time before this.
    pub(crate) wake: Timestamp,
    revision: u64,
    created_total: u64,
    ended_total: u64,
    last_login_at: Timestamp,
    pub(crate) live: usize,
    /// Where the newest sessions begin: those that are kept if all end.
    pub(crate) tail: usize,
}

struct Short;

impl From<Short> for Fault {
    fn from(_: Short) -> Self {
        Self::Corrupt("a stored user cannot be read".into())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        self.take(N)?.try_into().map_err(|_| Short)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, Short> {
        let mut wide = [0; 8];
        wide[..bytes].copy_from_slice(self.take(bytes)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn time(&mut self) -> Result<Timestamp, Short> {
        Ok(Timestamp::from_millis(self.number(6)?))
    }

    fn header(&mut self) -> Result<Header, Short> {
        if self.number(1)? != u64::from(VERSION) {
            return Err(Short);
        }
        Ok(Header {
            flags: self.array::<1>()?[0],
            stamp: self.array()?,
            wake: self.time()?,
            revision: self.number(6)?,
            created_total: self.number(6)?,
            ended_total: self.number(6)?,
            last_login_at: self.time()?,
            live: self.number(2)? as usize,
            tail: self.number(4)? as usize,
        })
    }

    fn user_id(&mut self) -> Result<Option<UserId>, Short> {
        let length = self.number(2)? as usize;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| Short)?;
        if text.is_empty() { Ok(None) } else { UserId::new(text).map(Some).map_err(|_| Short) }
    }

    fn handoffs(&mut self) -> Result<Vec<Handoff>, Short> {
        let count = self.number(1)?;
        (0..count).map(|_| self.handoff()).collect()
    }

    fn handoff(&mut self) -> Result<Handoff, Short> {
        Ok(Handoff {
            digest: TokenDigest::from_bytes(self.array()?),
            session: SessionId::from_bytes(&self.array()?),
            expires_at: self.time()?,
            redeemed: match self.number(1)? {
                0 => None,
                _ => Some(SessionId::from_bytes(&self.array()?)),
            },
        })
    }

    fn session(&mut self) -> Result<&'a [u8], Short> {
        let length = self.number(4)? as usize;
        self.take(length)
    }
}

/// Reads the fixed part.
pub(crate) fn header(bytes: &[u8]) -> Result<Header, Fault> {
    Ok(Reader(bytes).header()?)
}

/// Reads a whole user.
pub(crate) fn unpack(tag: UserTag, bytes: &[u8]) -> Result<(Stamp, UserAggregate), Fault> {
    let mut reader = Reader(bytes);
    let header = reader.header()?;
    let mut user = bare(tag, &header);
    user.user_id = reader.user_id()?;
    let handoffs = reader.handoffs()?;
    user.handoffs = (!handoffs.is_empty()).then(|| Box::new(handoffs));
    for _ in 0..header.live {
        user.live.push(session(reader.session()?)?);
    }
    Ok((header.stamp, user))
}

fn session(bytes: &[u8]) -> Result<PackedSession, Fault> {
    PackedSession::from_bytes(bytes).map_err(|_| Short.into())
}

fn bare(tag: UserTag, header: &Header) -> UserAggregate {
    UserAggregate {
        disabled: header.flags & DISABLED != 0,
        revision: header.revision,
        created_total: header.created_total,
        ended_total: header.ended_total,
        last_login_at: header.last_login_at,
        ..UserAggregate::new(tag)
    }
}

/// Packs a user under a stamp.
pub(crate) fn pack(user: &UserAggregate, stamp: Stamp) -> Vec<u8> {
    let sessions: usize = user.live.iter().map(|session| session.as_bytes().len() + 4).sum();
    let mut out = Vec::with_capacity(HEADER + 64 + sessions);
    let wake = user.live.iter().map(PackedSession::deadline).min().unwrap_or_default();
    out.extend_from_slice(&[VERSION, if user.disabled { DISABLED } else { 0 }]);
    out.extend_from_slice(&stamp);
    for number in [wake.millis(), user.revision, user.created_total, user.ended_total, user.last_login_at.millis()] {
        out.extend_from_slice(&number.to_le_bytes()[..6]);
    }
    out.extend_from_slice(&(user.live.len() as u16).to_le_bytes());
    out.extend_from_slice(&[0; TAIL.end - TAIL.start]);
    let id = user.user_id.as_ref().map_or("", UserId::as_str);
    out.extend_from_slice(&(id.len() as u16).to_le_bytes());
    out.extend_from_slice(id.as_bytes());
    let handoffs = user.handoffs.as_deref().map_or(&[][..], Vec::as_slice);
    out.push(handoffs.len() as u8);
    for handoff in handoffs {
        out.extend_from_slice(handoff.digest.as_bytes());
        out.extend_from_slice(&handoff.session.to_bytes());
        out.extend_from_slice(&handoff.expires_at.millis().to_le_bytes()[..6]);
        out.push(u8::from(handoff.redeemed.is_some()));
        out.extend(handoff.redeemed.iter().flat_map(SessionId::to_bytes));
    }
    for session in &user.live {
        out.extend_from_slice(&(session.as_bytes().len() as u32).to_le_bytes());
        out.extend_from_slice(session.as_bytes());
    }
    let tail = (out.len() - kept_bytes(&user.live)) as u32;
    out[TAIL].copy_from_slice(&tail.to_le_bytes());
    out
}

/// Bytes of the newest sessions that are kept if all end.
fn kept_bytes(live: &[PackedSession]) -> usize {
    let mut bytes = 0;
    for session in live.iter().rev().take(MEMORY_ENDED) {
        let more = session.as_bytes().len() + 4;
        if bytes + more > bounds::ARCHIVE_BYTES {
            break;
        }
        bytes += more;
    }
    bytes
}

/// A user without their sessions, from the first bytes of a longer value; `None` where those do not hold everything else.
pub(crate) fn without_sessions(tag: UserTag, bytes: &[u8]) -> Result<Option<(Header, UserAggregate)>, Fault> {
    let mut reader = Reader(bytes);
    let header = reader.header()?;
    let mut user = bare(tag, &header);
    let (Ok(user_id), Ok(handoffs)) = (reader.user_id(), reader.handoffs()) else { return Ok(None) };
    user.user_id = user_id;
    user.handoffs = (!handoffs.is_empty()).then(|| Box::new(handoffs));
    Ok(Some((header, user)))
}

/// What is kept of sessions that ended together: when (u48), why (u8), and the sessions as they were.
pub(crate) fn archive_mark(ended: Ended) -> Vec<u8> {
    [&ended.at.millis().to_le_bytes()[..6], &[ended.reason as u8]].concat()
}

/// Reads an archive: the sessions with their end, in the order of their creation.
pub(crate) fn read_archive(bytes: &[u8]) -> Result<Vec<PackedSession>, Fault> {
    let mut reader = Reader(bytes);
    let (at, reason) = (reader.time()?, reader.array::<1>()?[0]);
    let ended = Ended { at, reason: EndReason::from_byte(reason).ok_or(Short)? };
    let mut sessions = Vec::new();
    while !reader.0.is_empty() {
        sessions.push(session(reader.session()?)?.end(ended));
    }
    Ok(sessions)
}

/// Looks a current token up and decodes only its session. `None` where that is not enough: the token is not the current one
/// of a session in these bytes, or the session is a share, which depends on another one.
pub(crate) fn find(tag: UserTag, bytes: &[u8], digest: &TokenDigest, now: Timestamp) -> Result<Option<FindOutcome>, Fault> {
    let mut reader = Reader(bytes);
    let mut user = bare(tag, &reader.header()?);
    let Ok(_) = reader.user_id().and_then(|_| reader.handoffs()) else { return Ok(None) };
    while let Ok(bytes) = reader.session() {
        if !bytes.get(PackedSession::DIGEST_AT).is_some_and(|held| digest.matches(held)) {
            continue;
        }
        let session = session(bytes)?;
        if session.kind() == SessionKind::Share {
            return Ok(None);
        }
        user.live.push(session);
        return Ok(Some(transition::find(&user, digest, now)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserAggregate {
        let tag = UserTag::from_bytes([7; 12]);
        let session = SessionId::from_parts(tag, [1; 12]);
        let handoff = |redeemed| Handoff {
            digest: TokenDigest::from_bytes([5; 32]),
            session,
            expires_at: Timestamp::from_millis(77),
            redeemed,
        };
        UserAggregate {
            disabled: true,
            user_id: Some(UserId::new("ada").expect("valid")),
            revision: 3,
            created_total: 2,
            ended_total: 1,
            last_login_at: Timestamp::from_millis(1_000_000),
            handoffs: Some(Box::new(vec![handoff(None), handoff(Some(session))])),
            ..UserAggregate::new(tag)
        }
    }

    #[test]
    fn a_user_survives_packing_and_every_cut_is_refused() {
        let user = user();
        let packed = pack(&user, [9; 8]);
        assert_eq!(unpack(user.tag, &packed), Ok(([9; 8], user.clone())));
        for length in 0..packed.len() {
            assert!(matches!(unpack(user.tag, &packed[..length]), Err(Fault::Corrupt(_))), "{length}");
        }
    }
}
