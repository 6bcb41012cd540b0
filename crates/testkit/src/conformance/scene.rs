//! The stage of a case: a store, people, and a time that moves when the case says so.

use super::Harness;
use crate::sample;
use std::{
    ops::Deref,
    sync::atomic::{AtomicU64, Ordering},
};
use vestibule_core::{
    bounds::PAGE_LIMIT,
    event::{Event, EventQuery, EventType, Origin},
    id::{SessionId, UserId, UserTag, random},
    session::{
        CapPolicy, EndReason, PackedSession, Session, TokenDigest,
        command::{
            Cap, CreateOutcome, CreateSession, EndSessions, ExpireUser, FindOutcome, GetOutcome, RotateSession, Selection,
        },
    },
    time::{Clock, Timestamp},
    user::Context,
};

/// One minute in milliseconds.
pub(crate) const MINUTE: u64 = 60_000;
/// One hour in milliseconds.
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// Longest rest of the sessions that [`Scene::session`] makes.
pub(crate) const IDLE: u64 = sample::IDLE;
/// Longest life of the sessions that [`Scene::session`] makes.
pub(crate) const LIFETIME: u64 = sample::LIFETIME;
/// A cap that no case reaches by accident.
pub(crate) const ROOMY: Cap = Cap { limit: 1_000, policy: CapPolicy::EvictOldest };

/// Somebody who has sessions.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their tag.
    pub tag: UserTag,
    /// Their id.
    pub id: UserId,
}

/// A store at a time.
pub struct Scene {
    store: Harness,
    now_ms: AtomicU64,
}

impl Deref for Scene {
    type Target = Harness;

    fn deref(&self) -> &Harness {
        &self.store
    }
}

impl Scene {
    /// A stage at the time of day: stores with a garbage collection of their own would drop what is long past.
    #[must_use]
    pub fn new(store: Harness) -> Self {
        Self { store, now_ms: AtomicU64::new(Clock::system().now().millis()) }
    }

    /// The time of the case.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms.load(Ordering::SeqCst))
    }

    /// Lets time pass.
    pub fn advance(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Now, from nowhere in particular.
    pub fn cx(&self) -> Context {
        Context { now: self.now(), origin: Origin::default() }
    }

    /// Somebody new.
    pub fn person(&self) -> Person {
        let tag = UserTag::anonymous();
        let id = tag.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Person { tag, id: UserId::new(format!("user-{id}")).expect("a valid id") }
    }

    /// A login of a person, not yet stored.
    pub fn session(&self, person: &Person) -> Session {
        Session {
            user_id: Some(person.id.clone()),
            user_agent: Some("conformance/1".into()),
            ..sample::session(self.now(), person.tag)
        }
    }

    /// Stores a session under a cap.
    pub async fn create_under(&self, session: Session, cap: Cap) -> CreateOutcome {
        let command = CreateSession { session, cap, login: false, device: None, is_new_browser: false };
        self.sessions.create(self.cx(), command).await.expect("create answers")
    }

    /// Stores a session that nothing keeps from beginning.
    pub async fn create(&self, session: Session) -> PackedSession {
        match self.create_under(session, ROOMY).await {
            CreateOutcome::Created { session, .. } => session,
            other => panic!("expected a session, not {other:?}"),
        }
    }

    /// Logs a person in.
    pub async fn login(&self, person: &Person) -> PackedSession {
        self.create(self.session(person)).await
    }

    /// Logs a person in several times, a millisecond apart.
    pub async fn logins(&self, person: &Person, count: usize) -> Vec<PackedSession> {
        let mut sessions = Vec::new();
        for _ in 0..count {
            self.advance(1);
            sessions.push(self.login(person).await);
        }
        sessions
    }

    /// What the current token of a session leads to.
    pub async fn find(&self, session: &PackedSession) -> FindOutcome {
        self.find_digest(session.id().tag(), session.digest()).await
    }

    /// What a token leads to.
    pub async fn find_digest(&self, tag: UserTag, digest: TokenDigest) -> FindOutcome {
        self.sessions.find(tag, digest, self.now()).await.expect("find answers")
    }

    /// Whether a session is valid, by its token and by its id alike.
    pub async fn is_valid(&self, session: &PackedSession) -> bool {
        let found = matches!(self.find(session).await, FindOutcome::Found { .. });
        let got = self.sessions.get(session.id(), self.now()).await.expect("get answers");
        assert_eq!(found, matches!(got, GetOutcome::Live(_)), "token and id disagree about {session:?}");
        found
    }

    /// How many of some sessions are valid.
    pub async fn count_valid(&self, sessions: &[PackedSession]) -> usize {
        let mut count = 0;
        for session in sessions {
            count += usize::from(self.is_valid(session).await);
        }
        count
    }

    /// A valid session as it is now.
    pub async fn current(&self, id: SessionId) -> PackedSession {
        match self.sessions.get(id, self.now()).await.expect("get answers") {
            GetOutcome::Live(session) => session,
            GetOutcome::Missing => panic!("{id} should be valid"),
        }
    }

    /// The valid sessions of a person.
    pub async fn list(&self, person: &Person) -> Vec<PackedSession> {
        self.sessions.list(person.tag, self.now()).await.expect("list answers")
    }

    /// Ends sessions as their owner does. Returns how many.
    pub async fn end(&self, person: &Person, selection: Selection) -> u64 {
        let command = EndSessions { tag: person.tag, selection, reason: EndReason::Revoked };
        self.sessions.end(self.cx(), command).await.expect("end answers").revoked
    }

    /// Ends one session.
    pub async fn end_one(&self, session: &PackedSession) -> u64 {
        let selection = Selection::One(session.id());
        let command = EndSessions { tag: session.id().tag(), selection, reason: EndReason::Logout };
        self.sessions.end(self.cx(), command).await.expect("end answers").revoked
    }

    /// Ends what time has ended. Returns how many.
    pub async fn expire(&self, person: &Person) -> u64 {
        self.sessions.expire(self.cx(), ExpireUser { tag: person.tag }).await.expect("expire answers").expired
    }

    /// A rotation of a session with a fresh token, from any revision, with an overlap of five seconds.
    pub fn rotation(&self, id: SessionId) -> RotateSession {
        let digest = TokenDigest::from_bytes(random());
        RotateSession { id, expected: None, nonce: random(), digest, overlap_ms: 5_000, step_up: None }
    }

    /// The ended sessions of a person, newest end first, as id and reason.
    pub async fn ends(&self, person: &Person) -> Vec<(SessionId, EndReason)> {
        let history = self.sessions.history(person.tag, None, PAGE_LIMIT).await.expect("history answers");
        history.iter().map(|session| (session.id(), session.ended().expect("it ended").reason)).collect()
    }

    /// The timeline of a person, newest first.
    pub async fn timeline(&self, person: &Person) -> Vec<Event> {
        let query = EventQuery { tag: Some(person.tag), limit: PAGE_LIMIT, ..EventQuery::default() };
        self.events.query(query).await.expect("query answers")
    }

    /// The events of one type in the timeline of a person, newest first.
    pub async fn events_of(&self, person: &Person, kind: EventType) -> Vec<Event> {
        let mut timeline = self.timeline(person).await;
        timeline.retain(|event| event.kind == kind);
        timeline
    }
}
