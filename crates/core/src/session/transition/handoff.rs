//! Hand-off codes: the same user's session begins elsewhere, once.

use super::fresh_from;
use crate::{
    bounds,
    event::EventType,
    id::{SessionId, UserTag},
    session::{Device, EndReason, Session, SessionKind, command::*},
    user::{Handoff, Step, command::UserCommand},
};

impl UserCommand for OpenHandoff {
    type Outcome = HandoffOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> HandoffOutcome {
        let Some(position) = step.user.position(self.id) else { return HandoffOutcome::Gone };
        let session = step.user.live[position].clone();
        if session.kind() != SessionKind::Login {
            return HandoffOutcome::Refused;
        }
        let handoff = Handoff { digest: self.digest, session: self.id, expires_at: self.expires_at, redeemed: None };
        let handoffs = step.user.handoffs.get_or_insert_default();
        handoffs.push(handoff);
        let surplus = handoffs.len().saturating_sub(bounds::HANDOFFS);
        handoffs.drain(..surplus);
        step.fx.changed = true;
        step.note_session(EventType::HandoffCreated, &session);
        HandoffOutcome::Opened
    }
}

impl UserCommand for RedeemHandoff {
    type Outcome = RedeemOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> RedeemOutcome {
        let now = step.cx.now;
        let known = step.user.handoffs.as_deref().into_iter().flatten();
        let Some(handoff) = known.clone().find(|handoff| self.code.matches(handoff.digest.as_bytes())).cloned() else {
            return RedeemOutcome::Invalid;
        };
        if let Some(redeemed) = handoff.redeemed {
            return self.refuse_reuse(step, redeemed);
        }
        let Some(source) = step.valid(handoff.session).filter(|_| now < handoff.expires_at) else {
            return RedeemOutcome::Invalid;
        };
        if step.user.disabled {
            return RedeemOutcome::UserDisabled;
        }
        if let Err(limit) = step.make_room(self.cap) {
            step.refuse_limit(limit);
            return RedeemOutcome::LimitReached { limit };
        }
        let id = SessionId::from_parts(self.tag, self.serial);
        let session = Session {
            id,
            digest: self.digest,
            ip: self.ip,
            user_agent: self.user_agent,
            device: Device::default(),
            ..fresh_from(source, now)
        };
        for handoff in step.user.handoffs.iter_mut().flat_map(|handoffs| handoffs.iter_mut()) {
            if self.code.matches(handoff.digest.as_bytes()) {
                handoff.redeemed = Some(id);
            }
        }
        RedeemOutcome::Redeemed(step.begin(&session))
    }
}

impl RedeemHandoff {
    fn refuse_reuse(&self, step: &mut Step<'_>, redeemed: SessionId) -> RedeemOutcome {
        step.note(EventType::HandoffReused).session_id = Some(redeemed);
        if let Some(position) = step.user.position(redeemed).filter(|_| self.reuse_revokes) {
            step.end_at(position, EndReason::HandoffReused);
        }
        RedeemOutcome::Reused
    }
}
