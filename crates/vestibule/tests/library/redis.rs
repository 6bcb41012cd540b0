//! Redis over a Postgres record.

use std::{sync::Arc, time::Duration};
use vestibule::{
    durable::Durable,
    redis::{RedisAddress, RedisOptions, RedisState},
    sql::{PostgresOptions, PostgresRecord},
};
use vestibule_testkit::{
    conformance::Harness,
    model::Walk,
    process::{Postgres, Redis},
};

/// Far above what a busy machine needs: what is tested here is not the deadline.
const DEADLINE: Duration = Duration::from_secs(60);

async fn make() -> Harness {
    let fixtures = tokio::task::spawn_blocking(|| {
        let postgres = Postgres::shared();
        let url = postgres.database();
        (Redis::start(), postgres, url)
    });
    let (redis, postgres, url) = fixtures.await.expect("the fixtures do not panic");
    // This process hears of every use, so none is on its way from elsewhere.
    let alone =
        PostgresOptions { idle_slack: Duration::ZERO, readers: 2, read_timeout: DEADLINE, ..PostgresOptions::default() };
    let record = Arc::new(PostgresRecord::open(&url, alone).await.expect("an empty database opens"));
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let state = RedisState::new(RedisAddress::parse(&redis.url()).expect("an address"), options);
    state.look().await.expect("the server is there");
    let store = Durable::on(state.bus(), record.clone(), Arc::new(state), DEADLINE);
    let bus = store.bus();
    Harness::joined(Arc::new(store), record).telling(bus).keeping(postgres).keeping(redis)
}

vestibule_testkit::session_conformance!(make);
vestibule_testkit::bus_conformance!(make);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_agrees_with_the_model() {
    Walk { counts_uses: false, ..Walk::from_env() }.compare(make().await).await;
}
