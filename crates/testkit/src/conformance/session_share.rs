//! Children of a session, and sessions in which somebody acts for another.

use super::scene::{HOUR, IDLE, LIFETIME, MINUTE, Person, Scene};
use vestibule_core::{
    event::EventType,
    id::SessionId,
    session::{
        Actor, EndReason, PackedSession, SessionKind,
        command::{ShareOutcome, ShareSession},
    },
    time::Timestamp,
};

fn share(scene: &Scene, owner: &Person, parent: SessionId, expires_at: Timestamp) -> ShareSession {
    let fresh = scene.session(owner);
    ShareSession {
        parent,
        serial: *fresh.id.serial(),
        digest: fresh.digest,
        scope: vec!["read".into()],
        label: Some("printer".into()),
        expires_at,
    }
}

async fn shared(scene: &Scene, owner: &Person, parent: &PackedSession) -> PackedSession {
    let command = share(scene, owner, parent.id(), scene.now().plus_ms(LIFETIME));
    match scene.sessions.share(scene.cx(), command).await.expect("share answers") {
        ShareOutcome::Shared(session) => session,
        other => panic!("expected a share, not {other:?}"),
    }
}

/// Its own id and token, its parent's user and roles, a scope, and no history of its parent's.
// S48
pub async fn a_share_is_a_child_with_less(scene: Scene) {
    let ada = scene.person();
    let parent = scene.login(&ada).await;
    scene.advance(MINUTE);
    let child = shared(&scene, &ada, &parent).await;
    let seen = child.unpack();
    assert_eq!((seen.kind, seen.parent, seen.scope), (SessionKind::Share, Some(parent.id()), vec!["read".into()]));
    assert_eq!((seen.label.as_deref(), seen.user_id.as_ref()), (Some("printer"), Some(&ada.id)));
    assert_eq!((seen.created_at, seen.revision, seen.rotation), (scene.now(), 1, 0));
    assert_eq!(seen.expires_at, parent.expires_at(), "no later than its parent");
    assert_eq!(seen.roles, parent.unpack().roles);
    assert_ne!(child.digest(), parent.digest());
    assert_eq!(scene.count_valid(&[parent.clone(), child]).await, 2);
    scene.sessions.rotate(scene.cx(), scene.rotation(parent.id())).await.expect("rotate answers");
    let after = shared(&scene, &ada, &parent).await.unpack();
    assert_eq!((after.previous, after.rotated), (None, None), "its parent's old token is none of its own");
    let created = scene.events_of(&ada, EventType::SessionCreated).await;
    assert_eq!(created[0].reason.as_deref(), Some("share"));
}

/// The parent takes its children along; a child goes alone.
// S48
pub async fn a_share_ends_with_its_parent_and_not_the_other_way_round(scene: Scene) {
    let ada = scene.person();
    let parent = scene.login(&ada).await;
    let (first, second) = (shared(&scene, &ada, &parent).await, shared(&scene, &ada, &parent).await);
    let other = scene.login(&ada).await;
    assert_eq!(scene.end_one(&first).await, 1);
    assert_eq!(scene.count_valid(&[parent.clone(), second.clone()]).await, 2);
    scene.advance(10);
    assert_eq!(scene.end_one(&parent).await, 2);
    assert_eq!(scene.count_valid(&[parent.clone(), first, second.clone()]).await, 0);
    assert!(scene.is_valid(&other).await);
    let ends = scene.ends(&ada).await;
    assert!(ends.contains(&(parent.id(), EndReason::Logout)));
    assert!(ends.contains(&(second.id(), EndReason::ParentEnded)));
}

/// By its own time, by the time of its parent, and by its parent's rest.
// S48
pub async fn a_share_never_outlives_its_parent(scene: Scene) {
    let ada = scene.person();
    let parent = scene.login(&ada).await;
    let brief = share(&scene, &ada, parent.id(), scene.now().plus_ms(MINUTE));
    let brief = match scene.sessions.share(scene.cx(), brief).await.expect("share answers") {
        ShareOutcome::Shared(session) => session,
        other => panic!("expected a share, not {other:?}"),
    };
    let mut restless = scene.session(&ada);
    restless.idle_timeout_ms = 5 * MINUTE;
    let restless = scene.create(restless).await;
    let child = shared(&scene, &ada, &restless).await;
    scene.advance(2 * MINUTE);
    assert!(!scene.is_valid(&brief).await);
    assert!(scene.is_valid(&parent).await);
    // The child is used, its parent is not.
    let touch =
        vestibule_core::session::command::Touch { id: child.id(), at: scene.now(), idle_timeout_ms: IDLE, activity: None };
    scene.sessions.touch(touch).await.expect("touch answers");
    scene.advance(20 * MINUTE);
    assert!(!scene.is_valid(&restless).await);
    assert!(!scene.is_valid(&child).await);
    assert_eq!(scene.list(&ada).await.len(), 1);
    scene.advance(HOUR);
    assert_eq!(scene.expire(&ada).await, 4);
}

/// One level is all there is.
// S48
pub async fn a_share_of_a_share_is_refused(scene: Scene) {
    let ada = scene.person();
    let parent = scene.login(&ada).await;
    let child = shared(&scene, &ada, &parent).await;
    let command = share(&scene, &ada, child.id(), child.expires_at());
    assert_eq!(scene.sessions.share(scene.cx(), command).await, Ok(ShareOutcome::Nested));
    assert_eq!(scene.list(&ada).await.len(), 2);
}

/// Whoever acts for another hands nothing on.
// S49
pub async fn an_impersonation_is_not_shared(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    let mut acting = scene.session(&ada);
    acting.kind = SessionKind::Impersonation;
    acting.actor = Some(Actor { user_id: root.id, session_id: None });
    let acting = scene.create(acting).await;
    let command = share(&scene, &ada, acting.id(), acting.expires_at());
    assert_eq!(scene.sessions.share(scene.cx(), command).await, Ok(ShareOutcome::Impersonated));
}

/// Ended, expired and unknown parents have no children.
pub async fn nothing_is_shared_after_the_end(scene: Scene) {
    let ada = scene.person();
    let (ended, rested) = (scene.login(&ada).await, scene.login(&ada).await);
    scene.end_one(&ended).await;
    scene.advance(IDLE + HOUR);
    for id in [ended.id(), rested.id(), scene.session(&ada).id] {
        let command = share(&scene, &ada, id, scene.now().plus_ms(MINUTE));
        assert_eq!(scene.sessions.share(scene.cx(), command).await, Ok(ShareOutcome::Gone));
    }
    assert!(scene.list(&ada).await.is_empty());
}

/// The session tells who acts, and so does every event about it.
// S49
pub async fn an_impersonation_carries_its_actor(scene: Scene) {
    let (ada, root) = (scene.person(), scene.person());
    let own = scene.login(&root).await;
    let mut acting = scene.session(&ada);
    acting.kind = SessionKind::Impersonation;
    acting.actor = Some(Actor { user_id: root.id.clone(), session_id: Some(own.id()) });
    let acting = scene.create(acting).await;
    let actor = acting.unpack().actor.expect("it has an actor");
    assert_eq!((&actor.user_id, actor.session_id), (&root.id, Some(own.id())));
    assert!(acting.has_actor());
    scene.advance(10);
    scene.end_one(&acting).await;
    let timeline = scene.timeline(&ada).await;
    assert_eq!(timeline.len(), 2);
    for event in timeline {
        assert_eq!(event.actor.as_deref(), Some(root.id.as_str()), "{event:?}");
        assert_eq!(event.subject.as_ref(), Some(&ada.id), "{event:?}");
    }
}
