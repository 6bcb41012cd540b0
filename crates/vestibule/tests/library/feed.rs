//! Following events in the library.

use vestibule::{
    Options, Vestibule,
    bounds::FEED_BACKLOG,
    event::{Event, EventType, Followed, Interest, Origin},
    secret::KeyRing,
};

/// A follower that takes nothing holds up neither the others nor the memory: it is told to begin again.
#[tokio::test]
async fn whoever_is_too_slow_is_told_so() {
    let vestibule = Vestibule::open(Options::new(KeyRing::ephemeral())).await.expect("it opens");
    let mut slow = vestibule.feed.follow(Interest::default(), None).await.expect("it follows");
    let mut quick = vestibule.feed.follow(Interest::default(), None).await.expect("it follows");
    let clock = vestibule.sessions.clock();
    for _ in 0..=FEED_BACKLOG / 512 {
        let garbage = || Event::new(EventType::GarbageRefused, clock.now(), &Origin::default());
        vestibule.events.append((0..512).map(|_| garbage()).collect()).await.expect("they are written");
        for _ in 0..512 {
            assert!(matches!(quick.next().await, Ok(Followed::Event(_))));
        }
    }
    assert!(matches!(slow.next().await, Ok(Followed::TooSlow)));
}
