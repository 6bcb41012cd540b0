//! Lookups, lists, history and figures.

use super::scene::{HOUR, IDLE, LIFETIME, MINUTE, Scene};
use vestibule_core::{
    event::EventType,
    id::random,
    session::{
        Device, EndReason, PackedSession, TokenDigest,
        command::{FindOutcome, GetOutcome, Selection, Touch, UserAnalytics},
    },
    stats::Stats,
    user::command::DisableUser,
};

/// Nobody's token, a stranger's id, and a user of whom nothing is known.
pub async fn a_token_that_nobody_has_leads_nowhere(scene: Scene) {
    let (ada, stranger) = (scene.person(), scene.person());
    let digest = || TokenDigest::from_bytes(random());
    assert_eq!(scene.find_digest(stranger.tag, digest()).await, FindOutcome::Unknown { user_known: false });
    scene.login(&ada).await;
    assert_eq!(scene.find_digest(ada.tag, digest()).await, FindOutcome::Unknown { user_known: true });
    let id = scene.session(&ada).id;
    assert_eq!(scene.sessions.get(id, scene.now()).await, Ok(GetOutcome::Missing));
    assert!(scene.list(&stranger).await.is_empty());
    assert!(scene.ends(&stranger).await.is_empty());
    let figures = scene.sessions.analytics(stranger.tag, scene.now()).await;
    assert_eq!(figures, Ok(UserAnalytics::default()));
}

/// The idle deadline is exclusive, and needs nobody to notice it.
pub async fn a_session_rests_no_longer_than_its_idle_timeout(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    scene.advance(IDLE - 1);
    assert!(scene.is_valid(&session).await);
    scene.advance(1);
    let expected = FindOutcome::Ended { reason: EndReason::Idle, id: Some(session.id()), unnoticed: true };
    assert_eq!(scene.find(&session).await, expected);
    assert_eq!(scene.sessions.get(session.id(), scene.now()).await, Ok(GetOutcome::Missing));
    assert!(scene.list(&ada).await.is_empty());
}

/// The absolute end comes however often a session is used.
pub async fn a_session_lives_no_longer_than_its_lifetime(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    for _ in 0..LIFETIME / (20 * MINUTE) - 1 {
        scene.advance(20 * MINUTE);
        let touch = Touch { id: session.id(), at: scene.now(), idle_timeout_ms: IDLE, activity: None };
        scene.sessions.touch(touch).await.expect("touch answers");
    }
    assert!(scene.is_valid(&session).await);
    scene.advance(20 * MINUTE);
    let expected = FindOutcome::Ended { reason: EndReason::Absolute, id: Some(session.id()), unnoticed: true };
    assert_eq!(scene.find(&session).await, expected);
}

/// Whoever looks first does not change what the next one sees.
// S20
pub async fn an_expired_session_stays_expired_once_noticed(scene: Scene) {
    let ada = scene.person();
    let session = scene.login(&ada).await;
    scene.advance(IDLE + HOUR);
    assert!(!scene.is_valid(&session).await);
    assert_eq!(scene.expire(&ada).await, 1);
    assert_eq!(scene.expire(&ada).await, 0, "a repeat ends nothing");
    let expected = FindOutcome::Ended { reason: EndReason::Idle, id: Some(session.id()), unnoticed: false };
    assert_eq!(scene.find(&session).await, expected);
    assert_eq!(scene.ends(&ada).await, [(session.id(), EndReason::Idle)]);
    let expired = scene.events_of(&ada, EventType::SessionExpired).await;
    assert_eq!((expired.len(), expired[0].session_id), (1, Some(session.id())));
}

/// One user's sessions, oldest first, the expired and ended ones left out.
// S16, S20
pub async fn a_list_holds_the_valid_sessions_of_one_user_in_order(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    let mut short = scene.session(&ada);
    short.expires_at = scene.now().plus_ms(MINUTE);
    scene.create(short).await;
    let sessions = scene.logins(&ada, 4).await;
    scene.login(&bob).await;
    scene.end_one(&sessions[2]).await;
    scene.advance(2 * MINUTE);
    let ids: Vec<_> = scene.list(&ada).await.iter().map(PackedSession::id).collect();
    assert_eq!(ids, [sessions[0].id(), sessions[1].id(), sessions[3].id()]);
}

/// Pages of any size give the same history.
pub async fn history_is_newest_first_and_paged(scene: Scene) {
    let ada = scene.person();
    let sessions = scene.logins(&ada, 12).await;
    for session in &sessions[..6] {
        scene.advance(10);
        scene.end_one(session).await;
    }
    scene.advance(10);
    scene.end(&ada, Selection::All { except: vec![sessions[11].id()] }).await;
    let all = scene.sessions.history(ada.tag, None, 100).await.expect("history answers");
    assert_eq!(all.len(), 11);
    let place = |session: &PackedSession| (session.ended().expect("it ended").at, session.id());
    assert!(all.is_sorted_by(|newer, older| place(newer) > place(older)));
    let mut paged = Vec::new();
    let mut before = None;
    loop {
        let page = scene.sessions.history(ada.tag, before, 3).await.expect("history answers");
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(place(last));
        paged.extend(page.iter().map(place));
    }
    assert_eq!(paged, all.iter().map(place).collect::<Vec<_>>());
}

/// Figures tell the valid from the ended, and count devices once.
pub async fn analytics_count_one_user(scene: Scene) {
    let ada = scene.person();
    let logins = scene.logins(&ada, 3).await;
    for device in ["phone", "phone", "laptop"] {
        let mut session = scene.session(&ada);
        session.device = Device { id: Some(device.into()), ..Device::default() };
        scene.create(session).await;
    }
    let last_login = scene.now();
    scene.advance(MINUTE);
    scene.end_one(&logins[0]).await;
    let activity = Some("/orders".into());
    let touch = Touch { id: logins[1].id(), at: scene.now(), idle_timeout_ms: IDLE, activity };
    scene.sessions.touch(touch).await.expect("touch answers");
    let figures = scene.sessions.analytics(ada.tag, scene.now()).await.expect("analytics answers");
    assert_eq!((figures.active, figures.total, figures.ended, figures.devices), (5, 6, 1, 2));
    assert_eq!((figures.last_login_at, figures.last_seen_at), (Some(last_login), Some(scene.now())));
    assert_eq!(figures.trail.iter().map(|entry| &*entry.activity).collect::<Vec<_>>(), ["/orders"]);
    assert!(!figures.disabled);
    let command = DisableUser { tag: ada.tag, user_id: ada.id.clone() };
    scene.sessions.disable_user(scene.cx(), command).await.expect("disable answers");
    let figures = scene.sessions.analytics(ada.tag, scene.now()).await.expect("analytics answers");
    assert_eq!((figures.active, figures.total, figures.ended, figures.disabled), (0, 6, 6, true));
}

/// Deployment-wide figures move with each command and add up.
pub async fn stats_count_everybody(scene: Scene) {
    let stats = async || scene.sessions.stats().await.expect("stats answers");
    assert_eq!(stats().await, Stats::default());
    let (ada, bob) = (scene.person(), scene.person());
    let sessions = scene.logins(&ada, 3).await;
    scene.login(&bob).await;
    let begun = Stats { sessions: 4, users: 2, created_total: 4, revoked_total: 0, expired_total: 0 };
    assert_eq!(stats().await, begun);
    scene.end_one(&sessions[0]).await;
    scene.end_one(&sessions[0]).await;
    assert_eq!(stats().await, Stats { sessions: 3, revoked_total: 1, ..begun });
    scene.end(&ada, Selection::All { except: Vec::new() }).await;
    assert_eq!(stats().await, Stats { sessions: 1, users: 1, revoked_total: 3, ..begun });
    scene.advance(IDLE + HOUR);
    scene.expire(&bob).await;
    let over = Stats { sessions: 0, users: 0, created_total: 4, revoked_total: 3, expired_total: 1 };
    assert_eq!(stats().await, over);
}

/// Whoever has live sessions is met, and nobody else.
pub async fn users_are_walked_in_steps(scene: Scene) {
    let mut tags = Vec::new();
    for _ in 0..25 {
        let person = scene.person();
        scene.login(&person).await;
        tags.push(person.tag);
    }
    let gone = scene.person();
    let session = scene.login(&gone).await;
    scene.end_one(&session).await;
    tags.sort_unstable();
    let (mut walked, mut place) = (Vec::new(), None);
    for step in 0.. {
        assert!(step < 1_000, "the walk has no end");
        let met = scene.sessions.walk(place, 7).await.expect("walk answers");
        walked.extend(met.users);
        place = met.next;
        if place.is_none() {
            break;
        }
    }
    walked.sort_unstable();
    walked.dedup();
    assert_eq!(walked, tags);
}

/// What is due is named until a command notices it, and a limit is kept.
// S20
pub async fn due_names_users_with_unnoticed_expiry(scene: Scene) {
    let due = async |limit| scene.sessions.due(scene.now(), limit).await.expect("due answers");
    let people: Vec<_> = (0..5).map(|_| scene.person()).collect();
    for person in &people {
        scene.login(person).await;
    }
    assert!(due(100).await.is_empty());
    scene.advance(IDLE + HOUR);
    let fresh = scene.person();
    let fresh = scene.login(&fresh).await;
    let mut named = due(100).await;
    named.sort_unstable();
    let mut expected: Vec<_> = people.iter().map(|person| person.tag).collect();
    expected.sort_unstable();
    assert_eq!(named, expected);
    assert_eq!(due(2).await.len(), 2);
    for person in &people {
        assert_eq!(scene.expire(person).await, 1);
    }
    assert!(due(100).await.is_empty());
    assert!(scene.is_valid(&fresh).await);
}
