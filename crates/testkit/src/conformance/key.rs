//! Management keys are kept as digests.

use super::scene::Scene;
use vestibule_core::{
    bounds::KEYS,
    event::{Event, EventQuery, EventType, Origin},
    id::random,
    key::{InsertKeyOutcome, KeyRecord, Scopes},
};

fn key(scene: &Scene, number: usize) -> KeyRecord {
    KeyRecord {
        id: format!("key_{number:016}").into(),
        name: format!("backend {number}").into(),
        scopes: Scopes::default(),
        created_at: scene.now().plus_ms(number as u64),
        expires_at: number.is_multiple_of(2).then(|| scene.now().plus_ms(1_000_000)),
        digest: random(),
    }
}

fn event(scene: &Scene, kind: EventType) -> Event {
    Event::new(kind, scene.now(), &Origin::system())
}

/// Each as it was given, oldest first; each change with its event.
pub async fn keys_are_kept_in_order_and_deleted_once(scene: Scene) {
    let keys: Vec<_> = (0..4).map(|number| key(&scene, number)).collect();
    for record in &keys {
        let inserted = scene.keys.insert(record.clone(), event(&scene, EventType::KeyCreated)).await;
        assert_eq!(inserted, Ok(InsertKeyOutcome::Inserted));
    }
    assert_eq!(scene.keys.list().await, Ok(keys.clone()));
    let revoked = || event(&scene, EventType::KeyRevoked);
    assert_eq!(scene.keys.delete(keys[1].id.clone(), revoked()).await, Ok(true));
    assert_eq!(scene.keys.delete(keys[1].id.clone(), revoked()).await, Ok(false));
    assert_eq!(scene.keys.list().await, Ok(vec![keys[0].clone(), keys[2].clone(), keys[3].clone()]));
    let query = EventQuery { limit: 100, ..EventQuery::default() };
    let events = scene.events.query(query).await.expect("query answers");
    let count = |kind| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count(EventType::KeyCreated), count(EventType::KeyRevoked)), (4, 1), "no event without a change");
}

/// One too many is refused until one is deleted.
pub async fn keys_are_bounded(scene: Scene) {
    let insert = async |number| {
        let created = event(&scene, EventType::KeyCreated);
        scene.keys.insert(key(&scene, number), created).await.expect("insert answers")
    };
    for number in 0..KEYS {
        assert_eq!(insert(number).await, InsertKeyOutcome::Inserted);
    }
    assert_eq!(insert(KEYS).await, InsertKeyOutcome::Full);
    let first = key(&scene, 0).id;
    let revoked = event(&scene, EventType::KeyRevoked);
    assert_eq!(scene.keys.delete(first, revoked).await, Ok(true));
    assert_eq!(insert(KEYS).await, InsertKeyOutcome::Inserted);
    assert_eq!(scene.keys.list().await.expect("list answers").len(), KEYS);
}
