//! Redis over a Postgres record.

use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use vestibule::{
    bus::{News, Signal, Subscription},
    durable::Durable,
    id::UserTag,
    redis::{RedisAddress, RedisOptions, RedisState},
    sql::{PostgresOptions, PostgresRecord},
};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    model::Walk,
    process::{Postgres, Redis},
};

/// Far above what a busy machine needs: what is tested here is not the deadline.
const DEADLINE: Duration = Duration::from_secs(60);

/// A node over this database and this Redis, and its record.
async fn node(url: &str, redis: &Redis) -> (Durable, Arc<PostgresRecord>) {
    // This process hears of every use, so none is on its way from elsewhere.
    let alone =
        PostgresOptions { idle_slack: Duration::ZERO, readers: 2, read_timeout: DEADLINE, ..PostgresOptions::default() };
    let record = Arc::new(PostgresRecord::open(url, alone).await.expect("the database opens"));
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let state = RedisState::new(RedisAddress::parse(&redis.url()).expect("an address"), options);
    state.look().await.expect("the server is there");
    (Durable::on(state.bus(), record.clone(), Arc::new(state), DEADLINE), record)
}

async fn fixtures() -> (Redis, Arc<Postgres>, String) {
    let started = tokio::task::spawn_blocking(|| {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (Redis::start(), postgres, url)
    });
    started.await.expect("the fixtures do not panic")
}

async fn make() -> Harness {
    let (redis, postgres, url) = fixtures().await;
    let (store, record) = node(&url, &redis).await;
    let bus = store.bus();
    Harness::joined(Arc::new(store), record).telling(bus).keeping(postgres).keeping(redis)
}

vestibule_testkit::session_conformance!(make);
vestibule_testkit::bus_conformance!(make);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_agrees_with_the_model() {
    Walk { counts_uses: false, ..Walk::from_env() }.compare(make().await).await;
}

/// The next end that is told of.
async fn next_end(news: &mut Subscription) -> (UserTag, u64) {
    loop {
        let told = timeout(DEADLINE, news.next()).await.expect("there are news").expect("the bus lives");
        if let News::Signal(Signal::SessionsEnded(ended)) = told {
            return (ended.tag, ended.revision);
        }
    }
}

/// By the bus and by the log, it is one end; and where Redis is away, the log tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_ends_is_told_once_with_redis_and_without() {
    let (redis, _postgres, url) = fixtures().await;
    let (nodes, mut news) = {
        let (one, record) = node(&url, &redis).await;
        let (two, _) = node(&url, &redis).await;
        one.follow();
        two.follow();
        let news = [one.bus().subscribe(), two.bus().subscribe()];
        ([Scene::new(Harness::joined(Arc::new(one), record.clone())), Scene::new(Harness::joined(Arc::new(two), record))], news)
    };
    let people: Vec<_> = (0..20).map(|_| nodes[0].person()).collect();
    for (index, person) in people.iter().enumerate() {
        let session = nodes[0].login(person).await;
        if index == people.len() / 2 {
            tokio::task::block_in_place(|| redis.kill());
        }
        assert_eq!(nodes[index % 2].end_one(&session).await, 1);
    }
    for news in &mut news {
        // Each is the second revision of a user. Those of two publishers come in any order, a repeat would take the place of another.
        let mut told = Vec::new();
        for _ in &people {
            told.push(next_end(news).await);
        }
        told.sort_by_key(|(tag, _)| *tag.as_bytes());
        let mut ends: Vec<_> = people.iter().map(|person| (person.tag, 2)).collect();
        ends.sort_by_key(|(tag, _)| *tag.as_bytes());
        assert_eq!(told, ends);
    }
}
