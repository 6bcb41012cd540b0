//! Sessions begin, within the cap.

use super::scene::{HOUR, IDLE, ROOMY, Scene};
use crate::bounds::{STORM_LOGINS, STORM_ROUNDS};
use vestibule_core::{
    event::EventType,
    session::{
        Actor, CapPolicy, EndReason, PackedSession, SessionKind,
        command::{Cap, CreateOutcome, CreateSession, FindOutcome},
        packed::Generation,
    },
    user::command::DisableUser,
};

fn cap(limit: usize, policy: CapPolicy) -> Cap {
    Cap { limit, policy }
}

/// What was stored is what was given, by token and by id, and the event tells of it.
pub async fn a_session_begins_as_it_was_given(scene: Scene) {
    let ada = scene.person();
    let session = scene.session(&ada);
    let packed = scene.create(session.clone()).await;
    assert_eq!(packed.unpack(), session);
    assert_eq!(scene.current(session.id).await, packed);
    assert_eq!(scene.find(&packed).await, FindOutcome::Found { session: packed.clone(), generation: Generation::Current });
    let timeline = scene.timeline(&ada).await;
    assert_eq!(timeline.len(), 1);
    let event = &timeline[0];
    assert_eq!((event.kind, event.session_id, event.time), (EventType::SessionCreated, Some(session.id), scene.now()));
    assert_eq!((event.subject.as_ref(), event.reason.as_deref()), (Some(&ada.id), Some("login")));
}

/// The login itself is in the timeline beside the session.
pub async fn a_login_with_a_password_is_an_event_of_its_own(scene: Scene) {
    let ada = scene.person();
    let session = scene.session(&ada);
    let command = CreateSession { session: session.clone(), cap: ROOMY, login: true, device: None, is_new_browser: false };
    scene.sessions.create(scene.cx(), command).await.expect("create answers");
    let logins = scene.events_of(&ada, EventType::LoginSucceeded).await;
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].session_id, Some(session.id));
    assert_eq!(scene.events_of(&ada, EventType::SessionCreated).await.len(), 1);
}

/// Nobody has said who they are, and the session is as good as any other.
pub async fn an_anonymous_session_has_no_user(scene: Scene) {
    let nobody = scene.person();
    let mut session = scene.session(&nobody);
    session.user_id = None;
    session.kind = SessionKind::Anonymous;
    let packed = scene.create(session.clone()).await;
    assert_eq!(packed.unpack(), session);
    assert!(scene.is_valid(&packed).await);
    assert_eq!(scene.timeline(&nobody).await[0].subject, None);
    let figures = scene.sessions.analytics(nobody.tag, scene.now()).await.expect("analytics answers");
    assert_eq!((figures.active, figures.last_login_at), (1, None));
}

/// The oldest by creation goes, however recently it was used.
pub async fn one_too_many_evicts_the_oldest(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 3).await;
    scene.advance(1);
    match scene.create_under(scene.session(&ada), cap(3, CapPolicy::EvictOldest)).await {
        CreateOutcome::Created { session, evicted } => {
            assert_eq!(evicted, [sessions[0].id()]);
            assert!(scene.is_valid(&session).await);
        }
        other => panic!("expected an eviction, not {other:?}"),
    }
    assert!(!scene.is_valid(&sessions[0]).await);
    assert_eq!(scene.count_valid(&sessions[1..]).await, 2);
    assert_eq!(scene.ends(&ada).await, [(sessions[0].id(), EndReason::Evicted)]);
    let ended = scene.events_of(&ada, EventType::SessionEnded).await;
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].session_id, ended[0].reason.as_deref()), (Some(sessions[0].id()), Some("evicted")));
}

/// A cap that was lowered is kept by the next login.
pub async fn a_lower_cap_evicts_as_many_as_needed(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 5).await;
    scene.advance(1);
    let oldest: Vec<_> = sessions[..4].iter().map(PackedSession::id).collect();
    match scene.create_under(scene.session(&ada), cap(2, CapPolicy::EvictOldest)).await {
        CreateOutcome::Created { evicted, .. } => assert_eq!(evicted, oldest),
        other => panic!("expected evictions, not {other:?}"),
    }
    assert_eq!(scene.list(&ada).await.len(), 2);
}

/// Nothing changes but the timeline.
// S19
pub async fn one_too_many_is_refused(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 3).await;
    let refused = scene.session(&ada);
    let outcome = scene.create_under(refused.clone(), cap(3, CapPolicy::Deny)).await;
    assert_eq!(outcome, CreateOutcome::LimitReached { limit: 3 });
    assert_eq!(scene.count_valid(&sessions).await, 3);
    assert!(!scene.is_valid(&PackedSession::pack(&refused)).await);
    let events = scene.events_of(&ada, EventType::SessionLimitExceeded).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].reason.as_deref(), events[0].count), (Some("excess_sessions_exceeded"), Some(3)));
}

/// Shares, impersonations and anonymous sessions neither count nor are refused.
pub async fn only_logins_count_towards_the_cap(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    let login = scene.login(&ada).await;
    for kind in [SessionKind::Impersonation, SessionKind::Anonymous] {
        let mut session = scene.session(&ada);
        session.kind = kind;
        session.actor = Some(Actor { user_id: root.id.clone(), session_id: None });
        match scene.create_under(session, cap(1, CapPolicy::Deny)).await {
            CreateOutcome::Created { evicted, .. } => assert!(evicted.is_empty()),
            other => panic!("{kind:?}: {other:?}"),
        }
    }
    assert!(scene.is_valid(&login).await);
    let refused = scene.create_under(scene.session(&ada), cap(1, CapPolicy::Deny)).await;
    assert_eq!(refused, CreateOutcome::LimitReached { limit: 1 });
}

/// What time has ended makes room without being evicted.
// S20
pub async fn expired_sessions_do_not_count_towards_the_cap(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 3).await;
    scene.advance(IDLE + HOUR);
    match scene.create_under(scene.session(&ada), cap(3, CapPolicy::Deny)).await {
        CreateOutcome::Created { evicted, .. } => assert!(evicted.is_empty()),
        other => panic!("expected room, not {other:?}"),
    }
    assert_eq!(scene.list(&ada).await.len(), 1);
    assert_eq!(scene.count_valid(&sessions).await, 0);
    assert_eq!(scene.events_of(&ada, EventType::SessionExpired).await.len(), 3);
    assert_eq!(scene.events_of(&ada, EventType::SessionEnded).await.len(), 0);
}

/// Disabled users are told apart from those at their cap.
// S13
pub async fn a_disabled_user_gets_no_session(scene: Scene) {
    let ada = scene.person();
    let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers");
    assert_eq!(scene.create_under(scene.session(&ada), ROOMY).await, CreateOutcome::UserDisabled);
    assert!(scene.list(&ada).await.is_empty());
}

/// Starts many sessions at once. Returns the sessions and how many were refused.
async fn storm(scene: &Scene, policy: CapPolicy) -> (super::Person, Vec<PackedSession>, usize) {
    let ada = scene.person();
    let logins: Vec<_> = (0..STORM_LOGINS)
        .map(|_| {
            let (sessions, cx) = (scene.sessions.clone(), scene.cx());
            let command = CreateSession {
                session: scene.session(&ada),
                cap: cap(10, policy),
                login: false,
                device: None,
                is_new_browser: false,
            };
            tokio::spawn(async move { sessions.create(cx, command).await })
        })
        .collect();
    let (mut created, mut refused) = (Vec::new(), 0);
    for login in logins {
        match login.await.expect("no login panics").expect("create answers") {
            CreateOutcome::Created { session, .. } => created.push(session),
            CreateOutcome::LimitReached { limit: 10 } => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    (ada, created, refused)
}

/// However many log in at once, exactly the cap is valid afterwards.
// S18
pub async fn parallel_logins_leave_exactly_the_cap(scene: Scene) {
    for round in 0..STORM_ROUNDS {
        let (ada, created, refused) = storm(&scene, CapPolicy::EvictOldest).await;
        assert_eq!((created.len(), refused), (STORM_LOGINS, 0), "round {round}");
        assert_eq!(scene.count_valid(&created).await, 10, "round {round}");
        assert_eq!(scene.list(&ada).await.len(), 10, "round {round}");
    }
}

/// However many log in at once, exactly the cap succeeds.
// S19
pub async fn parallel_logins_are_refused_beyond_the_cap(scene: Scene) {
    for round in 0..STORM_ROUNDS {
        let (ada, created, refused) = storm(&scene, CapPolicy::Deny).await;
        assert_eq!((created.len(), refused), (10, STORM_LOGINS - 10), "round {round}");
        assert_eq!(scene.count_valid(&created).await, 10, "round {round}");
        assert_eq!(scene.list(&ada).await.len(), 10, "round {round}");
    }
}
