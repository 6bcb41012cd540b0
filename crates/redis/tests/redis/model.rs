//! Random commands, compared with the model.

use super::support::store_on;
use vestibule_testkit::{conformance::Harness, model::Walk, process::Redis};

#[tokio::test]
async fn the_redis_store_agrees_with_the_model() {
    let server = Redis::start();
    Walk::from_env().compare(Harness::of(store_on(&server)).keeping(server)).await;
}
