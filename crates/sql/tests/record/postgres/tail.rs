//! Whoever follows events hears of what a slow transaction brings.

use super::{Database, Node};
use sqlx::{Connection as _, Executor as _, PgConnection};
use vestibule_core::{
    event::{Event, EventStore, EventType, Origin, TailFrom},
    id::EventId,
    time::Timestamp,
};

/// Events of a page.
const PAGE: usize = 10;
/// Pages that are read before it is clear that there is no end of them.
const PAGES: usize = 20;
/// Fills two pages and a half.
const MANY: usize = 25;

async fn append(node: &Node, count: usize) -> Vec<EventId> {
    let event = |at| Event::new(EventType::GarbageRefused, Timestamp::from_millis(at), &Origin::default());
    let events: Vec<_> = (1..=count as u64).map(event).collect();
    let ids = events.iter().map(|event| event.id).collect();
    node.0.append(events).await.expect("they are written");
    ids
}

/// Reads on until nothing comes any more.
async fn read_on(node: &Node, from: &mut TailFrom) -> Vec<EventId> {
    let mut ids = Vec::new();
    for _ in 0..PAGES {
        let tail = node.0.tail(from.clone(), PAGE).await.expect("it is read");
        assert_eq!(tail.missed, 0);
        *from = tail.next;
        if tail.events.is_empty() {
            return ids;
        }
        ids.extend(tail.events.iter().map(|event| event.id));
    }
    panic!("the same events are told again and again");
}

/// A transaction that writes some events, as a writer does, and is not over yet.
async fn write_slowly(database: &Database, events: usize) -> (PgConnection, Vec<EventId>) {
    let mut slow = PgConnection::connect(&database.url).await.expect("a connection");
    slow.execute("BEGIN").await.expect("it begins");
    let ids: Vec<_> = (0..events).map(|_| EventId::new(1, vestibule_core::id::random())).collect();
    sqlx::query(
        "INSERT INTO vestibule_events (id, time, kind, position)
         SELECT v.id, 1, 'garbage.refused', ((base + pg_current_xact_id()::text::bigint) << 16) + place
         FROM vestibule_meta, unnest($1::bytea[]) WITH ORDINALITY AS v (id, place)",
    )
    .bind(ids.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>())
    .execute(&mut slow)
    .await
    .expect("they are written");
    (slow, ids)
}

// S91
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_events_jump_over_no_transaction_that_is_still_open() {
    let database = Database::new().await;
    let node = database.node().await;
    append(&node, 1).await;
    let mut from = node.0.tail(TailFrom::Now, 0).await.expect("it is read").next;
    let (mut slow, late) = write_slowly(&database, 1).await;
    let (mut slower, later) = write_slowly(&database, MANY).await;
    let quick = append(&node, MANY).await;
    assert_eq!(read_on(&node, &mut from).await, quick, "nobody waits for it");
    slow.execute("COMMIT").await.expect("it ends");
    assert_eq!(read_on(&node, &mut from).await, late);
    let quick = append(&node, MANY).await;
    assert_eq!(read_on(&node, &mut from).await, quick);
    slower.execute("COMMIT").await.expect("it ends");
    let more = append(&node, 1).await;
    assert_eq!(read_on(&node, &mut from).await, [later, more].concat(), "what was over last comes before what is new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_behind_an_event_hears_of_what_is_open_below_it() {
    let database = Database::new().await;
    let node = database.node().await;
    let (mut slow, late) = write_slowly(&database, 2).await;
    let (mut vain, _) = write_slowly(&database, 2).await;
    let last = append(&node, 2).await[1];
    let mut from = TailFrom::Event(last);
    let more = append(&node, MANY).await;
    assert_eq!(read_on(&node, &mut from).await, more);
    slow.execute("COMMIT").await.expect("it ends");
    vain.execute("ROLLBACK").await.expect("it ends");
    assert_eq!(read_on(&node, &mut from).await, late);
    let more = append(&node, 1).await;
    assert_eq!(read_on(&node, &mut from).await, more, "what is rolled back is waited for by nobody");
}
