//! [`LocalBus`]: the bus inside one process, and the end of every other one.

use super::{Bus, Doubt, Listener, News, SessionsEnded, Signal};
use crate::{bounds, id::UserTag};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashSet,
    fmt,
    pin::Pin,
    sync::Weak,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::{self, error::RecvError};

/// What happens to the end of sessions that is told twice: with a record by the bus and by the change log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// It is told twice. Without a record there is one teller, and a user who was forgotten begins at revision 1 again.
    Told,
    /// It is told once. A record never gives a revision of a user twice in [`bounds::OVERLAY_KEPT`].
    Dropped,
}

/// Tells every subscription of this process. A bus between processes has one at its end.
pub struct LocalBus {
    news: broadcast::Sender<News>,
    listeners: RwLock<Vec<Weak<dyn Listener>>>,
    told: Option<Mutex<Told>>,
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalBus")
    }
}

impl LocalBus {
    /// A bus without subscriptions.
    #[must_use]
    pub fn new(repeats: Repeats) -> Self {
        let told = (repeats == Repeats::Dropped).then(|| Mutex::new(Told::new(Instant::now())));
        Self { news: broadcast::Sender::new(bounds::BUS_BACKLOG), listeners: RwLock::default(), told }
    }

    /// Tells that signals may have been missed.
    pub fn doubt(&self, doubt: Doubt) {
        metrics::counter!("vestibule_bus_doubts_total", "why" => doubt.as_str()).increment(1);
        self.tell(News::Doubt(doubt));
    }

    fn tell(&self, news: News) {
        // Where nobody listens nobody holds anything.
        let _ = self.news.send(news);
    }

    fn is_repeat(&self, signal: &Signal) -> bool {
        let (Some(told), Signal::SessionsEnded(ended)) = (&self.told, signal) else { return false };
        !told.lock().add(ended, Instant::now())
    }
}

impl Bus for LocalBus {
    fn publish(&self, signal: Signal) {
        if !self.is_repeat(&signal) {
            self.listeners.read().iter().filter_map(Weak::upgrade).for_each(|listener| listener.hear(&signal));
            self.tell(News::Signal(signal));
        }
    }

    fn relay(&self, signal: Signal) {
        self.publish(signal);
    }

    fn admit_loss(&self) {
        self.doubt(Doubt::Undecided);
    }

    fn subscribe(&self) -> Subscription {
        Subscription(self.news.subscribe())
    }

    fn attach(&self, listener: Weak<dyn Listener>) {
        let mut listeners = self.listeners.write();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(listener);
    }

    fn silence(&self) -> Duration {
        Duration::ZERO
    }

    fn nodes(&self) -> usize {
        1
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// Ends that were told lately: two generations, so that the old ones leave together.
#[derive(Debug)]
struct Told {
    now: HashSet<(UserTag, u64)>,
    before: HashSet<(UserTag, u64)>,
    since: Instant,
}

impl Told {
    fn new(now: Instant) -> Self {
        Self { now: HashSet::new(), before: HashSet::new(), since: now }
    }

    /// Whether it is new.
    fn add(&mut self, ended: &SessionsEnded, now: Instant) -> bool {
        if now.duration_since(self.since) >= bounds::OVERLAY_KEPT || self.now.len() >= bounds::BUS_TOLD {
            self.before = std::mem::take(&mut self.now);
            self.since = now;
        }
        let key = (ended.tag, ended.revision);
        !self.before.contains(&key) && self.now.insert(key)
    }
}

/// Hears what is told in this process. Holds at most [`bounds::BUS_BACKLOG`] news that were not taken yet; whoever is slower
/// hears [`Doubt::Overflow`] in the place of the oldest.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<News>);

impl Subscription {
    /// The next news; `None` once the bus is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<News> {
        match self.0.recv().await {
            Ok(news) => Some(news),
            Err(RecvError::Lagged(_)) => {
                metrics::counter!("vestibule_bus_doubts_total", "why" => Doubt::Overflow.as_str()).increment(1);
                Some(News::Doubt(Doubt::Overflow))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Which;

    fn end(revision: u64) -> SessionsEnded {
        SessionsEnded { tag: UserTag::from_bytes([0; 12]), revision, which: Which::All, reason: None }
    }

    fn ended(revision: u64) -> Signal {
        Signal::SessionsEnded(end(revision))
    }

    #[tokio::test]
    async fn every_subscription_hears_everything_once() {
        let bus = LocalBus::new(Repeats::Told);
        let mut subscriptions = [bus.subscribe(), bus.subscribe()];
        bus.publish(ended(1));
        bus.relay(ended(1));
        bus.admit_loss();
        drop(bus);
        for subscription in &mut subscriptions {
            assert_eq!(subscription.next().await, Some(News::Signal(ended(1))));
            assert_eq!(subscription.next().await, Some(News::Signal(ended(1))));
            assert_eq!(subscription.next().await, Some(News::Doubt(Doubt::Undecided)));
            assert_eq!(subscription.next().await, None);
        }
    }

    #[tokio::test]
    async fn a_slow_subscription_is_told_so() {
        let bus = LocalBus::new(Repeats::Told);
        let mut slow = bus.subscribe();
        let count = bounds::BUS_BACKLOG as u64 + 2;
        (0..count).for_each(|revision| bus.publish(ended(revision)));
        assert_eq!(slow.next().await, Some(News::Doubt(Doubt::Overflow)));
        for revision in 2..count {
            assert_eq!(slow.next().await, Some(News::Signal(ended(revision))));
        }
    }

    #[test]
    fn what_was_told_lately_is_dropped() {
        let start = Instant::now();
        let mut told = Told::new(start);
        let end = end(1);
        assert!(told.add(&end, start) && !told.add(&end, start));
        // The older generation counts, and leaves a period later.
        assert!(!told.add(&end, start + bounds::OVERLAY_KEPT));
        assert!(told.add(&end, start + 2 * bounds::OVERLAY_KEPT));
    }

    #[test]
    fn what_was_told_is_bounded() {
        let start = Instant::now();
        let mut told = Told::new(start);
        for revision in 0..3 * bounds::BUS_TOLD as u64 {
            assert!(told.add(&end(revision), start));
        }
        assert!(told.now.len() + told.before.len() <= 2 * bounds::BUS_TOLD);
    }
}
