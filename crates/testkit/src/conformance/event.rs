//! Events: timelines, questions, retention.

use super::scene::{MINUTE, Scene};
use std::collections::BTreeSet;
use vestibule_core::{
    bounds::PAGE_LIMIT,
    event::{DeliveryDocument, Event, EventQuery, EventType, Origin, TailFrom},
    id::EventId,
    session::{Device, Session},
    user::Context,
};

async fn ask(scene: &Scene, query: EventQuery) -> Vec<Event> {
    scene.events.query(query).await.expect("query answers")
}

fn everything() -> EventQuery {
    EventQuery { limit: PAGE_LIMIT, ..EventQuery::default() }
}

/// Pages of any size give the same timeline.
pub async fn a_timeline_is_newest_first_and_paged(scene: Scene) {
    let (ada, bob) = (scene.person(), scene.person());
    for _ in 0..10 {
        scene.advance(1);
        let session = scene.login(&ada).await;
        scene.end_one(&session).await;
        scene.login(&bob).await;
    }
    let timeline = scene.timeline(&ada).await;
    assert_eq!(timeline.len(), 20);
    assert!(timeline.is_sorted_by(|newer, older| newer.id > older.id));
    assert!(timeline.is_sorted_by(|newer, older| newer.time >= older.time));
    assert!(timeline.iter().all(|event| event.tag == Some(ada.tag)));
    let mut paged = Vec::new();
    loop {
        let before = paged.last().map(|event: &Event| event.id);
        let page = ask(&scene, EventQuery { tag: Some(ada.tag), before, limit: 7, ..EventQuery::default() }).await;
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, timeline);
}

/// `since` is inclusive, `until` exclusive; types are joined by "or".
pub async fn a_question_names_types_and_times(scene: Scene) {
    let ada = scene.person();
    let mut times = Vec::new();
    for _ in 0..4 {
        scene.advance(MINUTE);
        times.push(scene.now());
        let session = scene.login(&ada).await;
        scene.sessions.rotate(scene.cx(), scene.rotation(session.id())).await.expect("rotate answers");
        scene.end_one(&session).await;
    }
    let base = EventQuery { tag: Some(ada.tag), ..everything() };
    let created = EventQuery { kinds: vec![EventType::SessionCreated], ..base.clone() };
    assert_eq!(ask(&scene, created.clone()).await.len(), 4);
    let kinds = vec![EventType::SessionCreated, EventType::SessionRotated];
    assert_eq!(ask(&scene, EventQuery { kinds, ..base }).await.len(), 8);
    let between = EventQuery { since: Some(times[1]), until: Some(times[3]), ..created };
    let seen: Vec<_> = ask(&scene, between).await.iter().map(|event| event.time).collect();
    assert_eq!(seen, [times[2], times[1]]);
}

/// A repeat after a lost answer writes nothing twice.
pub async fn observations_are_appended_once(scene: Scene) {
    let ada = scene.person();
    let failed = Event::new(EventType::LoginFailed, scene.now(), &Origin::default()).of(ada.tag, Some(&ada.id));
    let garbage = Event::new(EventType::GarbageRefused, scene.now(), &Origin::default()).counting(40);
    for _ in 0..3 {
        scene.events.append(vec![failed.clone(), garbage.clone()]).await.expect("append answers");
    }
    assert_eq!(scene.timeline(&ada).await, std::slice::from_ref(&failed));
    let seen: BTreeSet<_> = ask(&scene, everything()).await.iter().map(|event| event.id).collect();
    assert_eq!(seen, BTreeSet::from([failed.id, garbage.id]));
    assert_eq!(scene.sessions.stats().await.expect("stats answers").users, 0);
}

/// A question without a user is about all, and about what belongs to nobody.
pub async fn everybodys_events_hold_nobodys_too(scene: Scene) {
    for _ in 0..5 {
        scene.advance(1);
        let person = scene.person();
        scene.login(&person).await;
        let dropped = Event::new(EventType::EventsDropped, scene.now(), &Origin::system()).counting(1);
        scene.events.append(vec![dropped]).await.expect("append answers");
    }
    let all = ask(&scene, everything()).await;
    assert_eq!(all.len(), 10);
    assert!(all.is_sorted_by(|newer, older| newer.id > older.id));
    assert_eq!(all.iter().filter(|event| event.tag.is_none()).count(), 5);
    let newest = ask(&scene, EventQuery { limit: 3, ..everything() }).await;
    assert_eq!(newest, all[..3]);
    assert!(ask(&scene, EventQuery { limit: 0, ..everything() }).await.is_empty());
}

/// Each step forgets at most as many as it was told, and only what is older.
pub async fn old_events_are_forgotten_in_steps(scene: Scene) {
    let ada = scene.person();
    scene.logins(&ada, 5).await;
    let garbage = Event::new(EventType::GarbageRefused, scene.now(), &Origin::default());
    scene.events.append(vec![garbage]).await.expect("append answers");
    scene.advance(MINUTE);
    let border = scene.now();
    scene.logins(&ada, 3).await;
    let forget = async |limit| scene.events.forget(border, limit).await.expect("forget answers");
    assert_eq!(forget(4).await, 4);
    assert_eq!(forget(4).await, 2);
    assert_eq!(forget(4).await, 0);
    let left = ask(&scene, everything()).await;
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|event| event.time >= border));
    assert_eq!(scene.list(&ada).await.len(), 8, "sessions are no events");
}

/// Actor, address, agent and request of the command are in its events.
pub async fn an_event_tells_where_its_command_came_from(scene: Scene) {
    let ada = scene.person();
    let origin = Origin {
        actor: Some("key:key_0123456789abcdef".into()),
        ip: Some("2001:db8::7".parse().expect("an address")),
        user_agent: Some("curl/8 (tést)".into()),
        request_id: Some("req-1".into()),
    };
    let cx = Context { now: scene.now(), origin: origin.clone() };
    let command = vestibule_core::session::command::CreateSession {
        session: scene.session(&ada),
        cap: super::scene::ROOMY,
        login: true,
        device: None,
        is_new_browser: false,
    };
    scene.sessions.create(cx, command).await.expect("create answers");
    let timeline = scene.timeline(&ada).await;
    assert_eq!(timeline.len(), 2);
    for event in timeline {
        let seen = Origin { actor: event.actor, ip: event.ip, user_agent: event.user_agent, request_id: event.request_id };
        assert_eq!(seen, origin);
    }
}

/// What happens to a session names the device that it was made on.
pub async fn events_of_a_session_name_its_device(scene: Scene) {
    let ada = scene.person();
    let laptop = Device { id: Some("läptop-1".into()), ..Device::default() };
    let session = scene.create(Session { device: laptop, ..scene.session(&ada) }).await;
    scene.advance(1);
    scene.end_one(&session).await;
    scene.advance(1);
    scene.login(&ada).await;
    let timeline = scene.timeline(&ada).await;
    let told: BTreeSet<_> = timeline.iter().map(|event| (event.kind.as_str(), event.device_id.as_deref())).collect();
    let on_it = ["session.created", "device.new", "session.ended"].map(|kind| (kind, Some("läptop-1")));
    assert_eq!(told, on_it.into_iter().chain([("session.created", None)]).collect());
}

/// Reads on until nothing comes any more. A store may tell an event twice; it is noted once.
async fn read_on(scene: &Scene, from: &mut TailFrom, limit: usize) -> Vec<EventId> {
    let mut told = Vec::new();
    loop {
        let tail = scene.events.tail(from.clone(), limit).await.expect("tail answers");
        assert_eq!(tail.missed, 0);
        let stays = tail.next == *from;
        *from = tail.next;
        let before = told.len();
        for event in tail.events {
            if !told.contains(&event.id) {
                told.push(event.id);
            }
        }
        if stays || told.len() == before {
            return told;
        }
    }
}

/// Whoever reads on hears of everything, of commands and observations, of users and nobody, in pages of any size.
pub async fn a_tail_leaves_nothing_out(scene: Scene) {
    let people = [scene.person(), scene.person()];
    scene.login(&people[0]).await;
    let begin = scene.events.tail(TailFrom::Now, 0).await.expect("tail answers");
    assert!(begin.events.is_empty());
    let (mut from, mut fine) = (begin.next.clone(), begin.next);
    let mut seen = BTreeSet::new();
    for person in &people {
        scene.advance(1);
        let session = scene.login(person).await;
        scene.end_one(&session).await;
        let garbage = Event::new(EventType::GarbageRefused, scene.now(), &Origin::default());
        scene.events.append(vec![garbage]).await.expect("append answers");
        seen.extend(read_on(&scene, &mut from, 1_000).await);
    }
    let newest = ask(&scene, EventQuery { limit: 6, ..everything() }).await;
    let newest: BTreeSet<_> = newest.iter().map(|event| event.id).collect();
    assert!(seen.is_superset(&newest), "{newest:?} are not all in {seen:?}");
    assert!(read_on(&scene, &mut from, 1_000).await.iter().all(|id| seen.contains(id)), "nothing is new");
    let in_pages: BTreeSet<_> = read_on(&scene, &mut fine, 2).await.into_iter().collect();
    assert!(in_pages.is_superset(&newest), "{newest:?} are not all in {in_pages:?}");
}

/// Whoever comes back goes on behind the last event they had.
pub async fn a_tail_begins_behind_an_event(scene: Scene) {
    let ada = scene.person();
    // Followed already, as a store in process begins to keep the order then.
    scene.events.tail(TailFrom::Now, 0).await.expect("tail answers");
    for _ in 0..4 {
        scene.advance(1);
        scene.login(&ada).await;
    }
    let timeline = scene.timeline(&ada).await;
    let mut from = TailFrom::Event(timeline[2].id);
    assert_eq!(read_on(&scene, &mut from, 1).await, [timeline[1].id, timeline[0].id]);
    scene.advance(1);
    scene.login(&ada).await;
    let newest = scene.timeline(&ada).await[0].id;
    assert!(read_on(&scene, &mut from, 1_000).await.contains(&newest));
    let mut gone = TailFrom::Event(EventId::new(timeline[2].time.millis(), [0; 10]));
    assert!(
        read_on(&scene, &mut gone, 1_000).await.starts_with(&[timeline[2].id]),
        "an event that is gone stands for its time"
    );
}

/// Each version follows the one before it; of two who write the same one, one is told that it was not stored.
pub async fn how_far_a_delivery_is_changes_version_by_version(scene: Scene) {
    let document = |version, content: u8| DeliveryDocument { version, bytes: vec![content; 2_000] };
    let replace = async |name, version, content| {
        scene.deliveries.replace_delivery(name, document(version, content)).await.expect("an answer")
    };
    assert_eq!(scene.deliveries.delivery("audit").await, Ok(None));
    assert!(!replace("audit", 2, 0).await, "nothing is stored that it could follow");
    assert!(replace("audit", 1, 1).await && !replace("audit", 1, 2).await);
    assert!(replace("audit", 2, 2).await && !replace("audit", 4, 3).await && !replace("audit", 2, 3).await);
    assert!(replace("other", 1, 9).await, "a name of its own");
    assert_eq!(scene.deliveries.delivery("audit").await, Ok(Some(document(2, 2))));
    assert_eq!(scene.deliveries.delivery("other").await, Ok(Some(document(1, 9))));
}
