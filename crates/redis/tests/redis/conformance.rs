//! The conformance suite.

use super::{monitor::Watched, support::store_on};
use std::sync::Arc;
use vestibule_redis::LimitTime;
use vestibule_testkit::{
    conformance::{Harness, LimitScene},
    process::Redis,
};

async fn make() -> Harness {
    let server = Arc::new(Redis::start());
    let watched = Watched::new(server.clone());
    Harness::of(store_on(&server)).keeping(watched).keeping(server)
}

vestibule_testkit::session_conformance!(make);

async fn make_telling() -> Harness {
    let server = Redis::start();
    let store = store_on(&server);
    let bus = store.bus();
    Harness::of(store).telling(bus).keeping(server)
}

vestibule_testkit::bus_conformance!(make_telling);

async fn make_limits() -> LimitScene {
    let server = Redis::start();
    let limits = store_on(&server).limits().with_time(LimitTime::Caller);
    LimitScene::of(Arc::new(limits)).keeping(server)
}

vestibule_testkit::limit_conformance!(make_limits);
