//! Tokens are replaced; ids stay.

use super::scene::{HOUR, IDLE, Scene};
use vestibule_core::{
    event::EventType,
    session::{
        Actor, PackedSession, SessionKind,
        command::{FindOutcome, RotateOutcome, RotateSession, ShareOutcome, ShareSession, StepUp},
        packed::Generation,
    },
};

async fn rotate(scene: &Scene, command: RotateSession) -> PackedSession {
    match scene.sessions.rotate(scene.cx(), command).await.expect("rotate answers") {
        RotateOutcome::Rotated(session) => session,
        other => panic!("expected a rotation, not {other:?}"),
    }
}

/// Both tokens work inside the overlap and are told apart; the old one is unknown from its end on.
pub async fn the_old_token_works_for_the_overlap(scene: Scene) {
    let ada = scene.person();
    let old = scene.login(&ada).await;
    scene.advance(1_000);
    let new = rotate(&scene, scene.rotation(old.id())).await;
    assert_eq!((new.id(), new.rotation(), new.revision()), (old.id(), 1, 2));
    assert_ne!(new.digest(), old.digest());
    let current = FindOutcome::Found { session: new.clone(), generation: Generation::Current };
    assert_eq!(scene.find(&new).await, current);
    scene.advance(4_999);
    let previous = FindOutcome::Found { session: new.clone(), generation: Generation::Previous };
    assert_eq!(scene.find(&old).await, previous);
    scene.advance(1);
    assert_eq!(scene.find(&old).await, FindOutcome::Unknown { user_known: true });
    assert!(scene.is_valid(&new).await);
    let rotated = scene.events_of(&ada, EventType::SessionRotated).await;
    assert_eq!((rotated.len(), rotated[0].session_id), (1, Some(old.id())));
}

/// After a login nothing of the old token may work.
pub async fn without_overlap_the_old_token_is_gone_at_once(scene: Scene) {
    let ada = scene.person();
    let old = scene.login(&ada).await;
    let command = RotateSession { overlap_ms: 0, ..scene.rotation(old.id()) };
    let new = rotate(&scene, command).await;
    assert_eq!(scene.find(&old).await, FindOutcome::Unknown { user_known: true });
    assert!(scene.is_valid(&new).await);
    let newest = rotate(&scene, scene.rotation(old.id())).await;
    assert_eq!(scene.find(&old).await, FindOutcome::Unknown { user_known: true }, "two rotations back");
    assert!(scene.is_valid(&newest).await);
}

/// Privilege that was proved reaches the new token; the previous one keeps what it had.
pub async fn a_step_up_raises_the_new_token_only(scene: Scene) {
    let ada = scene.person();
    let old = scene.login(&ada).await;
    let before = old.unpack();
    scene.advance(60_000);
    let proof = StepUp { mfa: true, amr: vec!["otp".into()] };
    let new = rotate(&scene, RotateSession { step_up: Some(proof), ..scene.rotation(old.id()) }).await;
    let raised = new.unpack();
    assert!(raised.mfa);
    assert_eq!((raised.mfa_at, raised.auth_time), (scene.now(), scene.now()));
    assert_eq!(raised.amr, ["pwd".into(), "otp".into()]);
    match scene.find(&old).await {
        FindOutcome::Found { session, generation: Generation::Previous } => {
            let seen = session.unpack().before_rotation();
            assert!(!seen.mfa);
            assert_eq!((seen.auth_time, seen.amr, seen.rotation), (before.auth_time, before.amr, 0));
        }
        other => panic!("expected the previous token, not {other:?}"),
    }
    assert_eq!(scene.events_of(&ada, EventType::SessionSteppedUp).await.len(), 1);
    let alone = StepUp { mfa: false, amr: vec!["otp".into()] };
    scene.advance(60_000);
    let again = rotate(&scene, RotateSession { step_up: Some(alone), ..scene.rotation(old.id()) }).await.unpack();
    assert_eq!((again.mfa_at, again.auth_time), (raised.mfa_at, scene.now()), "a first factor proves no second");
    assert_eq!(again.amr, raised.amr, "no method twice");
}

/// A repeat with the revision of the first try finds that try's nonce, and rotates nothing.
pub async fn a_lost_answer_is_given_again(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let first = rotate(&scene, RotateSession { expected: Some(1), ..scene.rotation(session.id()) }).await;
    scene.advance(1_000);
    let retry = RotateSession { expected: Some(1), ..scene.rotation(session.id()) };
    assert_eq!(scene.sessions.rotate(scene.cx(), retry).await, Ok(RotateOutcome::Repeated(first.clone())));
    assert_eq!(scene.current(session.id()).await, first);
    assert_eq!(scene.events_of(&ada, EventType::SessionRotated).await.len(), 1);
    let next = rotate(&scene, RotateSession { expected: Some(2), ..scene.rotation(session.id()) }).await;
    assert_eq!((next.revision(), next.rotation()), (3, 2));
}

/// Somebody changed the session since.
pub async fn a_foreign_revision_is_a_conflict(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let command = RotateSession { expected: Some(7), ..scene.rotation(session.id()) };
    assert_eq!(scene.sessions.rotate(scene.cx(), command).await, Ok(RotateOutcome::Conflict(session.clone())));
    assert!(scene.is_valid(&session).await);
}

/// However many try, one token comes of it, and every racer can derive it.
pub async fn parallel_rotations_from_one_revision_agree(scene: Scene) {
    let ada = scene.person();
    for _ in 0..20 {
        let session = scene.login(&ada).await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (sessions, cx) = (scene.sessions.clone(), scene.cx());
                let command = RotateSession { expected: Some(1), ..scene.rotation(session.id()) };
                tokio::spawn(async move { sessions.rotate(cx, command).await })
            })
            .collect();
        let (mut rotated, mut repeated) = (Vec::new(), Vec::new());
        for racer in racers {
            match racer.await.expect("no racer panics").expect("rotate answers") {
                RotateOutcome::Rotated(session) => rotated.push(session),
                RotateOutcome::Repeated(session) => repeated.push(session),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((rotated.len(), repeated.len()), (1, 7));
        assert!(repeated.iter().all(|seen| *seen == rotated[0]));
        assert!(scene.is_valid(&rotated[0]).await);
    }
}

/// A share may get a new token, but no more rights by it; nor may an impersonation.
// S48, S49
pub async fn confined_sessions_cannot_step_up(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    let parent = scene.login(&ada).await;
    let template = scene.session(&ada);
    let expires_at = template.expires_at;
    let share = ShareSession {
        parent: parent.id(),
        serial: *template.id.serial(),
        digest: template.digest,
        scope: vec!["read".into()],
        label: None,
        expires_at,
    };
    let share = match scene.sessions.share(scene.cx(), share).await.expect("share answers") {
        ShareOutcome::Shared(share) => share,
        other => panic!("expected a share, not {other:?}"),
    };
    let mut acting = scene.session(&ada);
    acting.kind = SessionKind::Impersonation;
    acting.actor = Some(Actor { user_id: root.id, session_id: None });
    let acting = scene.create(acting).await;
    for confined in [share, acting] {
        let proof = Some(StepUp { mfa: true, amr: vec!["otp".into()] });
        let command = RotateSession { step_up: proof, ..scene.rotation(confined.id()) };
        assert_eq!(scene.sessions.rotate(scene.cx(), command).await, Ok(RotateOutcome::Refused));
        assert_eq!(scene.current(confined.id()).await, confined);
        rotate(&scene, scene.rotation(confined.id())).await;
    }
}

/// Payload, rights and end are the session's, not the token's.
pub async fn a_rotated_session_keeps_what_is_its_own(scene: Scene) {
    let ada = scene.person();
    let before = scene.login(&ada).await.unpack();
    scene.advance(1_000);
    let after = rotate(&scene, scene.rotation(before.id)).await.unpack();
    assert_eq!((&after.data, &after.roles, after.expires_at), (&before.data, &before.roles, before.expires_at));
    assert_eq!((after.created_at, after.last_seen_at), (before.created_at, scene.now()));
    scene.advance(IDLE - 1);
    assert!(scene.is_valid(&PackedSession::pack(&after)).await);
}

/// Ended, expired and unknown sessions get no token.
pub async fn nothing_is_rotated_after_the_end(scene: Scene) {
    let ada = scene.person();
    let (ended, rested) = (scene.login(&ada).await, scene.login(&ada).await);
    scene.end_one(&ended).await;
    scene.advance(IDLE + HOUR);
    for id in [ended.id(), rested.id(), scene.session(&ada).id] {
        let command = scene.rotation(id);
        let digest = command.digest;
        assert_eq!(scene.sessions.rotate(scene.cx(), command).await, Ok(RotateOutcome::Gone));
        assert!(!matches!(scene.find_digest(ada.tag, digest).await, FindOutcome::Found { .. }));
    }
}
