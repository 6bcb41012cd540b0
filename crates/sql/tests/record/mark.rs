//! Ending all of a user: one mark, however many there are.

use crate::scene::{START, Scene, create, created, end_all, request, tag, touch};
use std::{collections::BTreeSet, time::Duration};
use vestibule_core::{
    record::Record,
    session::{
        EndReason, PackedSession,
        command::{EndOutcome, SetData},
    },
    time::Timestamp,
    user::command::{DeleteUser, Outcome},
};
use vestibule_sql::bounds::MARK_ABOVE;

const MANY: u64 = 10_000;

/// Background steps have a bound, not a time: waits until they are through.
async fn settled(scene: &Scene) {
    tokio::time::timeout(Duration::from_secs(60), async {
        while scene.count("SELECT count(*) FROM marks") > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the marks are settled");
}

fn ids(sessions: &[PackedSession]) -> BTreeSet<[u8; 12]> {
    sessions.iter().map(|session| *session.id().serial()).collect()
}

// S12, P6: all end at once, survivors stay, and history is right before and after the rows are.
#[tokio::test]
async fn all_but_one_of_ten_thousand_end_by_one_mark() {
    let mut scene = Scene::new();
    let ada = tag(1);
    let sessions = scene.crowd(ada, MANY).await;
    let kept = sessions[17].id();
    let at = START.plus_ms(MANY);
    let rows = scene.count("SELECT count(*) FROM sessions");
    let decided = scene.decide(vec![request(at, end_all(ada, &[kept]))]).await.remove(0);
    assert_eq!(decided.outcome, Outcome::EndSessions(EndOutcome { revoked: MANY - 1 }));
    // Nothing of what follows may depend on how far the background is.
    assert_eq!(ids(&scene.load(ada).await.user.live), BTreeSet::from([*kept.serial()]));
    let history = scene.history(ada).await;
    assert_eq!(history.len() as u64, MANY - 1);
    assert!(history.iter().all(|session| session.ended().is_some_and(|end| end.at == at && end.reason == EndReason::Revoked)));
    assert!(history.is_sorted_by_key(|session| std::cmp::Reverse(*session.id().serial())));
    let found = scene.record().find_ended(ada, sessions[5].digest()).await.expect("reads").expect("it ended");
    assert_eq!((found.id(), found.ended().map(|end| end.at)), (sessions[5].id(), Some(at)));
    assert_eq!(scene.record().find_ended(ada, sessions[17].digest()).await.expect("reads"), None);
    scene.reopen();
    settled(&scene).await;
    assert_eq!(ids(&scene.history(ada).await), ids(&history));
    assert_eq!(ids(&scene.load(ada).await.user.live), BTreeSet::from([*kept.serial()]));
    assert_eq!(scene.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL"), 1);
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), rows);
    let stats = scene.record().stats().await.expect("reads");
    assert_eq!((stats.sessions, stats.users, stats.revoked_total), (1, 1, MANY - 1));
}

/// Pages of any size give the same history, whether or not its rows are settled.
#[tokio::test]
async fn history_is_paged_across_marks() {
    let scene = Scene::new();
    let ada = tag(1);
    let count = MARK_ABOVE as u64 * 3;
    for round in 0..3 {
        scene.logins(ada, count).await;
        scene.outcome(START.plus_ms(count + round), end_all(ada, &[])).await;
    }
    let whole = scene.history(ada).await;
    assert_eq!(whole.len() as u64, 3 * count);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = scene.record().history(ada, before, 50).await.expect("reads");
        let Some(last) = page.last() else { break };
        before = Some((last.ended().expect("ended").at, last.id()));
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    settled(&scene).await;
    assert_eq!(scene.history(ada).await, whole);
}

/// A session that was touched, changed or made in the batch that ends all keeps what was last known of it.
#[tokio::test]
async fn a_mark_and_changes_of_the_same_batch() {
    let scene = Scene::new();
    let ada = tag(1);
    let sessions = scene.logins(ada, 2 * MARK_ABOVE as u64).await;
    let at = START.plus_ms(1_000);
    let mut end = request(at, end_all(ada, &[sessions[0].id()]));
    end.touches = vec![touch(sessions[1].id(), at)];
    let (mut before, mut after) = (create(at, ada), create(at, ada));
    before.cx.now = at;
    after.cx.now = at;
    let data = SetData { id: sessions[2].id(), expected: 1, data: vec![5].into() };
    let decided = scene.decide(vec![before, request(at, data), end, after]).await;
    let (before, after) = (created(decided[0].clone()), created(decided[3].clone()));
    assert_eq!(ids(&scene.load(ada).await.user.live), ids(&[sessions[0].clone(), after.clone()]));
    settled(&scene).await;
    assert_eq!(ids(&scene.load(ada).await.user.live), ids(&[sessions[0].clone(), after]));
    let history = scene.history(ada).await;
    assert_eq!(history.len(), 2 * MARK_ABOVE);
    let of = |id| history.iter().find(|session| session.id() == id).expect("it is history");
    assert_eq!(of(sessions[1].id()).last_seen_at(), at);
    assert_eq!(of(sessions[2].id()).revision(), 2);
    assert_eq!(of(before.id()).ended().map(|end| end.at), Some(at));
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), 2 * MARK_ABOVE as u64 + 2);
}

/// A deleted user has no history at once and no row soon; who comes back under the same tag begins anew.
#[tokio::test]
async fn deleting_erases_what_marks_have_not_reached() {
    let mut scene = Scene::new();
    let ada = tag(1);
    scene.logins(ada, 500).await;
    let at = START.plus_ms(500);
    scene.outcome(at, end_all(ada, &[])).await;
    let ended = scene.logins(ada, 300).await;
    let again = create(at, ada);
    let decided = scene.decide(vec![request(at, DeleteUser { tag: ada }), again]).await;
    let fresh = created(decided[1].clone());
    assert!(scene.history(ada).await.is_empty());
    assert_eq!(scene.record().find_ended(ada, ended[0].digest()).await.expect("reads"), None);
    assert_eq!(ids(&scene.load(ada).await.user.live), ids(std::slice::from_ref(&fresh)));
    scene.reopen();
    settled(&scene).await;
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), 1);
    assert_eq!(ids(&scene.load(ada).await.user.live), ids(&[fresh]));
}

/// What ended under a mark is forgotten like anything else.
#[tokio::test]
async fn forgetting_reaches_what_is_under_a_mark() {
    let scene = Scene::new();
    let ada = tag(1);
    scene.logins(ada, 300).await;
    let at = START.plus_ms(300);
    scene.outcome(at, end_all(ada, &[])).await;
    let forget = async |before: Timestamp| scene.record().forget_ended(before, 1_000).await.expect("forgets");
    assert_eq!(forget(at).await, 300, "entries of the change log, and no session");
    assert_eq!(forget(at.plus_ms(1)).await, 301);
    assert!(scene.history(ada).await.is_empty());
    assert_eq!(scene.count("SELECT count(*) FROM sessions"), 0);
}
