//! Ending the sessions of a user without looking at them.

use super::{EndReason, Ended, command::EndOutcome};
use crate::{
    event::EventType,
    user::{Context, Effects, Facts, Step, UserAggregate},
};

/// Does what [`super::command::EndSessions`] does with a selection of all, for a store that need not read thousands of sessions to
/// end them. `user` has everything but the sessions, of which `live` have not ended, at least two, and none has expired. The effects name no
/// session: all of them ended as [`Effects::ended_all`] says.
pub fn end_all(user: &mut UserAggregate, live: u64, reason: EndReason, cx: &Context) -> (EndOutcome, Effects) {
    let mut step = Step { user, cx, facts: Facts::default(), fx: Effects::default() };
    step.expire();
    step.user.ended_total += live;
    step.user.revision += 1;
    step.fx.changed = true;
    step.fx.ended_all = Some(Ended { at: cx.now, reason });
    let event = step.note(EventType::SessionEnded);
    event.reason = Some(reason.as_str().into());
    event.count = Some(live);
    let fx = step.fx;
    user.drop_empty_extras();
    (EndOutcome { revoked: live }, fx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Origin},
        id::{EventId, SessionId, UserId, UserTag},
        session::{
            PackedSession, Session, SessionKind,
            command::{EndSessions, Selection},
            packed::tests::full_session,
        },
        time::Timestamp,
        user::{Handoff, command::apply},
    };

    fn without_id(effects: &Effects) -> Vec<Event> {
        effects.events.iter().map(|event| Event { id: EventId::new(0, [0; 10]), ..event.clone() }).collect()
    }

    /// The two must never differ: the one is what the other would have done.
    #[test]
    fn it_does_what_the_command_does() {
        let tag = UserTag::from_bytes([7; 12]);
        let now = Timestamp::from_millis(1_000_000);
        let cx = Context { now, origin: Origin::default() };
        let session = |n| Session {
            id: SessionId::from_parts(tag, [n; 12]),
            kind: SessionKind::Login,
            parent: None,
            last_seen_at: now,
            idle_timeout_ms: 60_000,
            expires_at: now.plus_ms(60_000),
            ended: None,
            ..full_session()
        };
        let live = (0..5).map(session).map(|session| PackedSession::pack(&session)).collect();
        let handoff = Handoff {
            digest: crate::session::TokenDigest::from_bytes([5; 32]),
            session: SessionId::from_parts(tag, [0; 12]),
            expires_at: Timestamp::from_millis(1),
            redeemed: None,
        };
        let user = UserAggregate {
            user_id: Some(UserId::new("ada").expect("valid")),
            revision: 9,
            created_total: 8,
            ended_total: 3,
            handoffs: Some(Box::new(vec![handoff])),
            live,
            ..UserAggregate::new(tag)
        };
        let (mut seen, mut unseen) = (user.clone(), UserAggregate { live: Default::default(), ..user });
        let command = EndSessions { tag, selection: Selection::All { except: Vec::new() }, reason: EndReason::Revoked };
        let (outcome, effects) = apply(command, &mut seen, &cx, Facts::default());
        let (same_outcome, same_effects) = end_all(&mut unseen, 5, EndReason::Revoked, &cx);
        assert_eq!((outcome, seen), (same_outcome, unseen));
        assert_eq!(without_id(&effects), without_id(&same_effects));
        assert_eq!((effects.changed, effects.ended_all), (same_effects.changed, same_effects.ended_all));
    }
}
