//! What is told of sessions that end: every end, once it is decided, and nothing else.

use super::scene::{HOUR, LIFETIME, Scene};
use std::sync::Arc;
use vestibule_core::{
    bounds,
    bus::{News, SessionsEnded, Signal, Subscription, Which},
    id::SessionId,
    session::{
        CapPolicy, EndReason, PackedSession,
        command::{Cap, Selection, SetData, ShareOutcome, ShareSession},
    },
    token::{Denial, Denied, command::Target},
    user::command::{DeleteUser, DisableUser},
};

/// Listens to the store under test.
fn listen(scene: &Scene) -> Subscription {
    scene.bus.as_ref().expect("the harness tells of a bus").subscribe()
}

/// The next end. A bus that reaches its server meanwhile raises doubt, which is no end.
async fn next_end(news: &mut Subscription) -> SessionsEnded {
    loop {
        if let News::Signal(Signal::SessionsEnded(ended)) = news.next().await.expect("the bus lives") {
            return ended;
        }
    }
}

fn these<'a>(sessions: impl IntoIterator<Item = &'a PackedSession>) -> Which {
    Which::Some(sessions.into_iter().map(PackedSession::id).collect())
}

fn sorted(which: Which) -> Vec<SessionId> {
    let Which::Some(ids) = which else { panic!("named one by one, not {which:?}") };
    let mut ids = ids.to_vec();
    ids.sort_by_key(SessionId::to_bytes);
    ids
}

/// Whose, which, why and since which revision; a step that ends nothing tells nothing.
pub async fn an_end_is_told_once(scene: Scene) {
    let (ada, mut news) = (scene.person(), listen(&scene));
    let (first, second) = (scene.login(&ada).await, scene.login(&ada).await);
    assert_eq!(scene.end_one(&first).await, 1);
    assert_eq!(scene.end_one(&first).await, 0);
    scene.sessions.rotate(scene.cx(), scene.rotation(second.id())).await.expect("rotate answers");
    let expected = scene.current(second.id()).await.revision();
    let data = SetData { id: second.id(), expected, data: Box::from(*b"sealed") };
    scene.sessions.set_data(scene.cx(), data).await.expect("set_data answers");
    assert_eq!(scene.end_one(&second).await, 1);

    let told = next_end(&mut news).await;
    assert_eq!((told.tag, told.which, told.reason), (ada.tag, these([&first]), Some(EndReason::Logout)));
    let later = next_end(&mut news).await;
    assert_eq!((later.tag, later.which, later.reason), (ada.tag, these([&second]), Some(EndReason::Logout)));
    // Two logins before it; a rotation and a payload between the two.
    assert_eq!((told.revision, later.revision), (3, 6));
}

/// Whoever hears of an end and asks at once is not told otherwise.
pub async fn whoever_hears_of_an_end_finds_it_done(scene: Scene) {
    let (ada, mut news, scene) = (scene.person(), listen(&scene), Arc::new(scene));
    let sessions = scene.logins(&ada, 50).await;
    let asking = tokio::spawn({
        let (scene, sessions) = (scene.clone(), sessions.clone());
        async move {
            for session in &sessions {
                assert_eq!(next_end(&mut news).await.which, these([session]));
                assert!(!scene.is_valid(session).await, "it was told too early");
            }
        }
    });
    for session in &sessions {
        assert_eq!(scene.end_one(session).await, 1);
    }
    asking.await.expect("every end is found done");
}

/// The cap, time, and the end of a parent.
pub async fn an_end_that_nobody_asked_for_is_told(scene: Scene) {
    let (ada, mut news) = (scene.person(), listen(&scene));
    let sessions = scene.logins(&ada, 2).await;
    let (first, second) = (&sessions[0], &sessions[1]);
    scene.advance(1);
    scene.create_under(scene.session(&ada), Cap { limit: 2, policy: CapPolicy::EvictOldest }).await;
    let evicted = next_end(&mut news).await;
    assert_eq!((evicted.which, evicted.reason), (these([first]), Some(EndReason::Evicted)));

    let fresh = scene.session(&ada);
    let (parent, serial, digest) = (second.id(), *fresh.id.serial(), fresh.digest);
    let share = ShareSession { parent, serial, digest, scope: Vec::new(), label: None, expires_at: fresh.expires_at };
    let ShareOutcome::Shared(child) = scene.sessions.share(scene.cx(), share).await.expect("share answers") else {
        panic!("expected a share")
    };
    assert_eq!(scene.end_one(second).await, 2);
    let family = next_end(&mut news).await;
    assert_eq!(sorted(family.which), sorted(these([second, &child])));
    assert_eq!(family.reason, Some(EndReason::Logout), "that of the parent");

    scene.advance(LIFETIME + HOUR);
    assert_eq!(scene.expire(&ada).await, 1);
    assert!(next_end(&mut news).await.reason.is_some_and(EndReason::is_expiry));
}

/// Few are named; who stays is not among them.
pub async fn ends_at_once_are_told_at_once(scene: Scene) {
    let (ada, mut news) = (scene.person(), listen(&scene));
    let sessions = scene.logins(&ada, 4).await;
    assert_eq!(scene.end(&ada, Selection::All { except: vec![sessions[1].id()] }).await, 3);
    let told = next_end(&mut news).await;
    assert_eq!(sorted(told.which), sorted(these([&sessions[0], &sessions[2], &sessions[3]])));
    assert_eq!(told.reason, Some(EndReason::Revoked));
}

/// Too many to name are all; whoever holds one asks.
pub async fn many_ends_are_all(scene: Scene) {
    let (ada, mut news) = (scene.person(), listen(&scene));
    scene.logins(&ada, bounds::SIGNAL_SESSIONS + 1).await;
    scene.end(&ada, Selection::All { except: Vec::new() }).await;
    let told = next_end(&mut news).await;
    assert_eq!((told.tag, told.which, told.reason), (ada.tag, Which::All, Some(EndReason::Revoked)));
}

/// Disabled and deleted users have no sessions.
pub async fn the_end_of_a_user_is_that_of_the_sessions(scene: Scene) {
    let (ada, bob, mut news) = (scene.person(), scene.person(), listen(&scene));
    let (of_ada, of_bob) = (scene.login(&ada).await, scene.login(&bob).await);
    scene
        .sessions
        .disable_user(scene.cx(), DisableUser { tag: ada.tag, user_id: ada.id.clone() })
        .await
        .expect("disable_user answers");
    scene.sessions.delete_user(scene.cx(), DeleteUser { tag: bob.tag }).await.expect("delete_user answers");
    let (disabled, deleted) = (next_end(&mut news).await, next_end(&mut news).await);
    assert_eq!((disabled.which, disabled.reason), (these([&of_ada]), Some(EndReason::UserDisabled)));
    assert_eq!((deleted.which, deleted.reason), (these([&of_bob]), Some(EndReason::UserDeleted)));
}

/// What must not be believed any more, in the step that decides it; whoever hears of it finds it in the store.
// S56
pub async fn a_denial_is_told(scene: Scene) {
    let (ada, mut news) = (scene.person(), listen(&scene));
    let session = scene.login(&ada).await;
    let (bound, free) = (scene.issued(&ada, Some(&session)).await, scene.issued(&ada, None).await);
    for (family, revoked) in
        [(&free, scene.revoke(&ada, Target::Family(free.serial)).await), (&bound, scene.end_one(&session).await)]
    {
        assert_eq!(revoked, 1);
        let denial = Denial { tag: ada.tag, what: Denied::Family(family.serial), until: family.deny_until() };
        assert_eq!(next_denials(&mut news).await, [denial]);
        assert!(scene.is_denied(&ada, denial.what).await);
    }
}

async fn next_denials(news: &mut Subscription) -> Vec<Denial> {
    loop {
        if let News::Signal(Signal::TokensDenied(denials)) = news.next().await.expect("the bus lives") {
            return denials.to_vec();
        }
    }
}
