//! Changes that race a projection: two nodes over one Postgres record and one Redis, which has just forgotten the users.

use std::sync::Arc;
use tokio::task::block_in_place;
use vestibule::{
    durable::Durable,
    redis::{RedisAddress, RedisOptions, RedisState},
    sql::{PostgresOptions, PostgresRecord},
};
use vestibule_core::{
    event::Origin,
    id::{UserTag, random},
    record::State,
    session::{
        CapPolicy, EndReason, PackedSession, SessionStore, TokenDigest,
        command::{
            Cap, CreateOutcome, CreateSession, EndSessions, FindOutcome, GetOutcome, RotateOutcome, RotateSession, Selection,
            SetData, SetDataOutcome,
        },
    },
    time::Clock,
    user::Context,
};
use vestibule_testkit::{
    process::{Postgres, Redis},
    sample,
};

/// Far above what a busy machine needs: what is tested here is not the deadline.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);
/// Rounds of each race, and how many run at the same time.
const ROUNDS: usize = 1_000;
const AT_ONCE: usize = 50;

/// Two nodes, and what they share.
struct Scene {
    nodes: [Durable; 2],
    state: RedisState,
    redis: Redis,
    _postgres: Arc<Postgres>,
}

fn state_on(redis: &Redis) -> RedisState {
    let address = RedisAddress::parse(&redis.url()).expect("an address");
    RedisState::new(address, RedisOptions { deadline: DEADLINE, ..RedisOptions::default() })
}

impl Scene {
    async fn new() -> Arc<Self> {
        let (redis, postgres) = block_in_place(|| (Redis::start(), Postgres::shared()));
        let url = block_in_place(|| postgres.database());
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let options = PostgresOptions { readers: 4, read_timeout: DEADLINE, ..PostgresOptions::default() };
            let record = Arc::new(PostgresRecord::open(&url, options).await.expect("the database opens"));
            let state = state_on(&redis);
            state.look().await.expect("the server is there");
            let node = Durable::new(record, Arc::new(state), DEADLINE);
            node.follow();
            nodes.push(node);
        }
        let nodes = nodes.try_into().unwrap_or_else(|_| panic!("two nodes"));
        let state = state_on(&redis);
        state.look().await.expect("the server is there");
        Arc::new(Self { nodes, state, redis, _postgres: postgres })
    }

    async fn create(&self) -> PackedSession {
        let command = CreateSession {
            session: sample::session(Clock::system().now(), UserTag::anonymous()),
            cap: Cap { limit: 100, policy: CapPolicy::EvictOldest },
            login: false,
            device: None,
            is_new_browser: false,
        };
        match self.nodes[0].create(cx(), command).await.expect("an answer") {
            CreateOutcome::Created { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    /// Whether a node takes this token.
    async fn takes(&self, node: usize, session: &PackedSession) -> bool {
        let found = self.nodes[node].find(session.id().tag(), session.digest(), Clock::system().now()).await;
        matches!(found.expect("an answer"), FindOutcome::Found { .. })
    }

    async fn get(&self, node: usize, session: &PackedSession) -> Option<PackedSession> {
        match self.nodes[node].get(session.id(), Clock::system().now()).await.expect("an answer") {
            GetOutcome::Live(session) => Some(session),
            GetOutcome::Missing => None,
        }
    }

    /// Both nodes, and Redis where it holds the user, have exactly this.
    async fn assert_held(&self, session: &PackedSession) {
        for node in 0..2 {
            assert!(self.takes(node, session).await, "node {node} refuses it");
            assert_eq!(self.get(node, session).await.as_ref(), Some(session), "node {node}");
        }
        let held = self.state.user(session.id().tag()).await.expect("an answer");
        assert!(held.is_none_or(|user| user.live.iter().eq([session])), "Redis is behind");
    }
}

fn cx() -> Context {
    Context { now: Clock::system().now(), origin: Origin::default() }
}

/// Runs rounds of a race, many at the same time, each on a user whom Redis has just forgotten. A round changes a session through one
/// node while the other one looks it up, and so projects it; then it looks at what is left.
async fn race<F>(round: impl Fn(Arc<Scene>, PackedSession) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let scene = Scene::new().await;
    for _ in 0..ROUNDS / AT_ONCE {
        let mut sessions = Vec::new();
        for _ in 0..AT_ONCE {
            sessions.push(scene.create().await);
        }
        assert!(block_in_place(|| scene.redis.command("FLUSHALL")).contains("OK"));
        let rounds: Vec<_> = sessions.into_iter().map(|session| tokio::spawn(round(scene.clone(), session))).collect();
        for round in rounds {
            round.await.expect("the round ends well");
        }
    }
}

// S12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoke_wins_against_a_projection() {
    race(|scene, session| async move {
        let tag = session.id().tag();
        let end = EndSessions { tag, selection: Selection::One(session.id()), reason: EndReason::Revoked };
        let (_, ended) = tokio::join!(scene.takes(1, &session), scene.nodes[0].end(cx(), end));
        assert_eq!(ended.expect("an answer").revoked, 1);
        for node in 0..2 {
            assert!(!scene.takes(node, &session).await, "an ended session is valid on node {node}");
            assert_eq!(scene.get(node, &session).await, None);
        }
        let held = scene.state.user(tag).await.expect("an answer");
        assert!(held.is_none_or(|user| user.live.is_empty()), "Redis holds an ended session");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_wins_against_a_projection() {
    race(|scene, session| async move {
        let (nonce, digest) = (random(), TokenDigest::from_bytes(random()));
        let rotate = RotateSession { id: session.id(), expected: None, nonce, digest, overlap_ms: 0, step_up: None };
        let (_, rotated) = tokio::join!(scene.takes(1, &session), scene.nodes[0].rotate(cx(), rotate));
        let RotateOutcome::Rotated(rotated) = rotated.expect("an answer") else { panic!("it is live") };
        scene.assert_held(&rotated).await;
        for node in 0..2 {
            assert!(!scene.takes(node, &session).await, "the old token is good on node {node}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_wins_against_a_projection() {
    race(|scene, session| async move {
        let write = SetData { id: session.id(), expected: session.revision(), data: vec![9; 40].into() };
        let (_, written) = tokio::join!(scene.takes(1, &session), scene.nodes[0].set_data(cx(), write));
        let SetDataOutcome::Written(written) = written.expect("an answer") else { panic!("nobody else writes") };
        scene.assert_held(&written).await;
    })
    .await;
}

/// S18: logins through both nodes leave exactly the cap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_through_two_nodes_leave_exactly_the_cap() {
    let scene = Scene::new().await;
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    for _ in 0..10 {
        let tag = UserTag::anonymous();
        let login = |number: usize| {
            let (scene, session) = (scene.clone(), sample::session(Clock::system().now(), tag));
            tokio::spawn(async move {
                scene.nodes[number % 2]
                    .create(cx(), CreateSession { session, cap, login: false, device: None, is_new_browser: false })
                    .await
                    .expect("an answer")
            })
        };
        let mut created = Vec::new();
        for login in (0..cap.limit + 20).map(login).collect::<Vec<_>>() {
            match login.await.expect("no panic") {
                CreateOutcome::Created { session, .. } => created.push(session),
                other => panic!("{other:?}"),
            }
        }
        for node in 0..2 {
            let mut valid = 0;
            for session in &created {
                valid += usize::from(scene.takes(node, session).await);
            }
            assert_eq!(valid, cap.limit, "on node {node}");
        }
    }
}

/// Of two rotations from one revision through two nodes, one is made, and both callers learn its token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rotations_from_one_revision_are_one() {
    race(|scene, session| async move {
        let rotate = || {
            let (nonce, digest) = (random(), TokenDigest::from_bytes(random()));
            let expected = Some(session.revision());
            RotateSession { id: session.id(), expected, nonce, digest, overlap_ms: 0, step_up: None }
        };
        let (one, two) = tokio::join!(scene.nodes[0].rotate(cx(), rotate()), scene.nodes[1].rotate(cx(), rotate()));
        let (made, repeated) = match (one.expect("an answer"), two.expect("an answer")) {
            (RotateOutcome::Rotated(made), RotateOutcome::Repeated(repeated))
            | (RotateOutcome::Repeated(repeated), RotateOutcome::Rotated(made)) => (made, repeated),
            others => panic!("{others:?}"),
        };
        assert_eq!(made, repeated);
        scene.assert_held(&made).await;
    })
    .await;
}
