//! Users as a whole: disabled, enabled, deleted.

use super::scene::{Person, ROOMY, Scene};
use vestibule_core::{
    event::EventType,
    session::{
        EndReason,
        command::{CreateOutcome, FindOutcome, UserAnalytics},
    },
    user::command::{DeleteOutcome, DeleteUser, DisableUser, EnableOutcome, EnableUser},
};

async fn disable(scene: &Scene, person: &Person) -> u64 {
    let command = DisableUser { tag: person.tag, user_id: person.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers").revoked
}

async fn delete(scene: &Scene, person: &Person) -> DeleteOutcome {
    scene.sessions.delete_user(scene.cx(), DeleteUser { tag: person.tag }).await.expect("delete answers")
}

/// All end, none begins, and a repeat changes nothing.
// S13
pub async fn a_disabled_user_has_no_session_and_gets_none(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let sessions = scene.logins(&ada, 3).await;
    let his = scene.login(&bob).await;
    scene.advance(10);
    assert_eq!(disable(&scene, &ada).await, 3);
    assert_eq!(disable(&scene, &ada).await, 0);
    assert_eq!(scene.count_valid(&sessions).await, 0);
    assert!(scene.is_valid(&his).await);
    assert_eq!(scene.create_under(scene.session(&ada), ROOMY).await, CreateOutcome::UserDisabled);
    assert!(scene.ends(&ada).await.iter().all(|(_, reason)| *reason == EndReason::UserDisabled));
    let events = scene.events_of(&ada, EventType::UserDisabled).await;
    assert_eq!((events.len(), events[0].count), (1, Some(3)));
}

/// Users need neither account nor session to be disabled.
// S13
pub async fn a_stranger_can_be_disabled(scene: Scene) {
    let ada = scene.person();
    assert_eq!(disable(&scene, &ada).await, 0);
    assert_eq!(scene.create_under(scene.session(&ada), ROOMY).await, CreateOutcome::UserDisabled);
    assert_eq!(scene.events_of(&ada, EventType::UserDisabled).await[0].subject.as_ref(), Some(&ada.id));
}

/// The old sessions stay ended, new ones begin.
// S13
pub async fn enabling_revives_nothing(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 2).await;
    disable(&scene, &ada).await;
    let enable = async || scene.sessions.enable_user(scene.cx(), EnableUser { tag: ada.tag }).await;
    assert_eq!(enable().await, Ok(EnableOutcome { was_disabled: true }));
    assert_eq!(enable().await, Ok(EnableOutcome { was_disabled: false }));
    assert_eq!(scene.count_valid(&sessions).await, 0);
    let new = scene.login(&ada).await;
    assert!(scene.is_valid(&new).await);
    assert_eq!(scene.events_of(&ada, EventType::AdminUserEnabled).await.len(), 1);
}

/// Nothing is left but the events, and the same person can come back.
// S13
pub async fn deleting_erases_history_and_figures(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 3).await;
    scene.end_one(&sessions[0]).await;
    scene.advance(10);
    assert_eq!(delete(&scene, &ada).await, DeleteOutcome { revoked: 2, had_account: false });
    assert_eq!(scene.count_valid(&sessions).await, 0);
    assert!(scene.ends(&ada).await.is_empty());
    let figures = scene.sessions.analytics(ada.tag, scene.now()).await;
    assert_eq!(figures, Ok(UserAnalytics::default()));
    assert_eq!(scene.events_of(&ada, EventType::AdminUserDeleted).await[0].count, Some(2));
    scene.advance(2_000);
    let new = scene.login(&ada).await;
    assert!(scene.is_valid(&new).await);
    assert_eq!(scene.count_valid(&sessions).await, 0);
    for session in &sessions {
        assert!(!matches!(scene.find(session).await, FindOutcome::Found { .. }));
    }
    let figures = scene.sessions.analytics(ada.tag, scene.now()).await.expect("analytics answers");
    assert_eq!((figures.total, figures.active), (1, 1));
}

/// No trace of somebody who never was.
pub async fn deleting_a_stranger_does_nothing(scene: Scene) {
    let ada = scene.person();
    assert_eq!(delete(&scene, &ada).await, DeleteOutcome { revoked: 0, had_account: false });
    assert!(scene.timeline(&ada).await.is_empty());
}
