//! Events as they happen, on whichever node.
//!
//! One task of the process asks the store for what is new, several times a second and only while somebody listens; so an event
//! of any node reaches every [`Follower`] within [`bounds::FEED_EVERY`] and one read. A follower that begins behind an event
//! first reads from the store what came after it, and then hears what happens. Whoever is too slow is told so and begins
//! again behind the last event taken: nothing waits for a follower.

use super::{Event, EventQuery, EventStore, EventType, Origin, Tail, TailFrom};
use crate::{
    bounds,
    fault::Fault,
    id::{EventId, SessionId, UserTag},
    session::service::Sessions,
    time::{Clock, Timestamp},
};
use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, broadcast, broadcast::error::RecvError},
    time::{Instant, sleep_until},
};

/// What a follower wants to hear of.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    /// Whose timeline; `None` is everybody's.
    pub tag: Option<UserTag>,
    /// Only these types; empty is all.
    pub kinds: Vec<EventType>,
    /// Only what is about this session. Its end is told also where one event ended many sessions, and an end by time is told when it
    /// comes, though nobody asks for the session any more.
    pub session: Option<SessionId>,
    /// Nothing from before this time.
    pub since: Option<Timestamp>,
}

impl Interest {
    /// Whether an event is wanted, as far as the event alone tells.
    fn takes(&self, event: &Event) -> bool {
        (self.tag.is_none() || self.tag == event.tag)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.time >= since)
            && self.session.is_none_or(|id| event.session_id == Some(id) || may_end(event, id))
    }
}

/// Whether an event that stands for several ends may stand for this session's.
fn may_end(event: &Event, id: SessionId) -> bool {
    event.kind == EventType::SessionEnded && event.session_id.is_none() && event.tag == Some(id.tag())
}

/// Tells followers what happens.
pub struct Feed {
    events: Arc<dyn EventStore>,
    sessions: Arc<Sessions>,
    news: broadcast::Sender<Event>,
    /// Where the task that reads is to begin; `None` while it runs.
    rest: Arc<Mutex<Rest>>,
}

/// Whether the task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Asleep,
    Reading,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feed({} followers)", self.news.receiver_count())
    }
}

impl Feed {
    /// A feed of a store's events. Nothing is read before somebody follows.
    #[must_use]
    pub fn new(events: Arc<dyn EventStore>, sessions: Arc<Sessions>) -> Arc<Self> {
        let news = broadcast::Sender::new(bounds::FEED_BACKLOG);
        Arc::new(Self { events, sessions, news, rest: Arc::new(Mutex::new(Rest::Asleep)) })
    }

    /// Follows what happens from now on, or from behind an event on. Needs a tokio runtime.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn follow(self: &Arc<Self>, interest: Interest, after: Option<EventId>) -> Result<Follower, Fault> {
        let mut follower = Follower {
            feed: self.clone(),
            deadline: interest.session.map(|_| Instant::now()),
            interest,
            waiting: VecDeque::new(),
            told: Told::default(),
            phase: match after {
                Some(id) => Phase::Behind(TailFrom::Event(id)),
                None => Phase::Live(self.subscribe().await?),
            },
        };
        if after.is_none() {
            follower.tell_end_before().await?;
        }
        Ok(follower)
    }

    /// Hears everything that becomes visible after this was answered.
    async fn subscribe(&self) -> Result<broadcast::Receiver<Event>, Fault> {
        let mut rest = self.rest.lock().await;
        let news = self.news.subscribe();
        if *rest == Rest::Asleep {
            let from = self.events.tail(TailFrom::Now, 0).await?.next;
            *rest = Rest::Reading;
            let clock = self.sessions.clock().clone();
            tokio::spawn(read(self.events.clone(), self.news.clone(), self.rest.clone(), clock, from));
        }
        Ok(news)
    }
}

/// Reads until nobody listens.
async fn read(
    events: Arc<dyn EventStore>,
    news: broadcast::Sender<Event>,
    rest: Arc<Mutex<Rest>>,
    clock: Clock,
    mut from: TailFrom,
) {
    let mut beat = tokio::time::interval(bounds::FEED_EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Ids of what was told although it lies behind the place; see [`Tail::next`].
    let mut told = HashSet::new();
    loop {
        beat.tick().await;
        if news.receiver_count() == 0 {
            let mut rest = rest.lock().await;
            if news.receiver_count() == 0 {
                *rest = Rest::Asleep;
                return;
            }
        }
        loop {
            // A store that is away is asked again with the next beat, for the same.
            let Ok(tail) = events.tail(from.clone(), bounds::FEED_PAGE).await else { break };
            let is_full = is_full(&tail) && tail.next != from;
            from = tail.next.clone();
            let ids = tail.events.iter().map(|event| event.id).collect();
            for event in with_gap(tail, &clock).into_iter().filter(|event| !told.contains(&event.id)) {
                // Nobody may be listening any more.
                let _ = news.send(event);
            }
            told = ids;
            if !is_full {
                break;
            }
        }
    }
}

/// Whether there may be more behind it.
fn is_full(tail: &Tail) -> bool {
    tail.events.len() as u64 + tail.missed >= bounds::FEED_PAGE as u64
}

/// The events of a tail, behind one that says how many are missing.
fn with_gap(tail: Tail, clock: &Clock) -> Vec<Event> {
    let mut events = tail.events;
    if tail.missed > 0 {
        events.insert(0, Event::new(EventType::EventsDropped, clock.now(), &Origin::system()).counting(tail.missed));
    }
    events
}

enum Phase {
    /// What happened before is still being read.
    Behind(TailFrom),
    /// What happens is heard.
    Live(broadcast::Receiver<Event>),
}

/// The latest of what was read from the store: the task that reads for everybody may come to it later and tell it again. It is not further
/// behind than a follower may be, so as many are remembered.
#[derive(Default)]
struct Told(BTreeSet<EventId>);

impl Told {
    /// Notes an event. Whether it was not known.
    fn note(&mut self, id: EventId) -> bool {
        let is_new = self.0.insert(id);
        if self.0.len() > bounds::FEED_BACKLOG {
            self.0.pop_first();
        }
        is_new
    }
}

/// What a follower hears.
#[derive(Debug)]
pub enum Followed {
    /// Something happened.
    Event(Box<Event>),
    /// Too many events wait: follow again behind the last one taken.
    TooSlow,
}

/// Hears what happens.
pub struct Follower {
    feed: Arc<Feed>,
    interest: Interest,
    waiting: VecDeque<Event>,
    told: Told,
    phase: Phase,
    /// When to look whether the session has ended by time.
    deadline: Option<Instant>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follower({} waiting)", self.waiting.len())
    }
}

impl Follower {
    /// The next event that is wanted.
    ///
    /// # Errors
    /// A fault of the store, while it reads what happened before. Following again is safe.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Result<Followed, Fault> {
        loop {
            while let Some(event) = self.waiting.front() {
                let wanted = self.interest.takes(event) && self.is_about_session(event).await?;
                if let Some(event) = self.waiting.pop_front().filter(|_| wanted) {
                    self.deadline = self.interest.session.map(|_| Instant::now());
                    return Ok(Followed::Event(Box::new(event)));
                }
            }
            if !self.read_on().await? {
                return Ok(Followed::TooSlow);
            }
        }
    }

    /// Waits for more; false where too much was missed.
    async fn read_on(&mut self) -> Result<bool, Fault> {
        let news = match &mut self.phase {
            Phase::Live(news) => news,
            Phase::Behind(from) => {
                let from = from.clone();
                self.catch_up(from).await?;
                return Ok(true);
            }
        };
        let heard = match self.deadline {
            None => news.recv().await,
            Some(deadline) => tokio::select! {
                heard = news.recv() => heard,
                () = sleep_until(deadline) => {
                    self.look_at_deadline().await;
                    return Ok(true);
                }
            },
        };
        match heard {
            Ok(event) if self.told.0.contains(&event.id) => Ok(true),
            Ok(event) => {
                self.waiting.push_back(event);
                Ok(true)
            }
            Err(RecvError::Lagged(_) | RecvError::Closed) => Ok(false),
        }
    }

    /// Reads a page of what happened before. Behind the last one it begins to hear what happens.
    async fn catch_up(&mut self, from: TailFrom) -> Result<(), Fault> {
        let tail = self.feed.events.tail(from, bounds::FEED_PAGE).await?;
        let (is_last, next) = (!is_full(&tail), tail.next.clone());
        let mut read = with_gap(tail, self.feed.sessions.clock());
        let phase = if is_last { Phase::Live(self.go_live(next, &mut read).await?) } else { Phase::Behind(next) };
        // Nothing waits from here on, so what is noted is told, wherever this future is dropped.
        self.waiting.extend(read.into_iter().filter(|event| self.told.note(event.id)));
        self.phase = phase;
        Ok(())
    }

    /// From here on nothing escapes; what came in between is read from the store, behind what was `read` already.
    async fn go_live(&self, mut from: TailFrom, read: &mut Vec<Event>) -> Result<broadcast::Receiver<Event>, Fault> {
        let news = self.feed.subscribe().await?;
        loop {
            let between = self.feed.events.tail(from, bounds::FEED_PAGE).await?;
            let is_last = !is_full(&between);
            from = between.next.clone();
            read.extend(with_gap(between, self.feed.sessions.clock()));
            if is_last {
                return Ok(news);
            }
        }
    }

    /// An end that stands for many is this session's unless it still lives.
    async fn is_about_session(&self, event: &Event) -> Result<bool, Fault> {
        match self.interest.session {
            Some(id) if event.session_id != Some(id) => Ok(self.feed.sessions.live_until(id).await?.is_none()),
            _ => Ok(true),
        }
    }

    /// Has an end by time noticed as soon as it comes. What is noticed is an event like any other.
    async fn look_at_deadline(&mut self) {
        let Some(id) = self.interest.session else { return };
        let sessions = &self.feed.sessions;
        self.deadline = match sessions.notice_expiry(id).await {
            Ok(Some(until)) => {
                let left = until.since_ms(sessions.clock().now()).max(bounds::WATCH_LEAST_MS);
                Some(Instant::now() + Duration::from_millis(left))
            }
            Ok(None) => None,
            Err(_) => Some(Instant::now() + bounds::FEED_EVERY),
        };
    }

    /// Whoever follows a session that has ended already hears of its end at once.
    async fn tell_end_before(&mut self) -> Result<(), Fault> {
        let Some(id) = self.interest.session else { return Ok(()) };
        if self.feed.sessions.notice_expiry(id).await?.is_some() {
            return Ok(());
        }
        self.deadline = None;
        let query = EventQuery {
            tag: Some(id.tag()),
            kinds: vec![EventType::SessionEnded, EventType::SessionExpired],
            since: self.interest.since,
            limit: bounds::PAGE_LIMIT,
            ..EventQuery::default()
        };
        let mut ends = self.feed.events.query(query).await?;
        // The one that names it, else the latest that stands for many.
        let named = ends.iter().position(|event| event.session_id == Some(id));
        let end = named.or_else(|| ends.iter().position(|event| may_end(event, id)));
        let end = end.map(|place| ends.swap_remove(place));
        if let Some(end) = end.filter(|end| self.told.note(end.id)) {
            self.waiting.push_back(end);
        }
        Ok(())
    }
}
