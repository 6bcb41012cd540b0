//! All of a session at once: into its stored form, and back.

use super::{VERSION, at, flag};
use crate::{
    bytes::{Reader, UnpackError, Writer},
    id::{SessionId, UserId},
    session::{
        model::{EndReason, Ended, Session, SessionKind},
        token::TokenDigest,
    },
    time::Timestamp,
};

pub(super) fn pack(session: &Session) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(at::VARIABLE + 96 + session.data.len()));
    fixed(&mut out.0, session);
    out.text(session.user_id.as_ref().map_or("", UserId::as_str));
    out.list(&session.roles);
    if let Some(previous) = &session.previous {
        out.bytes(previous.digest.as_bytes());
        out.u48(previous.until.millis());
        out.bytes(&[u8::from(previous.mfa)]);
        out.u48(previous.mfa_at.millis());
        out.u48(previous.auth_time.millis());
        out.list(&previous.amr);
    }
    if let Some(rotated) = &session.rotated {
        out.bytes(&rotated.nonce);
        out.bytes(&rotated.revision.to_le_bytes());
    }
    if let Some(parent) = &session.parent {
        out.bytes(parent.serial());
    }
    out.list(&session.amr);
    out.list(&session.scope);
    out.text(&session.profile);
    out.address(session.ip);
    out.text(session.user_agent.as_deref().unwrap_or_default());
    for field in [&session.device.id, &session.device.fingerprint, &session.device.name, &session.device.kind] {
        out.text(field.as_deref().unwrap_or_default());
    }
    out.text(session.label.as_deref().unwrap_or_default());
    if let Some(actor) = &session.actor {
        out.text(actor.user_id.as_str());
        out.bytes(&[u8::from(actor.session_id.is_some())]);
        if let Some(id) = actor.session_id {
            out.bytes(&id.to_bytes());
        }
    }
    out.varint(session.trail.len());
    for activity in &session.trail {
        out.u48(activity.at.millis());
        out.text(&activity.activity);
    }
    out.bytes(&session.data);
    out.0
}

fn fixed(out: &mut Vec<u8>, session: &Session) {
    let mut flags = 0;
    for (flag, set) in [
        (flag::MFA, session.mfa),
        (flag::REMEMBER, session.remember),
        (flag::PREVIOUS, session.previous.is_some()),
        (flag::ROTATION, session.rotated.is_some()),
        (flag::PARENT, session.parent.is_some()),
        (flag::ACTOR, session.actor.is_some()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    let reason = session.ended.map_or(0, |ended| ended.reason as u8);
    out.extend_from_slice(&[VERSION, flags, session.kind as u8, reason]);
    out.extend_from_slice(&session.revision.to_le_bytes());
    out.extend_from_slice(&session.rotation.to_le_bytes());
    out.extend_from_slice(&session.touches.to_le_bytes());
    out.extend_from_slice(&session.id.to_bytes());
    out.extend_from_slice(session.digest.as_bytes());
    for time in [
        session.created_at.millis(),
        session.last_seen_at.millis(),
        session.idle_timeout_ms,
        session.expires_at.millis(),
        session.auth_time.millis(),
        session.mfa_at.millis(),
        session.ended.map_or(0, |ended| ended.at.millis()),
    ] {
        out.extend_from_slice(&time.to_le_bytes()[..6]);
    }
    debug_assert_eq!(out.len(), at::VARIABLE);
}

pub(super) fn unpack(bytes: &[u8]) -> Result<Session, UnpackError> {
    let (head, rest) = bytes.split_at_checked(at::VARIABLE).ok_or(UnpackError)?;
    let flags = head[at::FLAGS];
    if head[0] != VERSION || flags & !flag::ALL != 0 {
        return Err(UnpackError);
    }
    let head = Head(head);
    let id = SessionId::from_bytes(&head.array(at::TAG));
    let mut reader = Reader(rest);
    let user_id = reader.text()?;
    let user_id = if user_id.is_empty() { None } else { Some(UserId::new(user_id).map_err(|_| UnpackError)?) };
    let roles = reader.list()?;
    let previous = if flags & flag::PREVIOUS != 0 { Some(reader.previous()?) } else { None };
    let rotated = if flags & flag::ROTATION != 0 { Some(reader.rotation()?) } else { None };
    let parent = if flags & flag::PARENT != 0 { Some(SessionId::from_parts(id.tag(), reader.array()?)) } else { None };
    Ok(Session {
        id,
        user_id,
        kind: SessionKind::from_byte(head.0[at::KIND]).ok_or(UnpackError)?,
        revision: u32::from_le_bytes(head.array(at::REVISION)),
        rotation: u32::from_le_bytes(head.array(at::ROTATION)),
        digest: TokenDigest::from_bytes(head.array(at::DIGEST)),
        created_at: head.time(at::CREATED),
        last_seen_at: head.time(at::LAST_SEEN),
        touches: u32::from_le_bytes(head.array(at::TOUCHES)),
        idle_timeout_ms: head.time(at::IDLE_TIMEOUT).millis(),
        expires_at: head.time(at::EXPIRES),
        auth_time: head.time(at::AUTH_TIME),
        mfa: flags & flag::MFA != 0,
        mfa_at: head.time(at::MFA_AT),
        remember: flags & flag::REMEMBER != 0,
        roles,
        previous,
        rotated,
        parent,
        amr: reader.list()?,
        scope: reader.list()?,
        profile: reader.text()?.into(),
        ip: reader.address()?,
        user_agent: reader.optional()?,
        device: reader.device()?,
        label: reader.optional()?,
        actor: if flags & flag::ACTOR != 0 { Some(reader.actor()?) } else { None },
        trail: reader.trail()?,
        data: reader.rest()?,
        ended: head.ended()?,
    })
}

struct Head<'a>(&'a [u8]);

impl Head<'_> {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[offset..offset + N]);
        array
    }

    fn time(&self, offset: usize) -> Timestamp {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(&self.array::<6>(offset));
        Timestamp::from_millis(u64::from_le_bytes(wide))
    }

    fn ended(&self) -> Result<Option<Ended>, UnpackError> {
        match self.0[at::END_REASON] {
            0 => Ok(None),
            byte => {
                let reason = EndReason::from_byte(byte).ok_or(UnpackError)?;
                Ok(Some(Ended { at: self.time(at::ENDED), reason }))
            }
        }
    }
}
