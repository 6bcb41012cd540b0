//! The stored form of a session: one positional byte string, version 1.
//!
//! ```text
//! 0 version=1 | 1 flags | 2 kind | 3 end reason (0 live) | 4 revision u32 | 8 rotation u32 | 12 touches u32
//! 16 user tag 12 | 28 serial 12 | 40 digest 32
//! 72 created | 78 last seen | 84 idle timeout | 90 expires | 96 auth time | 102 mfa time | 108 ended   (each u48)
//! 114 user id | roles | [previous] | [rotation] | [parent] | amr | scope | profile | ip | user agent
//!     | device id, fingerprint, name, type | label | [actor] | trail | sealed data (the rest)
//! ```
//!
//! Numbers are little-endian, times milliseconds since the epoch. A text is a LEB128 length and UTF-8; a list is a LEB128
//! count and its items; what stands in brackets is present if its flag is. Empty texts mean "none". The fixed part answers
//! lookups, deadlines and sorting without decoding; the format is specified for other readers in `docs/record.md`.

mod bytes;
mod whole;

use super::model::{EndReason, Ended, Session, SessionKind};
use super::token::TokenDigest;
use crate::{bytes::Reader, id::SessionId, id::UserTag, time::Timestamp};
use std::{fmt, net::IpAddr, sync::Arc};
use whole::{pack, unpack};

pub use crate::bytes::UnpackError;

const VERSION: u8 = 1;

mod flag {
    pub(super) const MFA: u8 = 1;
    pub(super) const REMEMBER: u8 = 2;
    pub(super) const PREVIOUS: u8 = 4;
    pub(super) const ROTATION: u8 = 8;
    pub(super) const PARENT: u8 = 16;
    pub(super) const ACTOR: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

mod at {
    pub(super) const FLAGS: usize = 1;
    pub(super) const KIND: usize = 2;
    pub(super) const END_REASON: usize = 3;
    pub(super) const REVISION: usize = 4;
    pub(super) const ROTATION: usize = 8;
    pub(super) const TOUCHES: usize = 12;
    pub(super) const TAG: usize = 16;
    pub(super) const SERIAL: usize = 28;
    pub(super) const DIGEST: usize = 40;
    pub(super) const CREATED: usize = 72;
    pub(super) const LAST_SEEN: usize = 78;
    pub(super) const IDLE_TIMEOUT: usize = 84;
    pub(super) const EXPIRES: usize = 90;
    pub(super) const AUTH_TIME: usize = 96;
    pub(super) const MFA_AT: usize = 102;
    pub(super) const ENDED: usize = 108;
    pub(super) const VARIABLE: usize = 114;
}

/// Which token of a session was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The current one.
    Current,
    /// The one before the last rotation, inside the overlap.
    Previous,
}

/// A session in its stored form: shared, immutable, checked once when it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedSession(Arc<[u8]>);

impl fmt::Debug for PackedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedSession({}, revision {})", self.id(), self.revision())
    }
}

/// What a session was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The policy; empty is the default one.
    pub profile: &'a str,
    /// The address.
    pub ip: Option<IpAddr>,
    /// The agent; empty is none.
    pub user_agent: &'a str,
}

impl PackedSession {
    /// Where the token's digest stands in the stored bytes, for stores that look for it there before they decode.
    pub const DIGEST_AT: std::ops::Range<usize> = at::DIGEST..at::DIGEST + 32;

    /// Takes over stored bytes after reading them whole once.
    ///
    /// # Errors
    /// [`UnpackError`] for anything that [`Self::pack`] could not have made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, UnpackError> {
        unpack(bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Packs a session.
    #[must_use]
    pub fn pack(session: &Session) -> Self {
        Self(pack(session).into())
    }

    /// The stored bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Decodes the whole session.
    ///
    /// # Panics
    /// Never: the bytes were read whole when this value was made.
    #[must_use]
    pub fn unpack(&self) -> Session {
        unpack(&self.0).expect("checked when it was made")
    }

    fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array_at(offset))
    }

    fn u48_at(&self, offset: usize) -> u64 {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(&self.0[offset..offset + 6]);
        u64::from_le_bytes(wide)
    }

    fn time_at(&self, offset: usize) -> Timestamp {
        Timestamp::from_millis(self.u48_at(offset))
    }

    fn array_at<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[offset..offset + N]);
        array
    }

    fn has(&self, flag: u8) -> bool {
        self.0[at::FLAGS] & flag != 0
    }

    /// Public name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId::from_parts(UserTag::from_bytes(self.array_at(at::TAG)), self.array_at(at::SERIAL))
    }

    /// What it is.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    #[must_use]
    pub fn kind(&self) -> SessionKind {
        SessionKind::from_byte(self.0[at::KIND]).expect("checked when it was made")
    }

    /// Raised by every change but a touch.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.u32_at(at::REVISION)
    }

    /// How often its token was replaced.
    #[must_use]
    pub fn rotation(&self) -> u32 {
        self.u32_at(at::ROTATION)
    }

    /// Uses that were recorded.
    #[must_use]
    pub fn touches(&self) -> u32 {
        self.u32_at(at::TOUCHES)
    }

    /// Digest of its token.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::from_bytes(self.array_at(at::DIGEST))
    }

    /// Start.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.time_at(at::CREATED)
    }

    /// Last recorded use.
    #[must_use]
    pub fn last_seen_at(&self) -> Timestamp {
        self.time_at(at::LAST_SEEN)
    }

    /// How long it may rest, in milliseconds.
    #[must_use]
    pub fn idle_timeout_ms(&self) -> u64 {
        self.u48_at(at::IDLE_TIMEOUT)
    }

    /// End at the latest.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.time_at(at::EXPIRES)
    }

    /// When its user proved who they are.
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.time_at(at::AUTH_TIME)
    }

    /// Whether a second factor was done.
    #[must_use]
    pub fn mfa(&self) -> bool {
        self.has(flag::MFA)
    }

    /// When it was done; zero if never.
    #[must_use]
    pub fn mfa_at(&self) -> Timestamp {
        self.time_at(at::MFA_AT)
    }

    /// Whether the user asked to stay logged in.
    #[must_use]
    pub fn remember(&self) -> bool {
        self.has(flag::REMEMBER)
    }

    /// Its end, if it ended.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        let reason = EndReason::from_byte(self.0[at::END_REASON])?;
        Some(Ended { at: self.time_at(at::ENDED), reason })
    }

    /// The moment at which it ends if nobody uses it any more.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.over_at(0)
    }

    /// The moment at which it is over if nobody uses it any more, with slack for uses that are not known yet. They are known
    /// at least ten times within a rest, so of the slack a fifth of the rest counts at most: a short rest stays short.
    #[must_use]
    pub fn over_at(&self, idle_slack_ms: u64) -> Timestamp {
        let rest = self.idle_timeout_ms();
        self.last_seen_at().plus_ms(rest).plus_ms(idle_slack_ms.min(rest / 5)).min(self.expires_at())
    }

    /// Whether time has ended it, and which limit it was. The absolute one wins where both have passed.
    #[must_use]
    pub fn expired(&self, now: Timestamp, idle_slack_ms: u64) -> Option<EndReason> {
        if now < self.over_at(idle_slack_ms) {
            None
        } else if now < self.expires_at() {
            Some(EndReason::Idle)
        } else {
            Some(EndReason::Absolute)
        }
    }

    /// Which of its tokens has this digest at this time.
    #[must_use]
    pub fn generation(&self, digest: &TokenDigest, now: Timestamp) -> Option<Generation> {
        if digest.matches(&self.0[at::DIGEST..at::DIGEST + 32]) {
            return Some(Generation::Current);
        }
        if !self.has(flag::PREVIOUS) {
            return None;
        }
        let previous = self.unpack().previous?;
        (digest.matches(previous.digest.as_bytes()) && now < previous.until).then_some(Generation::Previous)
    }

    fn variable(&self) -> Reader<'_> {
        Reader(&self.0[at::VARIABLE..])
    }

    /// The user's id; `None` while anonymous.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        let id = self.variable().text().expect("checked when it was made");
        (!id.is_empty()).then_some(id)
    }

    /// The roles, in the order in which they were given.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let mut reader = self.variable();
        reader.text().expect("checked when it was made");
        let count = reader.varint().expect("checked when it was made");
        (0..count).map(move |_| reader.text().expect("checked when it was made"))
    }

    /// What policy and binding look at, without decoding the rest.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    #[must_use]
    pub fn binding(&self) -> Binding<'_> {
        self.variable().binding(self.0[at::FLAGS]).expect("checked when it was made")
    }

    /// The device, as the application names it.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    #[must_use]
    pub fn device_id(&self) -> Option<&str> {
        let mut reader = self.variable();
        reader.binding(self.0[at::FLAGS]).expect("checked when it was made");
        let id = reader.text().expect("checked when it was made");
        (!id.is_empty()).then_some(id)
    }

    /// The sealed payload, without decoding what stands before it.
    ///
    /// # Panics
    /// Never: see [`Self::unpack`].
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        let mut reader = self.variable();
        reader.skip_to_data(self.0[at::FLAGS]).expect("checked when it was made");
        reader.0
    }

    /// A copy of the sealed payload.
    #[must_use]
    pub fn data(&self) -> Box<[u8]> {
        self.sealed().into()
    }

    /// Whether somebody else acts as the user.
    #[must_use]
    pub fn has_actor(&self) -> bool {
        self.has(flag::ACTOR)
    }

    /// The same session with its last use moved: the one change that needs no decoding.
    #[must_use]
    pub fn touched(&self, last_seen: Timestamp, touches: u32, idle_timeout_ms: u64) -> Self {
        let mut bytes: Arc<[u8]> = Arc::from(&*self.0);
        let fixed = Arc::get_mut(&mut bytes).expect("just made, not shared");
        put_u48(&mut fixed[at::LAST_SEEN..], last_seen.millis());
        put_u48(&mut fixed[at::IDLE_TIMEOUT..], idle_timeout_ms);
        fixed[at::TOUCHES..at::TOUCHES + 4].copy_from_slice(&touches.to_le_bytes());
        Self(bytes)
    }

    /// The same session, ended.
    #[must_use]
    pub fn end(&self, ended: Ended) -> Self {
        let mut bytes: Arc<[u8]> = Arc::from(&*self.0);
        let fixed = Arc::get_mut(&mut bytes).expect("just made, not shared");
        fixed[at::END_REASON] = ended.reason as u8;
        put_u48(&mut fixed[at::ENDED..], ended.at.millis());
        Self(bytes)
    }
}

fn put_u48(bytes: &mut [u8], value: u64) {
    bytes[..6].copy_from_slice(&value.to_le_bytes()[..6]);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::session::model::{Activity, Actor, Device, Previous, Rotation};

    pub(crate) fn full_session() -> Session {
        let tag = UserTag::from_bytes([3; 12]);
        Session {
            id: SessionId::from_parts(tag, [4; 12]),
            user_id: Some(UserId::new("ada").expect("valid")),
            kind: SessionKind::Impersonation,
            revision: 7,
            rotation: 2,
            digest: TokenDigest::from_bytes([5; 32]),
            created_at: Timestamp::from_millis(1_000_000),
            last_seen_at: Timestamp::from_millis(1_000_500),
            touches: 9,
            idle_timeout_ms: 60_000,
            expires_at: Timestamp::from_millis(9_000_000),
            auth_time: Timestamp::from_millis(999_000),
            mfa: true,
            mfa_at: Timestamp::from_millis(999_500),
            remember: true,
            roles: vec!["admin".into(), "staff".into()],
            amr: vec!["pwd".into(), "otp".into()],
            scope: vec!["read".into()],
            profile: "staff".into(),
            ip: Some(IpAddr::from([127, 0, 0, 1])),
            user_agent: Some("curl/8".into()),
            device: Device { id: Some("d1".into()), name: Some("Laptop".into()), ..Device::default() },
            parent: Some(SessionId::from_parts(tag, [6; 12])),
            label: Some("printer".into()),
            actor: Some(Actor { user_id: UserId::new("root").expect("valid"), session_id: None }),
            previous: Some(Previous {
                digest: TokenDigest::from_bytes([8; 32]),
                until: Timestamp::from_millis(1_005_000),
                mfa: false,
                mfa_at: Timestamp::ZERO,
                auth_time: Timestamp::from_millis(998_000),
                amr: vec!["pwd".into()],
            }),
            rotated: Some(Rotation { nonce: [1; 8], revision: 6 }),
            trail: vec![Activity { at: Timestamp::from_millis(1_000_400), activity: "/orders".into() }],
            data: vec![1, 2, 3].into(),
            ended: None,
        }
    }

    #[test]
    fn a_session_survives_packing_and_every_cut_of_it_is_refused() {
        let session = full_session();
        let packed = PackedSession::pack(&session);
        assert_eq!(packed.unpack(), session);
        let head = packed.as_bytes().len() - session.data.len();
        for length in 0..head {
            assert_eq!(PackedSession::from_bytes(&packed.as_bytes()[..length]).err(), Some(UnpackError), "{length}");
        }
    }

    #[test]
    fn fields_are_read_without_decoding() {
        let session = full_session();
        let packed = PackedSession::pack(&session);
        assert_eq!(packed.user_id(), Some("ada"));
        assert_eq!(packed.roles().collect::<Vec<_>>(), ["admin", "staff"]);
        assert_eq!(packed.deadline(), session.idle_expires_at());
        let binding = Binding { profile: "staff", ip: session.ip, user_agent: "curl/8" };
        assert_eq!(packed.binding(), binding);
        assert_eq!(packed.sealed(), &*session.data);
        let bare = Session { previous: None, rotated: None, parent: None, actor: None, trail: Vec::new(), ..session.clone() };
        assert_eq!(PackedSession::pack(&bare).sealed(), &*bare.data);
        let before = Timestamp::from_millis(1_004_999);
        assert_eq!(packed.generation(&session.digest, before), Some(Generation::Current));
        let previous = TokenDigest::from_bytes([8; 32]);
        assert_eq!(packed.generation(&previous, before), Some(Generation::Previous));
        assert_eq!(packed.generation(&previous, Timestamp::from_millis(1_005_000)), None);
    }

    // S7
    #[test]
    fn slack_is_for_late_news_and_never_much_of_a_rest() {
        let packed = PackedSession::pack(&full_session());
        let rested = |ms: u64| packed.last_seen_at().plus_ms(60_000 + ms);
        assert_eq!(packed.expired(rested(0), 0), Some(EndReason::Idle));
        assert_eq!((packed.expired(rested(4_999), 5_000), packed.expired(rested(5_000), 5_000)), (None, Some(EndReason::Idle)));
        assert_eq!(
            (packed.expired(rested(11_999), 120_000), packed.expired(rested(12_000), 120_000)),
            (None, Some(EndReason::Idle))
        );
    }

    #[test]
    fn touch_and_end_change_only_their_fields() {
        let mut session = full_session();
        let packed = PackedSession::pack(&session).touched(Timestamp::from_millis(1_002_000), 10, 30_000);
        session.last_seen_at = Timestamp::from_millis(1_002_000);
        session.touches = 10;
        session.idle_timeout_ms = 30_000;
        assert_eq!(packed.unpack(), session);
        let ended = Ended { at: Timestamp::from_millis(1_003_000), reason: EndReason::Evicted };
        session.ended = Some(ended);
        assert_eq!(packed.end(ended).unpack(), session);
        assert_eq!(packed.end(ended).ended(), Some(ended));
    }
}
