//! Following events in the library.

use std::collections::BTreeSet;
use vestibule::{
    Options, Vestibule,
    bounds::{FEED_BACKLOG, FEED_PAGE},
    event::{Event, EventType, Followed, Follower, Interest, Origin},
    id::EventId,
    secret::KeyRing,
};

/// Writes many events at once.
async fn happen(vestibule: &Vestibule, kind: EventType, count: usize) {
    let clock = vestibule.sessions.clock();
    let events = (0..count).map(|_| Event::new(kind, clock.now(), &Origin::default()));
    vestibule.events.append(events.collect()).await.expect("they are written");
}

/// The next event.
async fn next(follower: &mut Follower) -> Event {
    match follower.next().await.expect("it follows") {
        Followed::Event(event) => *event,
        Followed::TooSlow => panic!("it is quick enough"),
    }
}

/// A follower that takes nothing holds up neither the others nor the memory: it is told to begin again.
#[tokio::test]
async fn whoever_is_too_slow_is_told_so() {
    let vestibule = Vestibule::open(Options::new(KeyRing::ephemeral())).await.expect("it opens");
    let mut slow = vestibule.feed.follow(Interest::default(), None).await.expect("it follows");
    let mut quick = vestibule.feed.follow(Interest::default(), None).await.expect("it follows");
    for _ in 0..=FEED_BACKLOG / 512 {
        happen(&vestibule, EventType::GarbageRefused, 512).await;
        for _ in 0..512 {
            next(&mut quick).await;
        }
    }
    assert!(matches!(slow.next().await, Ok(Followed::TooSlow)));
}

/// Somebody else listens already, and the task that reads for both is behind whoever catches up.
#[tokio::test]
async fn whoever_catches_up_over_several_pages_hears_nothing_twice() {
    const MISSED: usize = 2 * FEED_PAGE + FEED_PAGE / 2;
    let vestibule = Vestibule::open(Options::new(KeyRing::ephemeral())).await.expect("it opens");
    let mut other = vestibule.feed.follow(Interest::default(), None).await.expect("it follows");
    happen(&vestibule, EventType::GarbageRefused, 1).await;
    // Now the task has just read, and rests.
    next(&mut other).await;
    happen(&vestibule, EventType::GarbageRefused, MISSED).await;
    let mut back = vestibule.feed.follow(Interest::default(), Some(EventId::new(0, [0; 10]))).await.expect("it follows");
    let mut heard = Vec::new();
    while heard.len() < MISSED {
        heard.push(next(&mut back).await.id);
    }
    happen(&vestibule, EventType::EventsDropped, 1).await;
    loop {
        let event = next(&mut back).await;
        heard.push(event.id);
        if event.kind == EventType::EventsDropped {
            break;
        }
    }
    let told = heard.len();
    assert_eq!(heard.into_iter().collect::<BTreeSet<_>>().len(), told, "some were told twice");
}
