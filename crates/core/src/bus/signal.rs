//! [`Signal`]: what is told, and its binary form.

use crate::{
    bounds,
    id::{SessionId, UserTag},
    record::Change,
    session::{EndReason, PackedSession},
    token::Denial,
    user::{Effects, UserAggregate},
};
use std::sync::Arc;

/// Something that every node must hear soon. Grows; whoever does not know a kind ignores it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// Sessions of one user ended.
    SessionsEnded(SessionsEnded),
    /// Access tokens must not be believed any more.
    TokensDenied(Arc<[Denial]>),
    /// A limit was reset.
    LimitReset(LimitReset),
}

/// Who was denied need not be any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReset {
    /// The rule.
    pub rule: Box<str>,
    /// The key; `None` for all of them.
    pub key: Option<Box<str>>,
}

/// Sessions of one user ended, by whatever reason: all that one decision ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsEnded {
    /// The user.
    pub tag: UserTag,
    /// The user's revision afterwards.
    pub revision: u64,
    /// Which sessions.
    pub which: Which,
    /// Why, where one reason holds for all but shares that ended with their parents, and the teller knows it.
    pub reason: Option<EndReason>,
}

/// Which sessions of a user ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All from before this revision, but for those that the store still shows: whoever holds one asks for it.
    All,
    /// These, at most [`bounds::SIGNAL_SESSIONS`].
    Some(Arc<[SessionId]>),
}

impl SessionsEnded {
    /// What a step has to tell, if it ended anything; `user` is the user afterwards.
    #[must_use]
    pub fn of(user: &UserAggregate, effects: &Effects) -> Option<Self> {
        let ended = effects.ended.iter().map(PackedSession::id);
        let which = Which::named(ended)?;
        Some(Self { tag: user.tag, revision: user.revision, which, reason: common_reason(&effects.ended) })
    }

    /// What an entry of the change log has to tell, if anything ended. It knows no reasons.
    #[must_use]
    pub fn in_log(change: &Change) -> Option<Self> {
        let which = if change.ended_all { Which::All } else { Which::named(change.ended.iter().copied())? };
        Some(Self { tag: change.tag, revision: change.revision, which, reason: None })
    }
}

impl Which {
    fn named(ids: impl ExactSizeIterator<Item = SessionId>) -> Option<Self> {
        match ids.len() {
            0 => None,
            1..=bounds::SIGNAL_SESSIONS => Some(Self::Some(ids.collect())),
            _ => Some(Self::All),
        }
    }
}

fn common_reason(ended: &[PackedSession]) -> Option<EndReason> {
    let reasons = || ended.iter().filter_map(|session| Some(session.ended()?.reason));
    let decided = reasons().find(|reason| *reason != EndReason::ParentEnded).or_else(|| reasons().next())?;
    reasons().all(|reason| reason == decided || reason == EndReason::ParentEnded).then_some(decided)
}

/// Kinds of frames. A byte once given is never given again.
mod kind {
    pub(super) const SESSIONS_ENDED: u8 = 1;
    pub(super) const TOKENS_DENIED: u8 = 2;
    pub(super) const LIMIT_RESET: u8 = 3;
}

impl Signal {
    /// What a step has to tell; `user` is the user afterwards.
    #[must_use]
    pub fn of(user: &UserAggregate, effects: &Effects) -> Vec<Self> {
        let ended = SessionsEnded::of(user, effects).map(Self::SessionsEnded);
        ended.into_iter().chain(Self::denied(&effects.denied)).collect()
    }

    /// That access tokens are denied, if any are.
    #[must_use]
    pub fn denied(denials: &[Denial]) -> Option<Self> {
        (!denials.is_empty()).then(|| Self::TokensDenied(denials.into()))
    }

    /// The kind and the body of this signal's frame: see `docs/keyspace.md`.
    #[must_use]
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::SessionsEnded(ended) => (kind::SESSIONS_ENDED, ended.encode()),
            Self::TokensDenied(denials) => (kind::TOKENS_DENIED, Denial::pack(denials)),
            Self::LimitReset(reset) => (kind::LIMIT_RESET, reset.encode()),
        }
    }

    /// Reads a frame; `None` where it is of a kind or a form that this version does not know.
    #[must_use]
    pub fn decode(kind: u8, body: &[u8]) -> Option<Self> {
        match kind {
            kind::SESSIONS_ENDED => SessionsEnded::decode(body).map(Self::SessionsEnded),
            kind::TOKENS_DENIED => Denial::unpack(body).map(|denials| Self::TokensDenied(denials.into())),
            kind::LIMIT_RESET => LimitReset::decode(body).map(Self::LimitReset),
            _ => None,
        }
    }
}

impl SessionsEnded {
    fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        body.extend(self.tag.as_bytes());
        body.extend(self.revision.to_le_bytes());
        body.push(self.reason.map_or(0, |reason| reason as u8));
        if let Which::Some(ids) = &self.which {
            ids.iter().for_each(|id| body.extend(id.serial()));
        }
        body
    }

    /// No serial means all. A reason from a newer node is none.
    fn decode(body: &[u8]) -> Option<Self> {
        let (tag, body) = body.split_first_chunk()?;
        let (revision, body) = body.split_first_chunk()?;
        let (reason, serials) = body.split_first()?;
        let tag = UserTag::from_bytes(*tag);
        let (serials, rest) = serials.as_chunks();
        let ids = serials.iter().map(|serial| SessionId::from_parts(tag, *serial));
        let which = Which::named(ids).unwrap_or(Which::All);
        let revision = u64::from_le_bytes(*revision);
        rest.is_empty().then_some(Self { tag, revision, which, reason: EndReason::from_byte(*reason) })
    }
}

impl LimitReset {
    /// Rule, a line feed and the key; no line feed means all keys. Neither can hold one.
    fn encode(&self) -> Vec<u8> {
        let mut body = self.rule.as_bytes().to_vec();
        if let Some(key) = &self.key {
            body.push(b'\n');
            body.extend(key.as_bytes());
        }
        body
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let (rule, key) = text.split_once('\n').map_or((text, None), |(rule, key)| (rule, Some(key)));
        Some(Self { rule: rule.into(), key: key.map(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{time::Timestamp, token::Denied};

    fn ended(sessions: usize, reason: Option<EndReason>) -> Signal {
        let tag = UserTag::anonymous();
        let which = Which::named((0..sessions).map(|_| SessionId::generate(tag))).unwrap_or(Which::All);
        Signal::SessionsEnded(SessionsEnded { tag, revision: 1 << 40, which, reason })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let denial = |what| Denial { tag: UserTag::anonymous(), what, until: Timestamp::from_millis(1 << 40) };
        let denials = [denial(Denied::Token([1; 12])), denial(Denied::Family([2; 12])), denial(Denied::Before(3))];
        let denied = Signal::denied(&denials).expect("there are some");
        for signal in [denied, ended(0, None), ended(1, Some(EndReason::Evicted)), ended(bounds::SIGNAL_SESSIONS, None)] {
            let (kind, body) = signal.encode();
            assert_eq!(Signal::decode(kind, &body), Some(signal));
        }
    }

    #[test]
    fn a_reset_names_a_rule_and_perhaps_a_key() {
        for key in [None, Some("2001:db8::/64".into())] {
            let signal = Signal::LimitReset(LimitReset { rule: "login".into(), key });
            let (kind, body) = signal.encode();
            assert_eq!(Signal::decode(kind, &body), Some(signal));
        }
    }

    #[test]
    fn too_many_to_name_are_all() {
        let told = ended(bounds::SIGNAL_SESSIONS + 1, None);
        assert!(matches!(told, Signal::SessionsEnded(ended) if ended.which == Which::All));
    }

    #[test]
    fn what_a_newer_node_tells_is_no_error() {
        let (kind, mut body) = ended(1, Some(EndReason::Revoked)).encode();
        assert_eq!(Signal::decode(kind + 100, &body), None, "another kind");
        body[20] = 200;
        assert!(matches!(Signal::decode(kind, &body), Some(Signal::SessionsEnded(ended)) if ended.reason.is_none()));
        body.push(0);
        assert_eq!(Signal::decode(kind, &body), None, "another form");
    }
}
