//! Several nodes over one Postgres record, with states that are stale, away, or shared.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use vestibule_core::{
    Answer,
    durable::Durable,
    event::Origin,
    fault::Fault,
    id::{SessionId, UserTag, random},
    record::{Projected, State, UserSnapshot},
    session::{
        CapPolicy, EndReason, PackedSession, SessionStore, TokenDigest,
        command::{
            Cap, CreateOutcome, CreateSession, EndSessions, FindOutcome, GetOutcome, RotateOutcome, RotateSession, Selection,
            Touch, TouchOutcome,
        },
    },
    time::{Clock, Timestamp},
    user::{Context, UserAggregate},
};
use vestibule_memory::MemoryState;
use vestibule_sql::{PostgresOptions, PostgresRecord};
use vestibule_testkit::{process::Postgres, sample};

/// Published bound for a node to hear of what another one decided while something is wrong.
const BOUND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(60);

/// One node's way to a state, which may be cut.
struct Link {
    state: Arc<MemoryState>,
    cut: AtomicBool,
}

impl Link {
    fn pass<'a, T: Send + 'a>(&'a self, call: impl FnOnce(&'a MemoryState) -> Answer<'a, T>) -> Answer<'a, T> {
        match self.cut.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(Fault::Unavailable("the link is cut".into())) }),
            false => call(&self.state),
        }
    }
}

impl State for Link {
    fn project(&self, snapshot: UserSnapshot) -> Answer<'_, Projected> {
        self.pass(|state| state.project(snapshot))
    }

    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<FindOutcome>> {
        self.pass(|state| state.find(tag, digest, now))
    }

    fn user(&self, tag: UserTag) -> Answer<'_, Option<UserAggregate>> {
        self.pass(|state| state.user(tag))
    }

    fn touch(&self, touch: Touch) -> Answer<'_, Option<TouchOutcome>> {
        self.pass(|state| state.touch(touch))
    }
}

struct Node {
    store: Durable,
    link: Arc<Link>,
}

impl Node {
    async fn is_valid(&self, session: &PackedSession) -> bool {
        let found = self.store.find(session.id().tag(), session.digest(), Clock::system().now()).await;
        matches!(found.expect("an answer"), FindOutcome::Found { .. })
    }

    async fn create(&self, tag: UserTag) -> PackedSession {
        let command = CreateSession {
            session: sample::session(Clock::system().now(), tag),
            cap: Cap { limit: 100, policy: CapPolicy::EvictOldest },
            login: false,
            device: None,
            is_new_browser: false,
        };
        match self.store.create(cx(), command).await.expect("an answer") {
            CreateOutcome::Created { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    async fn rotate(&self, session: &PackedSession) -> PackedSession {
        let (nonce, digest) = (random(), TokenDigest::from_bytes(random()));
        let command = RotateSession { id: session.id(), expected: None, nonce, digest, overlap_ms: 5_000, step_up: None };
        match self.store.rotate(cx(), command).await.expect("an answer") {
            RotateOutcome::Rotated(session) => session,
            other => panic!("{other:?}"),
        }
    }

    async fn end(&self, id: SessionId) {
        let command = EndSessions { tag: id.tag(), selection: Selection::One(id), reason: EndReason::Revoked };
        assert_eq!(self.store.end(cx(), command).await.expect("an answer").revoked, 1);
    }

    fn cut(&self, cut: bool) {
        self.link.cut.store(cut, Ordering::SeqCst);
    }

    /// How long it takes until a session is refused.
    async fn refuses_within(&self, session: &PackedSession, since: Instant) -> Duration {
        while self.is_valid(session).await {
            assert!(since.elapsed() < DEADLINE, "it is never refused");
            tokio::task::yield_now().await;
        }
        since.elapsed()
    }
}

fn cx() -> Context {
    Context { now: Clock::system().now(), origin: Origin::default() }
}

/// Nodes on one database. With `shared` they have one state between them, as on Redis; else each its own.
async fn nodes(shared: bool) -> (Vec<Node>, Arc<Postgres>) {
    let fixture = || {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (postgres, url)
    };
    let (postgres, url) = tokio::task::spawn_blocking(fixture).await.expect("the fixture does not panic");
    let state = Arc::new(MemoryState::new(64 * 1024 * 1024));
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let options = PostgresOptions { readers: 2, read_timeout: DEADLINE, ..PostgresOptions::default() };
        let record = Arc::new(PostgresRecord::open(&url, options).await.expect("the database opens"));
        let own = if shared { state.clone() } else { Arc::new(MemoryState::new(64 * 1024 * 1024)) };
        let link = Arc::new(Link { state: own, cut: AtomicBool::new(false) });
        let store = Durable::new(record, link.clone(), DEADLINE);
        store.follow();
        nodes.push(Node { store, link });
    }
    (nodes, postgres)
}

/// S11: what one node ends is refused by the other, whose own state knows nothing of it, within the bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_heard_by_the_other_node() {
    let (nodes, _postgres) = nodes(false).await;
    for _ in 0..5 {
        let session = nodes[0].create(UserTag::anonymous()).await;
        assert!(nodes[1].is_valid(&session).await, "it is read from the record");
        nodes[0].end(session.id()).await;
        let took = nodes[1].refuses_within(&session, Instant::now()).await;
        assert!(took < BOUND, "{took:?}");
    }
}

/// Without its state a node answers from the record, changes go on, and what the state holds from before counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_state_the_record_answers() {
    let (nodes, _postgres) = nodes(true).await;
    let tag = UserTag::anonymous();
    let (kept, ended) = (nodes[0].create(tag).await, nodes[0].create(tag).await);
    nodes[0].cut(true);
    assert!(nodes[0].is_valid(&kept).await && nodes[0].is_valid(&ended).await);
    assert!(nodes[0].store.state_faults() > 0);
    let new = nodes[0].create(tag).await;
    nodes[0].end(ended.id()).await;
    assert!(!nodes[0].is_valid(&ended).await && nodes[0].is_valid(&new).await);
    // The other node is well and looks at a state that does not know of the end.
    let took = nodes[1].refuses_within(&ended, Instant::now()).await;
    assert!(took < BOUND, "{took:?}");
    nodes[0].cut(false);
    assert!(!nodes[0].is_valid(&ended).await, "the state's word from before the cut does not count");
    for node in &nodes {
        assert!(node.is_valid(&kept).await && node.is_valid(&new).await);
        assert!(!node.is_valid(&ended).await);
    }
    assert_eq!(nodes[0].store.state_faults(), 0);
}

/// What one node began, while it could not reach the state, no other one refuses: not even for the time that news takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_state_refuses_nobody() {
    let (nodes, _postgres) = nodes(true).await;
    nodes[0].cut(true);
    for _ in 0..5 {
        let tag = UserTag::anonymous();
        assert!(nodes[1].is_valid(&nodes[1].create(tag).await).await, "the state holds the user");
        let session = nodes[0].create(tag).await;
        assert!(nodes[1].is_valid(&session).await);
        let held = nodes[1].store.get(session.id(), Clock::system().now()).await.expect("an answer");
        assert!(matches!(held, GetOutcome::Live(_)), "{held:?}");
        let rotated = nodes[0].rotate(&session).await;
        assert!(nodes[1].is_valid(&rotated).await);
    }
}

/// A node that died between commit and projection leaves a state behind that another node mends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_projection_is_made_up_for() {
    let (nodes, _postgres) = nodes(true).await;
    let tag = UserTag::anonymous();
    let session = nodes[0].create(tag).await;
    nodes[0].cut(true);
    nodes[0].end(session.id()).await;
    let start = Instant::now();
    let state = &nodes[1].link.state;
    let held = || async { state.user(tag).await.expect("memory answers").map(|user| user.live.len()) };
    while held().await != Some(0) {
        assert!(start.elapsed() < DEADLINE, "nobody mends the state");
        tokio::task::yield_now().await;
    }
    assert!(!nodes[1].is_valid(&session).await);
}
