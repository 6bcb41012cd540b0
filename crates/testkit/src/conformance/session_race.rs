//! Commands on one user at the same time.

use super::scene::{IDLE, ROOMY, Scene};
use crate::bounds::RACE_ROUNDS;
use vestibule_core::{
    session::{
        PackedSession,
        command::{AmendSession, CreateOutcome, CreateSession, EndSessions, FindOutcome, Selection, SetData, Touch},
        {EndReason, TokenDigest},
    },
    user::Context,
};

/// All writers of a session at once, each from what it read before. Returns the digest that the rotation would give it.
fn write(scene: &Scene, session: &PackedSession) -> (Vec<tokio::task::JoinHandle<()>>, TokenDigest) {
    let (id, revision, cx) = (session.id(), session.revision(), scene.cx());
    let touch = Touch { id, at: scene.now(), idle_timeout_ms: IDLE, activity: Some("/slow".into()) };
    let data = SetData { id, expected: revision, data: vec![9; 64].into() };
    let extension = AmendSession { id, expected: None, roles: None, profile: None, limits: None, extends: true };
    let rotation = scene.rotation(id);
    let digest = rotation.digest;
    let store = || scene.sessions.clone();
    let (touches, writes, extends, rotates) = (store(), store(), store(), store());
    let contexts: [Context; 3] = [cx.clone(), cx.clone(), cx];
    let [first, second, third] = contexts;
    let tasks = vec![
        tokio::spawn(async move {
            let _ = touches.touch(touch).await.expect("touch answers");
        }),
        tokio::spawn(async move {
            let _ = writes.set_data(first, data).await.expect("set_data answers");
        }),
        tokio::spawn(async move {
            let _ = extends.amend(second, extension).await.expect("amend answers");
        }),
        tokio::spawn(async move {
            let _ = rotates.rotate(third, rotation).await.expect("rotate answers");
        }),
    ];
    (tasks, digest)
}

/// Whatever a request read before the end, nothing that it writes afterwards brings the session back.
// S12
pub async fn a_slow_writer_never_revives_a_session(scene: Scene) {
    let ada = scene.person();
    for round in 0..RACE_ROUNDS {
        scene.advance(1);
        let session = scene.login(&ada).await;
        let (mut tasks, digest) = write(&scene, &session);
        let (sessions, cx) = (scene.sessions.clone(), scene.cx());
        let selection = match round % 2 {
            0 => Selection::One(session.id()),
            _ => Selection::All { except: Vec::new() },
        };
        let end = EndSessions { tag: ada.tag, selection, reason: EndReason::Revoked };
        tasks.push(tokio::spawn(async move { assert_eq!(sessions.end(cx, end).await.expect("end answers").revoked, 1) }));
        for task in tasks {
            task.await.expect("no writer panics");
        }
        assert!(!scene.is_valid(&session).await, "round {round}");
        let rotated = scene.find_digest(ada.tag, digest).await;
        assert!(!matches!(rotated, FindOutcome::Found { .. }), "round {round}: {rotated:?}");
        assert!(scene.list(&ada).await.is_empty(), "round {round}");
    }
}

/// A login that meets a log-out everywhere is either ended by it or valid as a whole: token, id, list and figures agree.
// S15
pub async fn a_login_racing_log_out_everywhere_is_whole(scene: Scene) {
    for round in 0..RACE_ROUNDS / 10 {
        let ada = scene.person();
        let before = scene.login(&ada).await;
        let (creates, ends) = (scene.sessions.clone(), scene.sessions.clone());
        let (first, second) = (scene.cx(), scene.cx());
        let create =
            CreateSession { session: scene.session(&ada), cap: ROOMY, login: false, device: None, is_new_browser: false };
        let selection = Selection::All { except: Vec::new() };
        let end = EndSessions { tag: ada.tag, selection, reason: EndReason::Revoked };
        let login = tokio::spawn(async move { creates.create(first, create).await });
        let log_out = tokio::spawn(async move { ends.end(second, end).await });
        let login = login.await.expect("no panic").expect("create answers");
        let CreateOutcome::Created { session, .. } = login else { panic!("round {round}: {login:?}") };
        let revoked = log_out.await.expect("no panic").expect("end answers").revoked;
        let valid = scene.is_valid(&session).await;
        assert!(!scene.is_valid(&before).await, "round {round}");
        assert_eq!(revoked, if valid { 1 } else { 2 }, "round {round}");
        assert_eq!(scene.list(&ada).await.len(), usize::from(valid), "round {round}");
        assert_eq!(scene.ends(&ada).await.len() as u64, revoked, "round {round}");
    }
}
