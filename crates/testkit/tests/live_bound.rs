//! The hard bound of live sessions, on the pure rules: reaching it through a store would take a test minutes.

use vestibule_core::{
    bounds::LIVE_SESSIONS,
    event::{EventType, Origin},
    id::{UserTag, random},
    session::{
        CapPolicy, EndReason, PackedSession, Session, SessionKind, TokenDigest,
        command::{Cap, CreateOutcome, CreateSession, EndSessions, Selection, ShareOutcome, ShareSession},
    },
    time::Timestamp,
    user::{Context, Facts, UserAggregate, command::apply},
};
use vestibule_testkit::sample;

fn session(tag: UserTag, kind: SessionKind, now: Timestamp) -> Session {
    Session { kind, idle_timeout_ms: 1_000, expires_at: now.plus_ms(1_000), ..sample::session(now, tag) }
}

#[test]
fn nobody_has_more_live_sessions_than_the_hard_bound() {
    let (tag, now) = (UserTag::anonymous(), Timestamp::from_millis(1_000_000));
    let cx = Context { now, origin: Origin::default() };
    let mut user = UserAggregate::new(tag);
    let parent = session(tag, SessionKind::Login, now);
    user.live.push(PackedSession::pack(&parent));
    user.live.extend((1..LIVE_SESSIONS).map(|_| PackedSession::pack(&session(tag, SessionKind::Impersonation, now))));

    let cap = Cap { limit: usize::MAX, policy: CapPolicy::EvictOldest };
    let create = CreateSession {
        session: session(tag, SessionKind::Login, now),
        cap,
        login: false,
        device: None,
        is_new_browser: false,
    };
    let (outcome, effects) = apply(create, &mut user, &cx, Facts::default());
    assert_eq!(outcome, CreateOutcome::LimitReached { limit: LIVE_SESSIONS });
    assert!(effects.events.iter().any(|event| event.kind == EventType::SessionLimitExceeded));

    let (serial, digest) = (random(), TokenDigest::from_bytes(random()));
    let expires_at = parent.expires_at;
    let share = ShareSession { parent: parent.id, serial, digest, scope: Vec::new(), label: None, expires_at };
    let (outcome, _) = apply(share, &mut user, &cx, Facts::default());
    assert_eq!(outcome, ShareOutcome::LimitReached);
    assert_eq!(user.live.len(), LIVE_SESSIONS);

    let end = EndSessions { tag, selection: Selection::All { except: Vec::new() }, reason: EndReason::Revoked };
    let (outcome, effects) = apply(end, &mut user, &cx, Facts::default());
    assert_eq!((outcome.revoked, effects.events.len()), (LIVE_SESSIONS as u64, 1), "one event with the count");
}
