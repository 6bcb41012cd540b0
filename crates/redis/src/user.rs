//! A user as bytes: one header and all live sessions in the order of their creation.
//!
//! ```text
//! 0 version=2, or 3 with extras | 1 flags | 2 stamp 8 | 10 wake u48 | 16 revision u48 | 22 created u48 | 28 ended u48 | 34 last login u48
//! 40 live u16 | 42 tail u32 | 46 user id (u16 length) | hand-offs (u8 count: digest 32, session 24, expires u48, redeemed 0 or 1 and 24)
//! | extras, in version 3 (u32 length and what the core packed) | sessions (each u32 length and a packed session)
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
    user::{Extras, Handoff, UserAggregate},
};

/// Of a user without extras.
const PLAIN: u8 = 2;
/// Of a user with extras; a program that does not know them refuses it, where it would else write the user back without them.
const WITH_EXTRAS: u8 = 3;
const DISABLED: u8 = 1;
/// Bytes of the fixed part.
pub(crate) const HEADER: usize = 46;

const TAIL: Range<usize> = 42..46;

/// New with every write; says which state of a user a decision was made on.
pub(crate) type Stamp = [u8; 8];

/// The fixed part of a stored user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    has_extras: bool,
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
        let has_extras = match self.array()? {
            [PLAIN] => false,
            [WITH_EXTRAS] => true,
            _ => return Err(Short),
        };
        Ok(Header {
            has_extras,
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

    /// Something packed elsewhere, with its length in front.
    fn packed(&mut self) -> Result<&'a [u8], Short> {
        let length = self.number(4)? as usize;
        self.take(length)
    }

    /// What stands between the fixed part and the sessions.
    fn beside(&mut self, header: &Header) -> Result<Beside<'a>, Short> {
        let (user_id, handoffs) = (self.user_id()?, self.handoffs()?);
        Ok(Beside { user_id, handoffs, extras: if header.has_extras { Some(self.packed()?) } else { None } })
    }
}

/// What a user has besides figures and sessions.
struct Beside<'a> {
    user_id: Option<UserId>,
    handoffs: Vec<Handoff>,
    extras: Option<&'a [u8]>,
}

impl Beside<'_> {
    fn add_to(self, user: &mut UserAggregate) -> Result<(), Short> {
        user.user_id = self.user_id;
        user.handoffs = (!self.handoffs.is_empty()).then(|| Box::new(self.handoffs));
        if let Some(extras) = self.extras {
            user.extras = Some(Box::new(Extras::unpack(user.tag, extras).map_err(|_| Short)?));
        }
        Ok(())
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
    reader.beside(&header)?.add_to(&mut user)?;
    for _ in 0..header.live {
        user.live.push(session(reader.packed()?)?);
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
    let version = if user.extras.is_some() { WITH_EXTRAS } else { PLAIN };
    out.extend_from_slice(&[version, if user.disabled { DISABLED } else { 0 }]);
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
    if let Some(extras) = &user.extras {
        put_packed(&mut out, &extras.pack());
    }
    for session in &user.live {
        put_packed(&mut out, session.as_bytes());
    }
    let tail = (out.len() - kept_bytes(&user.live)) as u32;
    out[TAIL].copy_from_slice(&tail.to_le_bytes());
    out
}

fn put_packed(out: &mut Vec<u8>, packed: &[u8]) {
    out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    out.extend_from_slice(packed);
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
    let Ok(beside) = reader.beside(&header) else { return Ok(None) };
    beside.add_to(&mut user)?;
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
        sessions.push(session(reader.packed()?)?.end(ended));
    }
    Ok(sessions)
}

/// Looks a current token up and decodes only its session. `None` where that is not enough: the token is not the current one
/// of a session in these bytes, or the session is a share, which depends on another one.
pub(crate) fn find(tag: UserTag, bytes: &[u8], digest: &TokenDigest, now: Timestamp) -> Result<Option<FindOutcome>, Fault> {
    let mut reader = Reader(bytes);
    let header = reader.header()?;
    let mut user = bare(tag, &header);
    let Ok(_) = reader.beside(&header) else { return Ok(None) };
    while let Ok(bytes) = reader.packed() {
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
            extras: Some(Box::new(Extras { token_epoch: 1, access_until: Timestamp::from_millis(88), ..Extras::default() })),
            ..UserAggregate::new(tag)
        }
    }

    #[test]
    fn extras_cost_whoever_has_none_nothing() {
        let user = UserAggregate { extras: None, ..user() };
        let packed = pack(&user, [9; 8]);
        assert_eq!((packed[0], packed.len()), (PLAIN, HEADER + 2 + 3 + 1 + 2 * (32 + 24 + 6 + 1) + 24));
        assert_eq!(unpack(user.tag, &packed), Ok(([9; 8], user)));
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
