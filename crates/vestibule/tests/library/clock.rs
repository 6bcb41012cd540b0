//! Nodes whose own clocks are wrong.

use std::time::Duration;
use vestibule::{
    Options, Vestibule,
    event::Origin,
    id::UserId,
    secret::{KeyRing, Secret},
    session::service::{
        create::{Creation, NewSession},
        validate::{Presented, Validation},
    },
    time::Clock,
};
use vestibule_testkit::process::{Postgres, Redis};

/// How far two nodes may differ on a deadline: the way to the server and back on a busy machine.
const SKEW_MS: u64 = 2_000;

fn options(wrong_by_ms: i64) -> Options {
    let secret = Secret::new(b"one secret of two nodes, long enough for a key".to_vec()).expect("a secret");
    let mut options = Options::new(KeyRing::new(&[secret], None).expect("a ring"));
    options.clock = Clock::wrong_by(wrong_by_ms);
    options.deadline = Duration::from_secs(60);
    options
}

/// One node that is two minutes fast and one that is two minutes slow, with sessions that rest for one at most: by their own
/// clocks the first would take none of the second, and the second would keep those of the first for five.
async fn agree(over: impl Fn(&mut Options)) {
    let node = async |wrong_by_ms| {
        let mut options = options(wrong_by_ms);
        over(&mut options);
        Vestibule::open(options).await.expect("it opens")
    };
    let (fast, slow) = (node(120_000).await, node(-120_000).await);
    let mut deadlines = Vec::new();
    for (maker, other) in [(&fast, &slow), (&slow, &fast)] {
        let user = UserId::new("ada").expect("a user");
        let idle_timeout = Some(Duration::from_secs(60));
        let new = NewSession { user_id: Some(user), idle_timeout, ..NewSession::default() };
        let Creation::Created(issued) = maker.sessions.create(new, Origin::default()).await.expect("an answer") else {
            panic!("no session began");
        };
        deadlines.push(issued.info.session.idle_expires_at());
        for node in [maker, other] {
            let presented = Presented { token: &issued.token.expose(), ..Presented::default() };
            let validation = node.sessions.validate(presented).await.expect("an answer");
            assert!(matches!(validation, Validation::Valid(_)), "{validation:?}");
        }
    }
    let apart_ms = deadlines[0].since_ms(deadlines[1]) + deadlines[1].since_ms(deadlines[0]);
    assert!(apart_ms <= SKEW_MS, "the deadlines are {apart_ms} ms apart");
    let now = Clock::system().now();
    let left_ms = deadlines[0].since_ms(now);
    assert!((1..=60_000 + SKEW_MS).contains(&left_ms), "{left_ms} ms are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_redis_follow_its_clock() {
    // S25
    let redis = tokio::task::spawn_blocking(Redis::start).await.expect("redis starts");
    let url = redis.url();
    agree(|options| options.redis = Some(vestibule::redis::RedisAddress::parse(&url).expect("an address"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_redis_and_postgres_follow_the_clock_of_the_record() {
    // S25
    let fixtures = tokio::task::spawn_blocking(|| {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (Redis::start(), postgres, url)
    });
    let (redis, _postgres, database) = fixtures.await.expect("the fixtures start");
    let url = redis.url();
    agree(|options| {
        options.redis = Some(vestibule::redis::RedisAddress::parse(&url).expect("an address"));
        options.database_url = Some(database.clone());
    })
    .await;
}
