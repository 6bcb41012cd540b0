//! Several nodes on one database.

use super::{Database, Node};
use crate::scene::{START, create, created, end_all, register, request, session, tag, user_id};
use std::collections::HashMap;
use vestibule_core::{
    account::command::RegisterOutcome,
    device::{
        DeviceId,
        command::{TrustDevice, TrustOutcome},
    },
    id::UserTag,
    record::Record,
    session::{
        CapPolicy, Device, Session, TokenDigest,
        command::{Cap, CreateOutcome, CreateSession, ExpireOutcome, ExpireUser},
    },
    user::command::{DeleteUser, Outcome},
};

const NODES: usize = 3;

async fn nodes(database: &Database) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(database.node().await);
    }
    nodes
}

/// Runs `work` on every node at once, `times` times each.
async fn at_once<T, F>(nodes: &[Node], times: u64, work: impl Fn(Node, u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = nodes
        .iter()
        .flat_map(|node| (0..times).map(|step| tokio::spawn(work(node.clone(), step))).collect::<Vec<_>>())
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("no task panics"));
    }
    results
}

/// Nodes that start at the same moment found one schema and one salt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_found_one_deployment() {
    use vestibule_core::deployment::{DeploymentRecord, DeploymentStore};
    let database = Database::new().await;
    let url = database.url.clone();
    let starts: Vec<_> = (0..NODES as u8)
        .map(|node| {
            let url = url.clone();
            tokio::spawn(async move {
                let record = vestibule_sql::PostgresRecord::open(&url, Default::default()).await.expect("it opens");
                record.init(DeploymentRecord { salt: [node; 32], fingerprint: [node; 16] }).await.expect("it answers")
            })
        })
        .collect();
    let mut founded = Vec::new();
    for start in starts {
        founded.push(start.await.expect("no task panics"));
    }
    assert!(founded.iter().all(|deployment| *deployment == founded[0]), "{founded:?}");
    assert_eq!(database.sql("SELECT count(*) = count(DISTINCT version) FROM vestibule_schema"), "t", "a step was taken twice");
}

/// S18, S19: the cap holds over all nodes, with either policy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cap_holds_over_all_nodes() {
    const CAP: usize = 10;
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    for round in 0..10_u8 {
        for policy in [CapPolicy::EvictOldest, CapPolicy::Deny] {
            let user = tag(2 * round + u8::from(policy == CapPolicy::Deny));
            let outcomes = at_once(&nodes, 10, move |node, step| async move {
                let command = CreateSession {
                    session: session(START.plus_ms(step), user),
                    cap: Cap { limit: CAP, policy },
                    login: false,
                    device: None,
                    is_new_browser: false,
                };
                node.outcome(START.plus_ms(step), command).await
            })
            .await;
            let created = |outcome: &&Outcome| matches!(outcome, Outcome::CreateSession(CreateOutcome::Created { .. }));
            let expected = if policy == CapPolicy::Deny { CAP } else { outcomes.len() };
            assert_eq!(outcomes.iter().filter(created).count(), expected);
            let live = nodes[0].load(user).await.user;
            assert_eq!(live.live.len(), CAP);
            assert_eq!(live.created_total - live.ended_total, CAP as u64);
        }
    }
}

/// Of all nodes that register an address at the same time, one succeeds, and the batches of the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_claimed_once() {
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    for round in 0..20 {
        let outcomes = at_once(&nodes, 5, move |node, step| async move {
            let address = format!("ada{round}@example.com");
            // Each asks for another user, so nothing but the address stands between them.
            let tag = UserTag::from_bytes([vestibule_core::id::random::<1>()[0], round, step as u8, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            node.outcome(START, register(tag, &address)).await
        })
        .await;
        let registered = outcomes.iter().filter(|outcome| **outcome == Outcome::Register(RegisterOutcome::Registered));
        assert_eq!(registered.count(), 1, "{outcomes:?}");
        let accounts = database.sql(&format!("SELECT count(*) FROM vestibule_accounts WHERE email = 'ada{round}@example.com'"));
        assert_eq!(accounts, "1");
    }
}

/// Every change has a place of its own in the log, revisions of a user rise by one whoever changes them, and the figures add up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_change_log_tells_every_change_of_every_node() {
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    at_once(&nodes, 60, |node, step| async move {
        let user = tag((step % 5) as u8);
        match step % 6 {
            5 => drop(node.decide(vec![request(START.plus_ms(step), end_all(user, &[]))]).await),
            _ => drop(created(node.decide(vec![create(START.plus_ms(step), user)]).await.remove(0))),
        }
    })
    .await;
    let changes = nodes[0].0.changes_since(0, 10_000).await.expect("the log reads");
    let mut revisions: HashMap<UserTag, Vec<u64>> = HashMap::new();
    for change in &changes {
        revisions.entry(change.tag).or_default().push(change.revision);
    }
    assert_eq!(revisions.len(), 5);
    for (tag, mut seen) in revisions {
        seen.sort_unstable();
        let expected: Vec<u64> = (1..=nodes[1].load(tag).await.user.revision).collect();
        assert_eq!(seen, expected);
    }
    let mut live = 0;
    for user in 0..5 {
        live += nodes[2].load(tag(user)).await.user.live.len() as u64;
    }
    let stats = nodes[0].0.stats().await.expect("figures");
    assert_eq!((stats.sessions, stats.created_total), (live, NODES as u64 * 50));
    assert_eq!(stats.created_total, stats.sessions + stats.revoked_total);
}

/// What was read before a change is never dated after it, so a state that forgot the newer snapshot refuses the older one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_dated_before_what_it_has_not_seen() {
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    let user = tag(1);
    created(nodes[0].decide(vec![create(START, user)]).await.remove(0));
    let writer = {
        let node = nodes[0].clone();
        tokio::spawn(async move {
            let mut places = Vec::new();
            for step in 0..200 {
                let decided = node.decide(vec![create(START.plus_ms(step), user)]).await.remove(0);
                let snapshot = decided.snapshot.expect("it changed");
                places.push((snapshot.user.revision, snapshot.sequence));
            }
            places
        })
    };
    let mut read = Vec::new();
    while !writer.is_finished() {
        let snapshot = nodes[1].load(user).await;
        read.push((snapshot.user.revision, snapshot.sequence));
    }
    let places: HashMap<u64, u64> = writer.await.expect("the writer is well").into_iter().collect();
    assert!(read.len() > 10, "{}", read.len());
    for (revision, dated) in read {
        let unseen = places.iter().filter(|(written, _)| **written > revision);
        for (written, place) in unseen {
            assert!(dated < *place, "revision {written} at {place} is not in a snapshot of revision {revision} at {dated}");
        }
    }
}

/// Ends under a mark are settled by any node, and none is counted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_is_settled_once() {
    const MANY: u64 = 1_500;
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    let user = tag(1);
    let creates = (0..MANY).map(|step| create(START.plus_ms(step), user)).collect();
    nodes[0].decide(creates).await;
    nodes[1].outcome(START.plus_ms(MANY), end_all(user, &[])).await;
    assert!(nodes[2].load(user).await.user.live.is_empty());
    assert_eq!(nodes[2].0.history(user, None, 10_000).await.expect("history").len() as u64, MANY);
    let forgotten =
        at_once(
            &nodes,
            1,
            |node, _| async move { node.0.forget_ended(START.plus_ms(2 * MANY), 10_000).await.expect("it forgets") },
        )
        .await;
    assert!(forgotten.iter().sum::<usize>() as u64 >= MANY, "{forgotten:?}");
    assert_eq!(database.sql("SELECT count(*) FROM vestibule_sessions"), "0");
    assert_eq!(database.sql("SELECT count(*) FROM vestibule_marks"), "0");
}

/// A deleted user leaves no row of a session, whoever deletes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_is_erased() {
    let database = Database::new().await;
    let nodes = nodes(&database).await;
    let user = tag(1);
    nodes[0].decide((0..100).map(|step| create(START.plus_ms(step), user)).collect()).await;
    nodes[1].outcome(START.plus_ms(200), DeleteUser { tag: user }).await;
    assert!(nodes[2].0.history(user, None, 1_000).await.expect("history").is_empty());
    nodes[2].0.forget_ended(START, 1_000).await.expect("it settles");
    assert_eq!(database.sql("SELECT count(*) FROM vestibule_sessions"), "0");
}

#[tokio::test]
async fn a_reset_token_in_the_database() {
    let database = Database::new().await;
    crate::account::a_reset_token_is_taken_once_and_in_time(&*database.node().await.0).await;
}

/// Uses may be on their way from another node, for as long as they are recorded late: at most a fifth of a rest. A session that
/// rests for ten seconds is not kept for two minutes more, and its end is reported when it comes.
// S7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_rest_has_little_slack() {
    let (database, ada) = (Database::new().await, tag(1));
    let node = database.node().await;
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    let session = Session { idle_timeout_ms: 10_000, ..session(START, ada) };
    node.outcome(START, CreateSession { session, cap, login: false, device: None, is_new_browser: false }).await;
    for (rested_ms, expired) in [(10_000, 0), (11_999, 0), (12_000, 1)] {
        let now = START.plus_ms(rested_ms);
        assert_eq!(node.0.due(now, 10).await.expect("due answers").len() as u64, expired, "{rested_ms}");
        assert_eq!(
            node.outcome(now, ExpireUser { tag: ada }).await,
            Outcome::ExpireUser(ExpireOutcome { expired }),
            "{rested_ms}"
        );
    }
}

/// A user of whom nothing is known yet can trust a device.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_can_trust_a_device() {
    let (database, ada) = (Database::new().await, tag(1));
    let command = TrustDevice {
        id: DeviceId::generate(ada),
        user_id: user_id(ada),
        digest: TokenDigest::from_bytes([1; 32]),
        label: Device::default(),
        expires_at: START.plus_ms(60_000),
        session: None,
        replaces: None,
    };
    let outcome = database.node().await.outcome(START, command).await;
    assert!(matches!(outcome, Outcome::TrustDevice(TrustOutcome::Trusted(_))), "{outcome:?}");
}
